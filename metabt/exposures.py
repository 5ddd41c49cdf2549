"""Risk by physical asset over a whole view: partition by partition, each found where it was computed before."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache as once

import numpy as np

from metabt.exposure import Exposure, expose
from metabt.fingerprint import array_digest
from metabt.forest import Plan
from metabt.keys import EXPOSURE, exposure_key
from metabt.panel import Panel
from metabt.ports import Cache
from metabt.stretch import Stretch


def exposures(root: Stretch, rows: np.ndarray, weights: np.ndarray, plan: Plan, cache: Cache) -> np.ndarray:
    """Return ex-ante risk contributions, (n_decisions, n_assets), at the root's sessions `rows`.

    `weights` (n_decisions, n_assets) are its decisions looked through to assets.
    """

    @once
    def panels() -> list[tuple[Panel, np.ndarray]]:
        return [(plan.datasets[name].panel.select(symbols), at) for name, (symbols, at) in _columns(root).items()]

    shares = np.full(weights.shape, np.nan)
    for part in root.node.partitions.values():
        here = (rows >= part.start) & (rows < part.stop)
        if here.any():
            shares[here] = _found(root, rows[here], weights[here], plan, cache, panels).shares
    return shares


def _found(
    root: Stretch,
    rows: np.ndarray,
    weights: np.ndarray,
    plan: Plan,
    cache: Cache,
    panels: Callable[[], list[tuple[Panel, np.ndarray]]],
) -> Exposure:
    common = np.flatnonzero(root.node.calendar.common[: root.size])
    stops = np.searchsorted(common, rows, side="right")
    first = max(int(stops[0]) - root.sleeve.spec.lookback - 1, 0)
    sessions = root.dates[common[first : stops[-1]]]
    arguments = (weights, sessions, stops - first, root.sleeve.spec.lookback)
    if not cache.remembers:
        return expose(*arguments, panels())
    key = exposure_key(*arguments, _observed(root, sessions, plan))
    known = cache.get(key, EXPOSURE) or cache.put(key, EXPOSURE, {"exposure": expose(*arguments, panels())})
    found: Exposure = known.parts["exposure"]
    return found


def _columns(root: Stretch) -> dict[str, tuple[list[str], np.ndarray]]:
    """Return dataset -> the symbols drawn from it and their columns."""
    home = {symbol: leaf.dataset for _, leaf in root.sleeve.leaves() for symbol in leaf.universe}
    symbols = root.node.layout.symbols
    found = {}
    for name in sorted(set(home.values())):
        columns = np.array([i for i, symbol in enumerate(symbols) if home[symbol] == name])
        found[name] = ([symbols[i] for i in columns], columns)
    return found


def _observed(root: Stretch, sessions: np.ndarray, plan: Plan) -> dict[str, str]:
    """Return dataset -> digest of the closes between which returns on `sessions` are measured, by asset."""
    found = {}
    for name, (symbols, columns) in _columns(root).items():
        dates = plan.datasets[name].dates
        # the last price as of the first session may be one of an earlier partition: its own digest covers it
        span = slice(
            max(int(np.searchsorted(dates, sessions[0], side="right")) - 1, 0),
            int(np.searchsorted(dates, sessions[-1], side="right")),
        )
        found[name] = plan.datasets[name].digest_of(tuple(symbols), span, ("close",)) + array_digest(columns)
    return found
