"""Results: the page that a run of the works writes."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.comparison import Compared
from benchmarks.decision_time import SIZES
from benchmarks.machine import machine, versions
from benchmarks.overhead import Overhead

HEAD = """# metabt and its peers

Written by `make bench`; what each work is stands in `works.py`, how it is measured in `comparison.py`.

- Date: {date}
- Machine: {machine}
- Versions: {versions}
- CPU seconds of one process, numeric threads pinned to one, the least of {rounds} alternating rounds. metabt: plan,
  walk and assemble in memory, no cache, kernels warm, all tables of the run (W5: what a sweep keeps). Every sleeve
  decides each 21 sessions, lag 0, no cost.
- A peer that would take minutes is timed on the part that is stated, and scaled; it walks a leaf that several
  configurations share once, which by itself it would not. *ratio* is its seconds over metabt's.
"""

AGREEMENT = """
## Agreement of weights

Largest difference of any weight from metabt's. *as timed*: of all that was timed, with the settings that were timed.
*exact*: over the first 24 windows of the first sleeve and of each root, with solvers at tighter tolerances and, for
hierarchical risk parity, the shortest leaf order in place of SciPy's, which is not the shortest (scipy issue 11227).
Roots are given the same streams. In some windows Clarabel, which skfolio solves with, stops short of its tolerance.
"""

STAGES = """
## Where metabt's time goes

CPU milliseconds by stage of the walk; *between stages* is what a walk takes beside its stages: cutting inputs,
keeping states. Windows and moments are within the stages that need them.
"""

KERNELS = """
The same milliseconds by what is computed, in compiled kernels; *beside kernels* is Python and NumPy: windows, inputs,
tables, and the engine.
"""

OVERHEAD = """
## Overhead of a block

CPU milliseconds a block (one sleeve over one year): the tree walked with `equal` for every optimizer, with all assets
and with two in each sleeve. Two assets leave next to nothing to compute: that is the engine. *through a cache*: the
same where blocks are named by digests, sealed and put into an empty cache in memory.
"""


DECISION = """
## One decision

CPU microseconds a decision by step, of twelve that are taken in one call (`decision_time.py`). Selectors and optimizers
are beside the sample moments, which they share.
"""


def page(
    found: Sequence[Compared],
    overheads: Mapping[str, Overhead],
    rounds: int,
    decision: Mapping[str, Sequence[float]] | None = None,
) -> str:
    """Return RESULTS.md."""
    date = datetime.date.today().isoformat()
    head = HEAD.format(date=date, machine=machine(), versions=versions(), rounds=rounds)
    parts = [head, *times(found), AGREEMENT, *agreement(found), STAGES, *stages(found), KERNELS, *kernels(found)]
    if overheads:
        parts += [OVERHEAD, *_overheads(overheads)]
    if decision:
        parts += [DECISION, *_decision(decision)]
    return "\n".join(parts) + "\n"


def times(found: Sequence[Compared]) -> Iterator[str]:
    """Yield the lines of the table of CPU seconds."""
    yield "| work | metabt s | peer | CPU s | ratio | timed on |"
    yield "|---|---:|---|---:|---:|---|"
    for it in found:
        ours = it.engine.seconds
        for name, peer in it.peers.items():
            ratio = peer.seconds / ours
            yield f"| {it.work.name} | {ours:.3f} | {name} | {peer.seconds:.3g} | {ratio:.3g} | {peer.part} |"
        for name, why in it.left_out.items():
            yield f"| {it.work.name} | {ours:.3f} | {name} | - | - | {why} |"
        if not it.peers and not it.left_out:
            yield f"| {it.work.name} | {ours:.3f} | | | | |"
    yield from _totals(found)


def _totals(found: Sequence[Compared]) -> Iterator[str]:
    """Yield the lines of works of several rules, W2 and W3, as a whole, for peers that have all of the rules."""
    families: dict[str, list[Compared]] = {}
    for it in found:
        families.setdefault(it.work.name.split()[0], []).append(it)
    for name, members in families.items():
        ours, common = sum(it.engine.seconds for it in members), set.intersection(*(set(it.peers) for it in members))
        for peer in (peer for peer in members[0].peers if peer in common and len(members) > 1):
            theirs = sum(it.peers[peer].seconds for it in members)
            whole = f"{name}, all {len(members)}"
            yield f"| {whole} | {ours:.3f} | {peer} | {theirs:.3g} | {theirs / ours:.3g} | as above |"


def agreement(found: Sequence[Compared]) -> Iterator[str]:
    """Yield the lines of the table of differences."""
    yield "| work | peer | as timed | exact |"
    yield "|---|---|---:|---:|"
    for it in found:
        for name, peer in it.peers.items():
            yield f"| {it.work.name} | {name} | {peer.timed:.1e} | {peer.exact:.1e} |"


def stages(found: Sequence[Compared]) -> Iterator[str]:
    """Yield the lines of the profile."""
    names = list(dict.fromkeys(stage for it in found for stage in it.engine.stages))
    yield f"| work | blocks | {' | '.join(names)} | all |"
    yield "|---|" + "---:|" * (len(names) + 2)
    for it in found:
        cells = [f"{1e3 * it.engine.stages.get(name, 0.0):.1f}" for name in names]
        yield f"| {it.work.name} | {it.engine.n_blocks} | {' | '.join(cells)} | {1e3 * it.engine.seconds:.1f} |"


def kernels(found: Sequence[Compared]) -> Iterator[str]:
    """Yield the lines of the table of kernels."""
    names = [name for name in found[0].kernels if any(it.kernels[name] > 0.0 for it in found)]
    yield f"| work | {' | '.join(names)} | beside kernels | all |"
    yield "|---|" + "---:|" * (len(names) + 2)
    for it in found:
        rest = it.engine.seconds - sum(it.kernels.values())
        cells = [f"{1e3 * seconds:.1f}" for seconds in (*(it.kernels[name] for name in names), rest, it.engine.seconds)]
        yield f"| {it.work.name} | {' | '.join(cells)} |"


def _overheads(overheads: Mapping[str, Overhead]) -> Iterator[str]:
    yield "| tree | blocks | all assets | two assets | two assets, through a cache |"
    yield "|---|---:|---:|---:|---:|"
    for name, it in overheads.items():
        yield f"| {name} | {it.n_blocks} | {it.whole:.3f} | {it.engine:.3f} | {it.cached:.3f} |"


def _decision(times: Mapping[str, Sequence[float]]) -> Iterator[str]:
    yield f"| step | {' | '.join(f'{size} assets' for size in SIZES)} |"
    yield "|---|" + "---:|" * len(SIZES)
    for name, microseconds in times.items():
        yield f"| {name} | {' | '.join(f'{it:.1f}' for it in microseconds)} |"
