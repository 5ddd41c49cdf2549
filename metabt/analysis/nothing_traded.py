"""Nothing traded: why a run has no session of stream, and the cure.

Where no asset was eligible at any decision of any leaf, that is too little coverage: the best that was found is named,
and the `min_coverage` under which it is enough. Else history, lookback, start or end leave no decision. Of a leaf over
a signal it is said when the signal has weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metabt.analysis.coverage import Coverage, coverage_of, decided_on, proposed
from metabt.analysis.sleeve_history import SleeveHistory
from metabt.portfolio.sleeve import Leaf


def nothing_traded(histories: Sequence[SleeveHistory]) -> str:
    """Return the message about a run in whose view nothing is traded, from all its sleeves, the root first."""
    root = histories[0]
    begun = root.sleeve.spec.start
    start = "" if begun is None else f", with decisions from {begun} on"
    said = (
        f"portfolio '{root.sleeve.name}': nothing was traded from {root.node.calendar.sessions[0]} to {root.end}{start}"
    )
    return f"{said}{_uncovered(histories)}"


def _uncovered(histories: Sequence[SleeveHistory]) -> str:
    generic = "; give it more history, a shorter lookback, an earlier start or a later end"
    found: list[tuple[SleeveHistory, Leaf, Coverage]] = []
    outside = [history for history in histories if _signal_of(history) is not None]
    if outside:
        return _weighted(outside[0])
    for history in histories:
        spec = history.sleeve.spec
        if isinstance(spec, Leaf) and len(sessions := _decided_on(spec, history)):
            dataset = history.walked.plan.datasets[history.node.home]
            coverage = coverage_of(dataset, spec.universe, sessions, spec.lookback)
            if coverage.eligible(spec.min_coverage).any():
                return generic
            found.append((history, spec, coverage))
    if not any(coverage.best[0] for _, _, coverage in found):
        return generic
    return _best(*max(found, key=lambda each: each[2].best[0] / each[1].lookback))


def _decided_on(spec: Leaf, history: SleeveHistory) -> np.ndarray:
    return decided_on(spec, history.node.calendar.sessions, history.end, history.node.opens)


def _signal_of(history: SleeveHistory) -> str | None:
    spec = history.sleeve.spec
    return spec.signal if isinstance(spec, Leaf) else None


def _weighted(history: SleeveHistory) -> str:
    spec = history.sleeve.spec
    assert isinstance(spec, Leaf)
    signal = str(spec.signal)
    dates = history.walked.plan.datasets[spec.dataset].facts.point_in_time.tables["signals"].of_firsts([signal])
    return (
        f"; signal '{signal}' of '{history.path}' has weights from {dates.numbers('date').min()} to "
        f"{dates.numbers('date').max()}, known from {dates.numbers('known_at').min()} on, which have to be traded "
        "within the view; give it weights above 0, prices of those days, an earlier start or a later end"
    )


def _best(history: SleeveHistory, spec: Leaf, coverage: Coverage) -> str:
    seen, symbol = coverage.best
    shares = coverage.share[coverage.share >= 0.5]
    share = seen / spec.lookback
    cure = proposed(shares.tolist() or [share])
    other = ", or make a dataset of their own of assets with other trading days" if coverage.elsewhere.any() else ""
    return (
        f": no asset was eligible at any of {len(coverage.seen)} decisions. The best coverage in '{history.path}' was "
        f"{share:.4g} ({seen} of {spec.lookback} returns of '{symbol}'), wanted {spec.min_coverage:.4g}; "
        f"set min_coverage: {min(cure, proposed([share])):g}{other}"
    )
