"""Sleeves as values: what a tree is once every default is filled in.

A *leaf* holds assets, a *meta* sleeve holds sleeves. Specs carry no names: assets are ordered by symbol and children by
the digest of their spec, so renaming or reordering siblings changes nothing that is computed. `Sleeve` puts the names
back for people.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from metabt.errors import ConfigError, nearest
from metabt.portfolio.child_names import by_child, by_digest
from metabt.portfolio.drawn import Drawn
from metabt.portfolio.schedule import Schedule
from metabt.values.arguments import shown, word
from metabt.values.digests import digest


@dataclass(frozen=True)
class Estimator:
    """An optimizer or a selector by its registered name."""

    name: str
    """Name in the registry (metabt.estimators.registry)."""
    params: Mapping[str, object] = field(default_factory=dict)
    """Parameter -> plain value, as its constructor takes them."""

    def plain(self) -> dict[str, object]:
        """Return the name and the parameters as one mapping, as configuration spells an estimator."""
        return {"name": self.name, **self.params}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the name and the parameters."""
        return digest(self.plain())


@dataclass(frozen=True)
class Costs:
    """What a book is charged, in basis points."""

    commission_bp: float = 0.0
    """Commission, bp of traded notional."""
    slippage_bp: float = 0.0
    """Half spread and impact, bp of traded notional."""
    borrow_bp: float = 0.0
    """Annual borrow fee on short positions, bp, actual/365."""

    @property
    def rate(self) -> float:
        """Commission and slippage per unit of traded notional, a fraction: 10 bp are 0.001."""
        return (self.commission_bp + self.slippage_bp) * 1e-4


@dataclass(frozen=True)
class Delisting:
    """Simple returns of delistings that nobody stated a return of, by kind."""

    performance: float = -0.3
    """Of those for want of performance: -30 % (Shumway, Journal of Finance 52, 1997)."""
    merger: float = 0.0
    """Of what was taken over."""
    unknown: float = 0.0
    """Of all others."""


@dataclass(frozen=True)
class Cash:
    """What is not invested: what it earns, and how much of it is kept."""

    rate: str | float | None = None
    """Name of a rate in a dataset's table `rates`, or a constant annual rate as a fraction (0.05), actual/365; None
    earns nothing. A tree has one."""
    reserve: float = 0.0
    """Fraction of NAV that decisions leave in cash: targets are scaled by `1 - reserve`. From 0 to below 1."""


@dataclass(frozen=True)
class Hedged:
    """Which currencies a leaf hedges, and what money earns in each."""

    rates: tuple[tuple[str, str | float], ...] = ()
    """(currency, rate of cash in it: a name, or a constant annual rate), sorted: these and no others are hedged. Empty
    hedges all, each at the rate of its name in small letters: `eur` for EUR."""

    def rate_of(self, currency: str) -> str | float | None:
        """Return the rate of cash of a currency; None where it is not hedged."""
        return dict(self.rates).get(currency) if self.rates else currency.lower()


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Settings that leaves and meta sleeves have in common."""

    optimizer: Estimator = Estimator("equal")
    """Turns a window of returns into weights."""
    schedule: Schedule = Schedule(period="monthly")
    """When it decides."""
    lookback: int = 252
    """Sessions of returns that a decision sees."""
    lag: int = 1
    """Sessions between a decision and the close it is traded at."""
    costs: Costs = Costs()
    """What its own book is charged on its own trades, netted by asset."""
    start: str | None = None
    """ISO date of the earliest decision; None is the first session."""
    fallback: tuple[Estimator, ...] = (Estimator("inverse_volatility"), Estimator("equal"))
    """Optimizers to try in turn when `optimizer` finds no solution."""
    cash: Cash = Cash()
    """What cash earns, and how much is kept of it."""
    currency: str | None = None
    """What it is measured in, such as USD: returns of assets in another currency are converted. A tree has one; None
    takes all returns as they are."""

    @property
    def reach(self) -> int:
        """Sessions ahead of a partition that its decisions may read."""
        return self.lookback

    def plain(self) -> dict[str, object]:
        """Return the resolved spec as plain values, children as their digests."""
        return dict(self._plainly)

    @cached_property
    def _plainly(self) -> dict[str, object]:
        stated = {f.name: getattr(self, f.name) for f in fields(self)}
        # a sleeve that says nothing of these has the digest, and with it the blocks, of before they were there to state
        said = {name: it for name, it in stated.items() if name not in LATER or it != LATER[name]}
        return {"kind": type(self).__name__.lower(), **{name: _plain(it) for name, it in said.items()}}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the resolved spec."""
        return digest(self._plainly)

    @cached_property
    def text(self) -> str:
        """The resolved spec as JSON."""
        return json.dumps(self._plainly, sort_keys=True)


LATER: Mapping[str, object] = {
    "cash": Cash(),
    "drawn": None,
    "delisting": Delisting(),
    "currency": None,
    "signal": None,
    "short": False,
    "hedged": None,
}
"""Field of a spec -> the value with which it is left out of the spec's plain values."""


@dataclass(frozen=True, kw_only=True)
class Leaf(Rules):
    """A sleeve that selects and weights assets of one dataset."""

    dataset: str
    """The dataset its universe is drawn from."""
    universe: tuple[str, ...]
    """(n_assets,) symbols, sorted."""
    selector: Estimator = Estimator("all")
    """Picks the assets that the optimizer weights."""
    direction: str = "long"
    """`short` selects and optimizes on -r and holds -w."""
    shorts: tuple[str, ...] = ()
    """Symbols held short in a book that is otherwise long (the flat baseline)."""
    min_coverage: float = 1.0
    """Share of the lookback's returns that must be observed for an asset to be eligible."""
    stale_after: int = 10
    """Sessions without a price after which a holding is closed at its last price."""
    drawn: Drawn | None = None
    """How its universe is drawn anew at every decision; None: all of it is eligible."""
    delisting: Delisting = Delisting()
    """Returns of delistings whose own is not stated, by kind."""
    signal: str | None = None
    """Name of the weights that it takes from its dataset's table `signals`, on their dates; None: it decides itself."""
    short: bool = False
    """Whether weights of its signal may be negative."""
    hedged: Hedged | None = None
    """Currencies whose moves it does not bear; None bears all."""

    @property
    def reach(self) -> int:
        """Sessions ahead of a partition that its decisions may read."""
        if self.signal is not None:
            return 0
        return max(self.lookback, self.drawn.reach if self.drawn else 0)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the resolved spec; of what a universe is drawn from only what was stated of it."""
        is_stated = self.signal is None if self.drawn is None else self.drawn.stated
        if is_stated:
            return digest(self._plainly)
        return digest({name: it for name, it in self._plainly.items() if name != "universe"})

    @property
    def is_drawn(self) -> bool:
        """Whether its universe is drawn anew: it has assets then that nobody knew of at first."""
        return self.drawn is not None or self.signal is not None

    @property
    def holds_shorts(self) -> bool:
        """Whether some asset is held short."""
        return self.direction == "short" or bool(self.shorts)

    @cached_property
    def signs(self) -> np.ndarray:
        """(n_assets,) -1 for an asset that is held short, else 1."""
        short = [self.direction == "short" or symbol in self.shorts for symbol in self.universe]
        return np.where(short, -1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Meta(Rules):
    """A sleeve that weights the realised net streams of other sleeves."""

    children: tuple[Leaf | Meta, ...]
    """(n_children,) specs, ordered by digest; equal children stay apart."""
    warmup: str = "equal"
    """Until every live child is eligible: `equal` holds 1/N of each live child, `wait` holds nothing."""
    min_history: int = 0
    """Sessions of stream that make a child eligible; 0 is the lookback."""

    @cached_property
    def is_drawn(self) -> bool:
        """Whether the universe of a leaf beneath it is drawn anew."""
        return any(child.is_drawn for child in self.children)

    @property
    def history(self) -> int:
        """Sessions of stream that make a child eligible."""
        return self.min_history or self.lookback

    @cached_property
    def names(self) -> tuple[str, ...]:
        """(n_children,) what estimators know the children by: their digests, which no renaming changes."""
        return tuple(child.digest for child in self.children)


@dataclass(frozen=True, repr=False)
class Sleeve:
    """A named node of a resolved tree: a spec and the named sleeves beneath it.

    A tree stated as a dict (as in `conf/portfolio`) becomes one when it is resolved. What is built by hand is not
    checked here; `metabt.backtest` and `metabt.plan` check its symbols and its history.

    Examples
    --------
    >>> from metabt.portfolio.sleeve import Estimator, Leaf, Sleeve
    >>> ab = Sleeve("ab", Leaf(dataset="prices", universe=("A", "B"), lookback=60))
    >>> cd = Sleeve("cd", Leaf(dataset="prices", universe=("C", "D"), lookback=60))
    >>> tree = Sleeve.meta("demo", (ab, cd), optimizer=Estimator("erc", {"min_weight": 0.25}), lookback=120)
    >>> [path for path, _ in tree.walk()]
    ['demo', 'demo/ab', 'demo/cd']
    >>> tree.spec.schedule.plain(), tree.spec.lag
    ('monthly', 1)
    """

    name: str
    """One part of a path such as demo/equities/technology: text without '/'."""
    spec: Leaf | Meta
    """What is computed, without names; equal specs are computed once."""
    sleeves: tuple[Sleeve, ...] = ()
    """Children as the configuration lists them; empty for a leaf."""

    def __repr__(self) -> str:
        paths = [path for path, _ in self.walk()]
        beneath = f", {len(paths):,} sleeves on {1 + max(path.count('/') for path in paths)} levels" * bool(
            self.sleeves
        )
        held = f", {len(self.spec.universe):,} assets of '{self.spec.dataset}'" if isinstance(self.spec, Leaf) else ""
        signal = self.spec.signal if isinstance(self.spec, Leaf) else None
        by = f"optimizer {self.spec.optimizer.name}" if signal is None else f"signal {signal!r}"
        return f"Sleeve({self.name!r}{beneath}{held}, {by})"

    @classmethod
    def meta(cls, name: str, sleeves: tuple[Sleeve, ...], **rules: object) -> Sleeve:
        """Return a meta sleeve over other sleeves.

        Parameters
        ----------
        name : str
            Its part of a path.
        sleeves : tuple of Sleeve
            Its children, in the order in which tables list them; at least one.
        **rules
            Fields of its spec: optimizer, schedule, lookback, lag, costs, start, fallback, cash, currency, warmup,
            min_history (`Rules` and `Meta` have their types and defaults). What optimizers state by child goes by these
            names.

        Returns
        -------
        Sleeve
            Its spec has the children's specs, ordered by digest; its optimizers know them by digest, too.

        Raises
        ------
        ConfigError
            For a name that is no text, no children, a setting that a meta sleeve has not, or an optimizer whose
            parameters are not its own or speak of a child that is not there.
        """
        word("name", name, needed=True)
        known = {it.name for it in fields(Meta)} - {"children"}
        for key in rules.keys() - known:
            raise ConfigError(f"a meta sleeve has no setting '{key}'{nearest(key, known)}")
        if not isinstance(sleeves, list | tuple) or not sleeves or not all(isinstance(it, Sleeve) for it in sleeves):
            raise ConfigError(f"sleeves of '{name}' are {shown(sleeves)}, wanted a tuple of one Sleeve or more")
        specs = sorted((sleeve.spec for sleeve in sleeves), key=lambda spec: spec.digest)
        spec = Meta(children=tuple(specs), **rules)  # type: ignore[arg-type]  # checked by resolve
        return cls(name, replace(spec, **_estimators(spec, by_digest, sleeves)), tuple(sleeves))

    @cached_property
    def ordered(self) -> tuple[Sleeve, ...]:
        """Children in the order of `spec.children`, which is that of columns and items."""
        return tuple(sorted(self.sleeves, key=lambda sleeve: sleeve.spec.digest))

    def plain(self) -> dict[str, object]:
        """Return the resolved tree as plain values.

        Returns
        -------
        dict
            `name`, every field of the spec, and `children`, the same of each child, where there are any. Optimizers
            know children by name again. It is what a run's `config` records.
        """
        if not self.sleeves:
            return {"name": self.name, **self.spec.plain()}
        children = [child.plain() for child in self.sleeves]
        return {"name": self.name, **self._named, "children": children}

    @property
    def estimators(self) -> dict[str, Any]:
        """`optimizer` and `fallback` of the spec as they are stated: children by name, not by digest."""
        return _estimators(self.spec, by_child, self.sleeves)

    @property
    def spec_text(self) -> str:
        """The spec as one JSON text with sorted keys, children in its estimators by name."""
        if not self.sleeves:
            return self.spec.text
        return json.dumps(self._named, sort_keys=True)

    @property
    def _named(self) -> dict[str, object]:
        return {**self.spec.plain(), **{key: _plain(it) for key, it in self.estimators.items()}}

    def walk(self, above: str = "") -> Iterator[tuple[str, Sleeve]]:
        """Yield this node and all beneath it, parents first, siblings as listed.

        Parameters
        ----------
        above : str
            Path of the parent; the empty text makes this node a root.

        Yields
        ------
        path : str
            Names from the root down, separated by '/'.
        sleeve : Sleeve
            The node.
        """
        path = f"{above}/{self.name}" if above else self.name
        yield path, self
        for sleeve in self.sleeves:
            yield from sleeve.walk(path)

    def leaves(self) -> Iterator[tuple[str, Leaf]]:
        """Yield every leaf, in the order of `walk`.

        Yields
        ------
        path : str
            Names from this node down, separated by '/'.
        leaf : Leaf
            Its spec.
        """
        for path, sleeve in self.walk():
            if isinstance(sleeve.spec, Leaf):
                yield path, sleeve.spec


def _estimators(
    spec: Leaf | Meta, renamed: Callable[..., dict[str, object]], sleeves: tuple[Sleeve, ...]
) -> dict[str, Any]:
    """Return a spec's optimizer and fallback with other names for its children."""
    children = [(sleeve.name, sleeve.spec.digest) for sleeve in sleeves]

    def told(estimator: Estimator) -> Estimator:
        params = renamed(estimator.name, estimator.params, children) if estimator.params else {}
        return estimator if params == estimator.params else Estimator(estimator.name, params)

    return {"optimizer": told(spec.optimizer), "fallback": tuple(told(it) for it in spec.fallback)}


def _plain(value: object) -> object:
    if isinstance(value, Estimator | Schedule | Drawn):
        return value.plain()
    if isinstance(value, Rules):
        return value.digest
    if isinstance(value, Costs | Delisting):
        return {f.name: float(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Cash):
        rate = value.rate if value.rate is None or isinstance(value.rate, str) else float(value.rate)
        return {"rate": rate, "reserve": float(value.reserve)}
    if isinstance(value, Hedged):
        return dict(value.rates) or True
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
