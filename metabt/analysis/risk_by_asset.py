"""Risk by asset over a whole view: partition by partition, each found where it was computed before."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from metabt.analysis.sleeve_history import SleeveHistory
from metabt.build.keys import ASSET_RISK, asset_risk_key
from metabt.build.plan import Plan
from metabt.build.ports import Cache
from metabt.data.prices import Prices
from metabt.portfolio.sleeve import Leaf
from metabt.values.digests import array_digest, joint_digest
from metabt.walk.asset_risk import AssetRisk, ex_ante_asset_risk


def exposures(root: SleeveHistory, rows: np.ndarray, weights: np.ndarray, plan: Plan, cache: Cache) -> np.ndarray:
    """Return ex-ante risk contributions, (n_decisions, n_assets), at the root's sessions `rows`.

    `weights` (n_decisions, n_assets) are its decisions looked through to assets. Of a root that takes its weights from
    outside they are NaN: it has looked at no window.
    """
    if not root.sleeve.spec.lookback:
        return np.full(weights.shape, np.nan)
    view = _View(root, plan)
    if not cache.remembers:  # a decision's bits do not depend on which others are asked for with it
        return view.ex_ante_asset_risk(rows, weights) if len(rows) else weights
    shares = np.full(weights.shape, np.nan)
    for part in root.node.partitions.values():
        here = (rows >= part.start) & (rows < part.stop)
        if here.any():
            shares[here] = _found(view, rows[here], weights[here], cache)
    return shares


def _found(view: _View, rows: np.ndarray, weights: np.ndarray, cache: Cache) -> np.ndarray:
    sessions, stops, lookback = view.seen(rows)
    key = asset_risk_key(weights, sessions, stops, lookback, view.observed(sessions))
    known = cache.get(key, ASSET_RISK) or cache.put(
        key, ASSET_RISK, {"exposure": AssetRisk(view.ex_ante_asset_risk(rows, weights))}
    )
    found: AssetRisk = known.parts["exposure"]
    return found.shares


@dataclass(frozen=True)
class _View:
    """A root within the view, and the datasets that its assets are drawn from."""

    root: SleeveHistory
    """The root within the view."""
    plan: Plan
    """The forest that it belongs to."""
    _selected: dict[str, tuple[np.ndarray, Prices]] = field(default_factory=dict)

    @cached_property
    def common(self) -> np.ndarray:
        """(n_common,) int64 sessions that the root decides on."""
        return np.flatnonzero(self.root.node.calendar.common[: self.root.size])

    @cached_property
    def drawn(self) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
        """Dataset -> the symbols drawn from it, and which assets of the root they are."""
        # a leaf of foreign assets reads another dataset than one without; what both hold is read with the foreign ones
        leaves = sorted((leaf for _, leaf in self.root.sleeve.leaves()), key=self._is_converted)
        home = {symbol: self.plan.home(leaf) for leaf in leaves for symbol in leaf.universe}
        symbols = np.array(self.root.layout.symbols)
        of = np.array(
            [home.get(symbol, "") for symbol in symbols.tolist()]
        )  # hedges are not decided, and come from none
        names = [str(name) for name in np.unique(of) if name]
        return {name: (tuple(symbols[of == name].tolist()), np.flatnonzero(of == name)) for name in names}

    def _is_converted(self, leaf: Leaf) -> bool:
        return self.plan.home(leaf) != leaf.dataset

    @cached_property
    def _universes(self) -> dict[str, list[tuple[str, ...]]]:
        """Dataset -> the universes of the leaves that draw from it: together, the symbols that are drawn."""
        leaves = [leaf for _, leaf in self.root.sleeve.leaves()]
        return {name: sorted({leaf.universe for leaf in leaves if self.plan.home(leaf) == name}) for name in self.drawn}

    def seen(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """Return the sessions that decisions at `rows` see, where each one's end, and how many returns it sees."""
        lookback = self.root.sleeve.spec.lookback
        stops = np.searchsorted(self.common, rows, side="right")
        first = max(int(stops[0]) - lookback - 1, 0)
        return self.root.dates[self.common[first : stops[-1]]], stops - first, lookback

    def ex_ante_asset_risk(self, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the risk contributions of assets, (n_decisions, n_assets), at decisions of one stretch of time."""
        sessions, stops, lookback = self.seen(rows)
        return ex_ante_asset_risk(weights, sessions, stops, lookback, self._prices(sessions))

    def _prices(self, sessions: np.ndarray) -> list[tuple[Prices, np.ndarray]]:
        """Return prices from the first of `sessions` on, or from earlier, and which assets they are of."""
        return [(self._drawn_prices(name, sessions[0]), at) for name, (_, at) in self.drawn.items()]

    def _drawn_prices(self, name: str, first: np.datetime64) -> Prices:
        prices = self.plan.datasets[name].since(self._row(name, first), self.drawn[name][0])
        if len(self._selected.get(name, ((), ()))[0]) != len(prices.dates):
            self._selected[name] = prices.dates, prices.select(self.drawn[name][0])
        return self._selected[name][1]

    def _row(self, name: str, session: np.datetime64) -> int:
        """Return the newest row of a dataset's calendar as of a session, 0 before its first."""
        # its price may be one of an earlier partition: the digest of its own covers that
        return max(int(np.searchsorted(self.plan.datasets[name].facts.dates, session, side="right")) - 1, 0)

    def observed(self, sessions: np.ndarray) -> dict[str, str]:
        """Return dataset -> digest of the closes between which returns on `sessions` are measured, by asset."""
        found = {}
        for name, (_, columns) in self.drawn.items():
            dates = self.plan.datasets[name].facts.dates
            span = slice(self._row(name, sessions[0]), int(np.searchsorted(dates, sessions[-1], side="right")))
            # by leaf: what their blocks are keyed by has been worked out already
            leaves = [self.plan.datasets[name].facts.digest_of(it, span, ("close",)) for it in self._universes[name]]
            found[name] = joint_digest([*leaves, array_digest(columns)])
        return found
