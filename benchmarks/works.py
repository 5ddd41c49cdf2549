"""Works: the backtests that metabt and its peers are timed on, and the trees that metabt walks them as.

| work | what it is |
|---|---|
| W1 | 20 real stocks in 4 sleeves over 32 years: minimum variance beneath equal risk contribution |
| W2 | 20 sleeves of 25 assets over 20 years, beneath equal risk contribution; the leaves' optimizers in turn |
| W3 | 100 sleeves of 50 assets over 20 years: equal risk contribution and hierarchical risk parity |
| W4 | one sleeve of 1,000 assets, lookback 504, more assets than rows: minimum variance |
| W5 | 32 configurations of W2 in one forest: four leaf optimizers beneath eight roots each |

Every sleeve decides each 21 sessions and trades at that close, without cost: what every peer can do too. Returns of all
but W1 come from a factor model with a fixed seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from metabt.cli.demo_prices import price_files
from metabt.data.prices import Prices
from metabt.estimators.registry import known_optimizers
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Sleeve

STEP = 21
"""Sessions between two decisions."""

SECTORS = {
    "technology": ("AAPL", "AMD", "BBY", "GE", "MSFT"),
    "health": ("JNJ", "LLY", "MRK", "PFE", "UNH"),
    "consumer": ("HD", "KO", "PEP", "PG", "WMT"),
    "energy_banks": ("BAC", "CVX", "JPM", "RRC", "XOM"),
}
"""The 20 stocks of the demo in four sleeves."""


@dataclass(frozen=True)
class Rule:
    """How a sleeve weights its columns."""

    optimizer: str
    """Name in metabt's registry."""
    lookback: int = 252
    """Returns in a window."""
    parameters: Mapping[str, float] = field(default_factory=dict)
    """What the optimizer takes beside the window, such as max_weight."""

    @property
    def settings(self) -> dict[str, Any]:
        """What metabt's configuration says of it."""
        return {"optimizer": {"name": self.optimizer, **self.parameters}, "lookback": self.lookback}

    def __str__(self) -> str:
        """Return the rule as a table's cell has it."""
        return " ".join([self.optimizer, *(f"{key} {value:g}" for key, value in self.parameters.items())])


@dataclass(frozen=True)
class Portfolio:
    """One configuration: the same rule for every leaf, and one for the root above them."""

    leaf: Rule
    """Of every leaf."""
    root: Rule | None
    """None where the one leaf is the whole tree."""


@dataclass(frozen=True)
class Market:
    """Where a work's prices come from: a factor model or, without assets, the demo's stocks."""

    n_assets: int = 0
    """Columns."""
    n_sessions: int = 5040
    """Rows."""

    @cached_property
    def prices(self) -> Prices:
        """Its prices, as metabt takes them."""
        if not self.n_assets:
            return stocks()
        dates = np.busday_offset(np.datetime64("2000-01-03"), np.arange(self.n_sessions))
        symbols = tuple(f"A{i:05d}" for i in range(self.n_assets))
        return Prices("market", dates, symbols, factor_closes(self.n_sessions, self.n_assets))


@dataclass(frozen=True)
class Work:
    """What is timed in one go: portfolios over the same sleeves."""

    name: str
    """W1, ..., with the leaves' optimizer where there are several."""
    market: Market
    """Prices."""
    universes: Mapping[str, tuple[str, ...]]
    """Symbols by sleeve."""
    portfolios: tuple[Portfolio, ...]
    """Configurations; metabt walks them as one forest."""

    @property
    def leaves(self) -> tuple[Rule, ...]:
        """The distinct rules of leaves."""
        return tuple({str(it.leaf): it.leaf for it in self.portfolios}.values())

    @property
    def missing(self) -> str:
        """The optimizer that this version of metabt does not have, or nothing."""
        rules = [rule for it in self.portfolios for rule in (it.leaf, it.root) if rule]
        return next((rule.optimizer for rule in rules if rule.optimizer not in known_optimizers()), "")

    def trees(self) -> list[Sleeve]:
        """Return the portfolios as metabt's trees, resolved anew."""
        leaves: dict[str, Sleeve] = {}
        symbols = {"market": self.market.prices.symbols}
        return [resolve(self.settings(it), symbols=symbols, leaves=leaves) for it in self.portfolios]

    def columns(self, sleeve: str) -> list[int]:
        """Return the columns of the prices that a sleeve may hold, in the order of its weights."""
        return np.searchsorted(self.market.prices.symbols, sorted(self.universes[sleeve])).tolist()

    def settings(self, portfolio: Portfolio) -> dict[str, Any]:
        """Return a portfolio as it is written in Python."""
        held = {
            name: {"universe": list(symbols), **portfolio.leaf.settings} for name, symbols in self.universes.items()
        }
        always = {"schedule": {"every": STEP}, "lag": 0}
        if portfolio.root is None:
            (leaf,) = held.values()
            return {"name": "book", **always, **leaf}
        return {"name": "book", "defaults": {"dataset": "market", **always}, **portfolio.root.settings, "sleeves": held}


def factor_closes(n_sessions: int, n_assets: int, seed: int = 5, n_factors: int = 8) -> np.ndarray:
    """Return closes, (n_sessions, n_assets): a market, factors that some assets load on, and noise of their own."""
    rng = np.random.default_rng(seed)
    market = rng.normal(0.0003, 0.009, (n_sessions, 1)) * rng.uniform(0.5, 1.5, n_assets)
    factors = rng.normal(0.0, 0.006, (n_sessions, n_factors)) @ rng.normal(0.0, 0.5, (n_factors, n_assets))
    own = rng.normal(0.0, 1.0, (n_sessions, n_assets)) * rng.uniform(0.006, 0.02, n_assets)
    returns = np.maximum(market + factors + own, -0.5)
    returns[0] = 0.0
    return 100.0 * np.cumprod(1.0 + returns, axis=0)


def stocks() -> Prices:
    """Return the demo's 20 stocks."""
    import pandas as pd

    frame = pd.read_csv(price_files()["sp500"], index_col=0, parse_dates=True).sort_index(axis=1)
    return Prices("market", frame.index.to_numpy("datetime64[D]"), tuple(frame.columns), frame.to_numpy(float))


def _sleeves(n_sleeves: int, n_assets: int) -> dict[str, tuple[str, ...]]:
    return {f"s{k:03d}": tuple(f"A{k * n_assets + i:05d}" for i in range(n_assets)) for k in range(n_sleeves)}


ERC = Rule("erc")
CAPPED = Rule("min_variance", parameters={"max_weight": 0.2})
KINDS = (Rule("inverse_volatility"), CAPPED, ERC, Rule("hrp"))
ROOTS = tuple(Rule(rule.optimizer, lookback) for lookback in (252, 504) for rule in KINDS)


def works() -> list[Work]:
    """Return all works, in order."""
    w2, w3 = Market(500), Market(5000)
    found = [Work("W1", Market(), SECTORS, (Portfolio(Rule("min_variance"), ERC),))]
    for rule in (*KINDS, Rule("mean_variance", parameters={"risk_aversion": 10.0})):
        found.append(Work(f"W2 {rule.optimizer}", w2, _sleeves(20, 25), (Portfolio(rule, ERC),)))
    for rule in (ERC, Rule("hrp")):
        found.append(Work(f"W3 {rule.optimizer}", w3, _sleeves(100, 50), (Portfolio(rule, ERC),)))
    wide = Portfolio(Rule("min_variance", 504), None)
    found.append(Work("W4", Market(1000), _sleeves(1, 1000), (wide,)))
    forest = tuple(Portfolio(leaf, root) for leaf in KINDS for root in ROOTS)
    found.append(Work("W5", w2, _sleeves(20, 25), forest))
    return found
