"""Comparison: metabt and its peers on one work, side by side.

1. Rounds alternate: metabt over the whole work, then each peer over its part of it; the least of the rounds counts, in
   CPU seconds of this process. What a peer takes is scaled to the whole.
2. Weights are compared as timed, and again as exactly as the peer can give them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import process_time

from benchmarks.engine_time import EngineRun, run_engine
from benchmarks.kernel_time import kernel_seconds
from benchmarks.peer import Peer
from benchmarks.pieces import Piece, Subset, pieces
from benchmarks.works import Work

EXACT = 24
"""Windows of the first sleeve, and of the roots, that are compared as exactly as a peer can give them."""


@dataclass(frozen=True)
class PeerTime:
    """What a peer took, and how far its weights are from metabt's."""

    seconds: float
    """CPU seconds, scaled to the whole work."""
    part: str
    """What was timed, in words."""
    timed: float
    """max |dw| of what was timed."""
    exact: float
    """max |dw| as exactly as it can."""


@dataclass(frozen=True)
class Compared:
    """One work, measured."""

    work: Work
    """What was walked."""
    engine: EngineRun
    """The quickest of metabt's runs."""
    kernels: dict[str, float]
    """CPU seconds of metabt's in compiled kernels, by kind."""
    peers: dict[str, PeerTime] = field(default_factory=dict)
    """By name."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Peers that cannot walk it, and why."""


def compare(work: Work, peers: Sequence[tuple[Peer, Subset]], rounds: int) -> Compared:
    """Measure a work."""
    best = run_engine(work)  # kernels are compiled, or loaded
    refusals = {peer.name: _refusal(peer, work) for peer, _ in peers}
    parts = {peer.name: list(pieces(work, best, subset)) for peer, subset in peers if not refusals[peer.name]}
    able = [(peer, subset) for peer, subset in peers if peer.name in parts]
    times: dict[str, list[tuple[float, float]]] = {peer.name: [] for peer, _ in able}
    for _ in range(rounds):
        best = min(best, *_runs(work, 3 if best.seconds < 1.0 else 1), key=lambda it: it.seconds)
        for peer, _ in able:
            times[peer.name].append(_walked(peer, parts[peer.name]))
    found = {}
    for peer, subset in able:
        seconds, apart = min(times[peer.name])
        few = pieces(work, best, Subset(sleeves=1, windows=min(EXACT, subset.windows)))
        exact = max(piece.apart(peer.exact(piece.X, piece.rule)) for piece in few)
        found[peer.name] = PeerTime(seconds, subset.said(work), apart, exact)
    return Compared(work, best, kernel_seconds(work), found, {name: why for name, why in refusals.items() if why})


def _runs(work: Work, times: int) -> list[EngineRun]:
    return [run_engine(work) for _ in range(times)]


def _refusal(peer: Peer, work: Work) -> str:
    rules = [rule for it in work.portfolios for rule in (it.leaf, it.root) if rule]
    return next((why for rule in rules if (why := peer.refuses(rule))), "")


def _walked(peer: Peer, parts: Sequence[Piece]) -> tuple[float, float]:
    """Return the CPU seconds that a peer takes, scaled to the whole work, and max |dw| of its weights."""
    seconds, apart = 0.0, 0.0
    for piece in parts:
        began = process_time()
        weights, _ = peer.walk(piece.X, piece.rule)
        seconds += (process_time() - began) * piece.scale
        apart = max(apart, piece.apart(weights))
    return seconds, apart
