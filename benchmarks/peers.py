"""metabt against its peers, side by side: `python benchmarks/peers.py [WORK ...] [--peers loop,skfolio,bt]`.

Without works it runs all of them and writes benchmarks/RESULTS.md; with some (W2, or "W2 erc") it prints their tables.
A peer that is not installed is left out, and said to be.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from time import perf_counter

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

from benchmarks.comparison import Compared, compare
from benchmarks.decision_time import decision_times
from benchmarks.overhead import Overhead, overhead
from benchmarks.peer import Peer
from benchmarks.pieces import Subset
from benchmarks.results import agreement, kernels, page, stages, times
from benchmarks.works import Work, works
from metabt.errors import DataError

PEERS = {
    "loop": "benchmarks.loop_peer:Loop",
    "skfolio": "benchmarks.skfolio_peer:Skfolio",
    "bt": "benchmarks.bt_peer:Bt",
}
"""Name on the command line -> where the peer is."""

SUBSETS = {
    "loop": {"W3": Subset(sleeves=10), "W4": Subset(windows=24), "W5": Subset(sleeves=5)},
    "skfolio": {
        "W1": Subset(sleeves=1),
        "W2": Subset(sleeves=2),
        "W3": Subset(sleeves=2, windows=96),
        "W4": Subset(windows=2),
        "W5": Subset(sleeves=1, windows=24),
    },
    "bt": {"W2": Subset(sleeves=1), "W3": Subset(sleeves=1, windows=96)},
}
"""Peer -> work -> the part that it is timed on, for a few seconds each; else all of it."""

OVERHEADS = ("W2 erc", "W3 erc")
"""Works whose trees the overhead of a block is measured on."""


def installed(names: list[str]) -> Iterator[tuple[str, Peer]]:
    """Yield the peers that are installed, and say which are not."""
    for name in names:
        module, _, attribute = PEERS[name].partition(":")
        try:
            yield name, getattr(import_module(module), attribute)()
        except ModuleNotFoundError as error:
            print(f"{name} is left out: {error.name} is not installed; pip install -c constraints.txt -e '.[bench]'")


def chosen(names: list[str]) -> list[Work]:
    """Return the works of these names that can be walked here, and say which cannot."""
    found = []
    for work in works():
        if names and work.name not in names and work.name.split()[0] not in names:
            continue
        if work.missing:
            print(f"{work.name} is left out: metabt has no optimizer {work.missing}")
            continue
        try:
            work.market.prices  # noqa: B018  # made or read now, and shared by works of the same size
        except DataError as error:
            print(f"{work.name} is left out: {error}")
            continue
        found.append(work)
    return found


def measured(found: list[Work], peers: list[tuple[str, Peer]], rounds: int) -> list[Compared]:
    """Measure works one after another."""
    done = []
    for work in found:
        began = perf_counter()
        kind = work.name.split()[0]
        pairs = [(peer, SUBSETS.get(name, {}).get(kind, Subset())) for name, peer in peers]
        done.append(compare(work, pairs, rounds))
        print(
            f"{work.name}: metabt {done[-1].engine.seconds:.3f} s; measured in {perf_counter() - began:.0f} s",
            flush=True,
        )
    return done


def main() -> None:
    """Run the works."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="*", help="W1 W2 W3 W4 W5, or one of several by its whole name")
    parser.add_argument("--peers", default=",".join(PEERS), help="which of them; empty for none")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    unknown = set(filter(None, args.peers.split(","))) - PEERS.keys()
    if unknown:
        parser.error(f"no peer is called {', '.join(sorted(unknown))}; known: {', '.join(PEERS)}")
    warnings.simplefilter("ignore")  # peers warn of what is theirs, thousands of times
    peers = list(installed([name for name in args.peers.split(",") if name]))
    found = chosen(args.works)
    if not found:
        parser.error(f"no such work; known: {', '.join(work.name for work in works())}")
    done = measured(found, peers, args.rounds)
    if args.works:
        print("\n".join(["", *times(done), "", *agreement(done), "", *stages(done), "", *kernels(done)]))
        return
    overheads: dict[str, Overhead] = {it.name: overhead(it) for it in found if it.name in OVERHEADS}
    target = Path(__file__).parent / "RESULTS.md"
    target.write_text(page(done, overheads, args.rounds, decision_times()), encoding="utf-8")
    print(f"written: {target.parent.name}/{target.name}", file=sys.stderr)


if __name__ == "__main__":
    main()
