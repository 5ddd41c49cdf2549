"""Currencies of a forest: datasets whose returns are in the currency of the trees that hold them.

1. A leaf of a tree with a `currency` reads its dataset as it is, unless an asset of its universe is in another one.
2. Then it reads the dataset `NAME in CURRENCY`, which has the assets of all such leaves, with the returns of foreign
   ones converted (metabt.data.point_in_time.converted); it is made over the dataset NAME, and read where that is.
3. The exchange of a currency is a rate of a table `rates`: `fx:EURUSD` or, where there is none, one over `fx:USDEUR`.
   What the asset's own dataset has counts before what others have, whichever of the two it is: a leaf earns the same
   beside any sibling. Crosses over a third currency are not made: nothing says which was traded.
4. A leaf that is hedged holds, beside its assets, a forward on each foreign currency of its universe
   (metabt.data.point_in_time.hedging).
5. Sessions in which the newest rate is older than a leaf's `stale_after`, or there is none yet, are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from metabt.build.dated.named_rates import named_rate, rate_names, rate_of
from metabt.data.dataset import Dataset
from metabt.data.point_in_time.accrual import Rate
from metabt.data.point_in_time.converted import Foreign, converted
from metabt.data.point_in_time.currencies import Exchange, exchange_name
from metabt.errors import ConfigError, nearest
from metabt.portfolio.sleeve import Leaf, Sleeve


@dataclass(frozen=True)
class Homes:
    """Where the leaves of a forest read their prices."""

    datasets: Mapping[str, Dataset]
    """All datasets by name, with those in other currencies."""
    of_leaf: Mapping[str, str]
    """Spec digest of a leaf that holds foreign assets -> the dataset that it reads; others read their own."""
    over: Mapping[str, str]
    """Dataset in another currency -> the dataset that it is made over."""
    hedged: Mapping[str, tuple[str, ...]]
    """Spec digest of a leaf that hedges -> the currencies that it hedges, sorted."""

    def of(self, leaf: Leaf) -> str:
        """Return the name of the dataset that a leaf reads."""
        return self.of_leaf.get(leaf.digest, leaf.dataset)

    def converted(self, name: str) -> list[Dataset]:
        """Return the datasets that are made over a dataset, of trees of one currency at most one."""
        return [self.datasets[home] for home, over in self.over.items() if over == name]


def homes_of(trees: Iterable[Sleeve], datasets: Mapping[str, Dataset]) -> Homes:
    """Return where the leaves of some trees read their prices; nothing is read.

    Raises
    ------
    ConfigError
        For an asset whose currency no rate of exchange converts, rates that datasets have with unlike rows, or hedges
        of named currencies of which a tree holds none, but others.
    DataError
        For an asset with two currencies.
    """
    held: dict[tuple[str, str], dict[str, Leaf]] = {}  # (dataset, currency) -> leaves by digest
    paths: dict[str, str] = {}
    hedging: list[tuple[str, list[str]]] = []  # of each tree that hedges, its name and the leaves that do, by digest
    for tree in trees:
        hedging.append((tree.name, [leaf.digest for _, leaf in tree.leaves() if leaf.hedged is not None]))
        for path, leaf in tree.leaves():
            if leaf.hedged is not None and (leaf.currency is None or leaf.cash.rate is None):
                raise ConfigError(
                    f"sleeve '{path}' is hedged, which needs the tree's currency and what its cash earns; state "
                    f"currency: USD and cash: NAME of '{tree.name}', or take hedged out"
                )
            if leaf.currency is not None:
                held.setdefault((leaf.dataset, leaf.currency), {})[leaf.digest] = leaf
                paths.setdefault(leaf.digest, path)
    hedged: dict[str, tuple[str, ...]] = {}
    left: dict[str, str] = {}  # spec digest of a leaf that hedges -> a currency that it holds and does not hedge
    found, of_leaf, over = dict(datasets), dict[str, str](), dict[str, str]()
    for (name, base), leaves in held.items():
        own = currencies_in(datasets[name], base)
        reading = {key: leaf for key, leaf in leaves.items() if not own.keys().isdisjoint(leaf.universe)}
        if reading:
            who = {
                symbol: f"sleeve '{paths[key]}': asset '{symbol}' of dataset '{name}'"
                for key, leaf in reading.items()
                for symbol in leaf.universe
            }
            home = f"{name} in {base}"
            found[home] = _converted(datasets[name], base, who, own, datasets)
            of_leaf |= dict.fromkeys(reading, home)
            over[home] = name
            for key, leaf in reading.items():
                if leaf.hedged is not None:
                    abroad = sorted({own[it] for it in leaf.universe if it in own})
                    hedged[key] = tuple(it for it in abroad if leaf.hedged.rate_of(it) is not None)
                    if bare := [it for it in abroad if it not in hedged[key]]:
                        left[key] = bare[0]
                    for currency in hedged[key]:
                        rate_abroad(f"sleeve '{paths[key]}'", leaf, currency, datasets)
    for name, keys in hedging:
        first = next((key for key in keys if key in left), None)
        if first is not None and not any(hedged.get(key) for key in keys):
            raise ConfigError(
                f"sleeve '{paths[first]}' is hedged, and none of the currencies that hedged of '{name}' names is one "
                f"that it holds, such as {left[first]}; name it, as in hedged: {{{left[first]}: NAME}}, or take hedged "
                "out"
            )
    return Homes(found, of_leaf, over, hedged)


def rate_abroad(who: str, leaf: Leaf, currency: str, datasets: Mapping[str, Dataset]) -> Rate | float:
    """Return what cash earns in a currency that a leaf hedges: rows of a rate, or a constant.

    Raises
    ------
    ConfigError
        For a rate that no dataset has, or that several have with unlike rows.
    """
    stated = None if leaf.hedged is None else leaf.hedged.rate_of(currency)
    assert stated is not None  # what is hedged has a rate
    if not isinstance(stated, str):
        return stated
    found = named_rate(f"{who} hedges {currency} at the rate", stated, [leaf.dataset], datasets)
    if found is not None:
        return found
    raise ConfigError(
        f"{who} hedges {currency} at the rate '{stated}', which no dataset of the tree has"
        f"{nearest(stated, rate_names(datasets))}; ingest it: metabt ingest FILE --dataset {leaf.dataset} --table "
        f"rates, or name another: hedged: {{{currency}: NAME}}"
    )


def in_currency(dataset: Dataset, base: str, datasets: Mapping[str, Dataset]) -> Dataset:
    """Return a dataset with the returns of all its symbols in a currency; itself where none of them is foreign.

    Parameters
    ----------
    dataset : what is to be converted
    base : code of three letters
    datasets : where rates of exchange are looked for, itself among them

    Raises
    ------
    ConfigError, DataError
        As `homes_of` does.
    """
    name, symbols, own = dataset.facts.name, dataset.facts.symbols, currencies_in(dataset, base)
    return _converted(dataset, base, {it: f"asset '{it}' of dataset '{name}'" for it in symbols}, own, datasets)


def _converted(
    dataset: Dataset, base: str, who: Mapping[str, str], own: Mapping[str, str], datasets: Mapping[str, Dataset]
) -> Dataset:
    """Return a dataset of the symbols in `who`, which messages call so, those in another currency converted."""
    foreign = {symbol: own[symbol] for symbol in sorted(who) if symbol in own}
    exchanges: dict[str, Exchange] = {}
    for symbol, currency in foreign.items():
        if currency not in exchanges:
            exchanges[currency] = exchange_of(who[symbol], currency, base, dataset.facts.name, datasets)
    return converted(dataset, Foreign(foreign, exchanges), tuple(sorted(who))) if foreign else dataset


def currencies_in(dataset: Dataset, base: str) -> dict[str, str]:
    """Return asset -> its currency, of all assets of a dataset that are in another one than `base`.

    Raises
    ------
    DataError
        For an asset with two currencies.
    """
    return {asset: currency for asset, currency in dataset.facts.currencies.items() if currency != base}


def exchange_of(who: str, currency: str, base: str, read: str, datasets: Mapping[str, Dataset]) -> Exchange:
    """Return what a unit of a currency is worth in `base`.

    Parameters
    ----------
    who : the asset that is in the currency, for messages
    currency, base : codes of three letters
    read : the dataset that the asset is in; its rates count before those of others
    datasets : all there are

    Raises
    ------
    ConfigError
        Where no dataset has the rate, or several have it with unlike rows.
    """
    there, back = exchange_name(currency, base), exchange_name(base, currency)
    for names in ([read], sorted(datasets)):
        found = {it: exchange for it in names if (exchange := _exchange(datasets[it], there, back)) is not None}
        if found:
            (first, (name, rate)), *others = found.items()
            for other, (called, rows) in others:
                if called != name or not rate.agrees(rows):
                    told = " or ".join(f"'{it}'" for it in sorted({name, called}))
                    raise ConfigError(
                        f"{who} is in {currency}, the tree in {base}, by the rate {told}, which datasets '{first}' and "
                        f"'{other}' have with unlike rows; ingest those that are meant with its own: metabt ingest "
                        f"FILE --dataset {read} --table rates"
                    )
            return Exchange.of(rate, inverted=name == back)
    known = sorted(it for it in rate_names(datasets) if it.startswith("fx:"))
    listed = f" (there are {', '.join(known[:5])}: crosses over a third currency are not made)" if known else ""
    raise ConfigError(
        f"{who} is in {currency} and the tree in {base}, and no dataset of the tree has the rate '{there}' or "
        f"'{back}'{listed}; ingest it: metabt ingest FILE --dataset {read} --table rates, or leave the asset out"
    )


def _exchange(dataset: Dataset, there: str, back: str) -> tuple[str, Rate] | None:
    """Return what a dataset calls a rate of exchange, `there` or else the other way round, and its rows."""
    found = ((name, rate_of(dataset, name)) for name in (there, back))
    return next(((name, rate) for name, rate in found if rate is not None), None)


@dataclass(frozen=True)
class Holder:
    """What a leaf says of the currencies that it holds."""

    path: str
    """The leaf."""
    dataset: str
    """Its dataset."""
    universe: tuple[str, ...]
    """Its assets."""
    stale_after: int
    """Sessions after which a rate of exchange is old."""


@dataclass(frozen=True)
class OldExchange:
    """A currency whose rate of exchange was old, or missing, in sessions of a leaf that may hold it."""

    path: str
    """The leaf."""
    currency: str
    """The currency."""
    base: str
    """That of the tree."""
    old: int
    """Sessions in which the newest rate was older than the leaf's `stale_after`."""
    unknown: int
    """Sessions before the first rate: returns of them are not observed."""
    of: int
    """Sessions in all."""


def old_exchanges(
    holders: Iterable[Holder],
    base: str,
    datasets: Mapping[str, Dataset],
    first: np.datetime64 | None = None,
    last: np.datetime64 | None = None,
) -> Iterator[OldExchange]:
    """Yield the currencies of a tree's leaves whose rates were old or missing in sessions from `first` to `last`.

    A leaf over a dataset that is not there, as a flat baseline may be, is passed over.
    """
    for leaf in holders:
        if leaf.dataset in datasets:
            dates = datasets[leaf.dataset].facts.dates
            start = 0 if first is None else int(np.searchsorted(dates, first))
            stop = len(dates) if last is None else int(np.searchsorted(dates, last, side="right"))
            own = currencies_in(datasets[leaf.dataset], base)
            for currency in sorted({own[it] for it in leaf.universe if it in own}):
                rate = exchange_of(f"sleeve '{leaf.path}'", currency, base, leaf.dataset, datasets)
                age = rate.age(dates)[start:stop]
                old, unknown = int((age > leaf.stale_after).sum()), int((age < 0).sum())
                if old or unknown:
                    yield OldExchange(leaf.path, currency, base, old, unknown, stop - start)


def mixed_currencies(holders: Iterable[Holder], datasets: Mapping[str, Dataset]) -> tuple[str, ...]:
    """Return the currencies that the assets of a tree's leaves are in, sorted, where there are several; else none."""
    stated = {name: own for name, each in datasets.items() if (own := each.facts.currencies)}
    found: set[str] = set()
    for leaf in holders:
        own = stated.get(leaf.dataset, {})
        found |= {own[it] for it in leaf.universe if it in own}
    return tuple(sorted(found)) if len(found) > 1 else ()
