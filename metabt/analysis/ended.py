"""Ended: the holdings of a run's root that were closed for good because their asset ended, and at which return.

1. A delisting or a merger takes effect in the first session of its dataset on or after its date.
2. What the root held of the asset then is the row of `weights` of that session: something before, nothing after.
3. Where nobody stated the return of a delisting, the leaves that held the asset say it by its kind.
4. A holding that was sold whole in a session without a price of its asset was closed after going stale, at the last
   price. If its asset ended later, it escaped the return of that, unless prices ended with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from metabt.data.dataset import Dataset
from metabt.data.point_in_time.tables import DatedTable
from metabt.portfolio.sleeve import Delisting
from metabt.values.tables import Coded, Table


@dataclass(frozen=True)
class Ended:
    """One holding that was closed because its asset ended."""

    symbol: str
    """The asset."""
    date: np.datetime64
    """The session of it."""
    weight: float
    """What the root held just before the closing, a fraction of NAV; negative for a short."""
    how: str
    """performance, merger or unknown."""
    stated: float
    """The return that was stated of the delisting; NaN where none was, or it merged at the terms of its actions."""
    assumed: tuple[float, ...] = ()
    """Returns that the leaves assume where none was stated, each once; a run may state several."""
    included: bool = False
    """Whether prices end with the return already, or it merged at the terms of its actions."""
    merged: bool = False
    """Whether it merged at the terms of its actions."""


def ended(
    tables: Mapping[str, Table], specs: Mapping[str, Mapping[str, Any]], datasets: Mapping[str, Dataset]
) -> list[Ended]:
    """Return the holdings of the root that were closed because their asset ended, the largest first.

    Parameters
    ----------
    tables : a run's tables; without `weights`, as in a sweep's summary, nothing is known
    specs : path -> resolved spec of every sleeve
    datasets : datasets by name, unread
    """
    weights = tables.get("weights")
    if weights is None or not any(_ends(each) for each in datasets.values()):
        return []
    held = _closings(weights)
    found = []
    for name, dataset in datasets.items():
        for each in _in_sessions(name, dataset, specs):
            weight = held.get((each.symbol, int(each.date.astype(np.int64))))
            found += [replace(each, weight=weight)] if weight else []
    return _largest_first(found)


def escaped(
    tables: Mapping[str, Table], specs: Mapping[str, Mapping[str, Any]], datasets: Mapping[str, Dataset]
) -> list[Ended]:
    """Return the holdings of the root that were closed after going stale before their asset ended, the largest first.

    Their weight is that of the closing, their date the one of the end. Closes of these assets alone are read. A merger
    at the terms of its actions has no stated return.

    Parameters
    ----------
    tables : a run's tables; without `weights`, as in a sweep's summary, nothing is known
    specs : path -> resolved spec of every sleeve
    datasets : datasets by name
    """
    weights = tables.get("weights")
    if weights is None or not any(_ends(each) for each in datasets.values()):
        return []
    last: dict[str, tuple[int, float]] = {}
    for (symbol, day), weight in _closings(weights).items():
        last[symbol] = max(last.get(symbol, (day, weight)), (day, weight))
    found = []
    for name, dataset in datasets.items():
        later = [
            each
            for each in _in_sessions(name, dataset, specs)
            if each.symbol in last
            and last[each.symbol][0] < int(each.date.astype(np.int64))
            and (each.merged or not each.included)
        ]
        priced = _priced(dataset, [(each.symbol, last[each.symbol][0]) for each in later])
        found += [replace(it, weight=last[it.symbol][1]) for it, seen in zip(later, priced, strict=True) if not seen]
    return _largest_first(found)


def _in_sessions(name: str, dataset: Dataset, specs: Mapping[str, Mapping[str, Any]]) -> Iterator[Ended]:
    """Yield each asset of a dataset that ends in one of its sessions; nothing is held of it yet."""
    assumed = [spec.get("delisting", {}) for spec in specs.values() if spec.get("dataset") == name]
    for symbol, date, how, stated, included, merged in _ends_of(dataset):
        row = int(np.searchsorted(dataset.facts.dates, date))
        if row < len(dataset.facts.dates):
            session = dataset.facts.dates[row].astype("datetime64[D]")
            lacking = np.isnan(stated) and not included
            own = tuple(sorted({each.get(how, DEFAULTS[how]) for each in assumed})) if lacking else ()
            yield Ended(symbol, session, 0.0, how, stated, own, included, merged)


def _priced(dataset: Dataset, places: Sequence[tuple[str, int]]) -> list[bool]:
    """Return whether each asset has a price on a day, which is a session of its dataset or of another."""
    if not places:
        return []
    names = tuple(sorted({symbol for symbol, _ in places}))
    prices = dataset.part(slice(0, len(dataset.facts.dates)), names, ("close",))()
    columns = dict(zip(names, prices.columns(names), strict=True))
    days = prices.dates.astype("datetime64[D]").astype(np.int64)
    rows = {int(day): row for row, day in enumerate(days.tolist())}
    return [day in rows and not np.isnan(prices.close[rows[day], columns[symbol]]) for symbol, day in places]


def _largest_first(found: list[Ended]) -> list[Ended]:
    return sorted(found, key=lambda it: (-abs(it.weight), it.date, it.symbol))


DEFAULTS = asdict(Delisting())
"""What a leaf that says nothing assumes, by kind."""


def _closings(weights: Table) -> dict[tuple[str, int], float]:
    """Return (symbol, day) -> what was held before, of all that was sold whole."""
    symbol = weights["symbol"]
    assert isinstance(symbol, Coded)
    before, target, date = (np.asarray(weights[name]) for name in ("before", "target", "date"))
    rows = np.flatnonzero((before != 0) & (target == 0))
    days = date[rows].astype("datetime64[D]").astype(np.int64).tolist()
    names = [symbol.values[code] for code in symbol.codes[rows].tolist()]
    return dict(zip(zip(names, days, strict=True), before[rows].tolist(), strict=True))


def _ends(dataset: Dataset) -> bool:
    tables = dataset.facts.point_in_time.tables
    return "delistings" in tables or "actions" in tables


def _ends_of(dataset: Dataset) -> Iterator[tuple[str, np.datetime64, str, float, bool, bool]]:
    """Yield asset, date, kind, stated return, whether prices have it and whether it merged, of each that ends."""
    tables = dataset.facts.point_in_time.tables
    merged = dict(_mergers(tables["actions"])) if "actions" in tables else {}
    for symbol, date in merged.items():
        yield symbol, date, "merger", np.nan, True, True
    if "delistings" in tables:
        table = tables["delistings"]
        kinds, names = table.texts("kind"), table.texts("asset")
        columns = (table.numbers("date"), table.numbers("return"), table.numbers("included"), kinds.codes, names.codes)
        for date, stated, included, kind, name in zip(*columns, strict=True):
            if names.values[name] not in merged:
                yield names.values[name], date, kinds.values[kind], float(stated), bool(included), False


def _mergers(actions: DatedTable) -> Iterator[tuple[str, np.datetime64]]:
    kinds, names = actions.texts("kind"), actions.texts("asset")
    code = kinds.values.index("merger") if "merger" in kinds.values else -2
    for row in np.flatnonzero(kinds.codes == code).tolist():
        yield names.values[names.codes[row]], actions.numbers("ex_date")[row]
