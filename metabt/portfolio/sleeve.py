"""Sleeves as values: what a tree is once every default is filled in.

A *leaf* holds assets, a *meta* sleeve holds sleeves. Specs carry no names: assets are ordered by symbol and children by
the digest of their spec, so renaming or reordering siblings changes nothing that is computed. `Sleeve` puts the names
back for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np

from metabt.portfolio.schedule import Schedule
from metabt.values.digests import digest


@dataclass(frozen=True)
class Estimator:
    """An optimizer or a selector by its registered name."""

    name: str
    """Name in the registry."""
    params: Mapping[str, object] = field(default_factory=dict)
    """Its parameters, plain values."""

    def plain(self) -> dict[str, object]:
        """Return the estimator as configuration spells it."""
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
        """Cost of trading one unit of notional, a fraction."""
        return (self.commission_bp + self.slippage_bp) * 1e-4


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What leaves and meta sleeves have in common."""

    optimizer: Estimator = Estimator("equal")
    """Turns a window of returns into weights."""
    schedule: Schedule = Schedule(period="monthly")
    """When it decides."""
    lookback: int = 252
    """Sessions of returns that a decision sees."""
    lag: int = 1
    """Sessions between a decision and the close it is traded at."""
    costs: Costs = Costs()
    """What its own book is charged on its own netted trades."""
    start: str | None = None
    """ISO date of the earliest decision; None is the first session."""
    fallback: tuple[Estimator, ...] = (Estimator("inverse_volatility"), Estimator("equal"))
    """Optimizers to try in turn when `optimizer` finds no solution."""

    def plain(self) -> dict[str, object]:
        """Return the resolved spec as plain values, children as their digests."""
        return dict(self._plainly)

    @cached_property
    def _plainly(self) -> dict[str, object]:
        return {"kind": type(self).__name__.lower(), **{f.name: _plain(getattr(self, f.name)) for f in fields(self)}}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the resolved spec."""
        return digest(self._plainly)

    @cached_property
    def text(self) -> str:
        """The resolved spec as JSON."""
        return json.dumps(self._plainly, sort_keys=True)


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

    @property
    def holds_shorts(self) -> bool:
        """Some asset is held short."""
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
    """Before every live child is eligible: `equal` holds 1/N of them, `wait` holds nothing."""
    min_history: int = 0
    """Sessions of stream that make a child eligible; 0 is the lookback."""

    @property
    def history(self) -> int:
        """Sessions of stream that make a child eligible."""
        return self.min_history or self.lookback


@dataclass(frozen=True)
class Sleeve:
    """A named node of a tree: a spec and the names of what lies beneath it."""

    name: str
    """One part of a path such as demo/equities/technology."""
    spec: Leaf | Meta
    """What is computed."""
    sleeves: tuple[Sleeve, ...] = ()
    """Children as the configuration lists them."""

    @classmethod
    def meta(cls, name: str, sleeves: tuple[Sleeve, ...], **rules: object) -> Sleeve:
        """Return the meta sleeve over `sleeves`."""
        specs = sorted((sleeve.spec for sleeve in sleeves), key=lambda spec: spec.digest)
        return cls(name, Meta(children=tuple(specs), **rules), sleeves)  # type: ignore[arg-type]  # checked by resolve

    @cached_property
    def ordered(self) -> tuple[Sleeve, ...]:
        """Children in the order of `spec.children`."""
        return tuple(sorted(self.sleeves, key=lambda sleeve: sleeve.spec.digest))

    def plain(self) -> dict[str, object]:
        """Return the resolved tree as plain values, names and all."""
        children = {"children": [child.plain() for child in self.sleeves]} if self.sleeves else {}
        return {"name": self.name, **self.spec.plain(), **children}

    def walk(self, above: str = "") -> Iterator[tuple[str, Sleeve]]:
        """Yield (path, sleeve) of this node and of all beneath it, parents first, siblings as listed."""
        path = f"{above}/{self.name}" if above else self.name
        yield path, self
        for sleeve in self.sleeves:
            yield from sleeve.walk(path)

    def leaves(self) -> Iterator[tuple[str, Leaf]]:
        """Yield (path, leaf) of every leaf."""
        for path, sleeve in self.walk():
            if isinstance(sleeve.spec, Leaf):
                yield path, sleeve.spec


def _plain(value: object) -> object:
    if isinstance(value, Estimator | Schedule):
        return value.plain()
    if isinstance(value, Rules):
        return value.digest
    if isinstance(value, Costs):
        return {f.name: float(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
