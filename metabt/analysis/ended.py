"""Ended: the holdings of a run's root that were closed for good because their asset ended, and at which return.

1. A delisting or a merger takes effect in the first session of its dataset on or after its date.
2. What the root held of the asset then is the row of `weights` of that session: something before, nothing after.
3. Where nobody stated the return of a delisting, the leaves that held the asset say it by its kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
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
    """Whether prices end with the return already."""


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
        assumed = [spec.get("delisting", {}) for spec in specs.values() if spec.get("dataset") == name]
        for symbol, date, how, stated, included in _ends_of(dataset):
            row = int(np.searchsorted(dataset.facts.dates, date))
            if row < len(dataset.facts.dates):
                session = dataset.facts.dates[row].astype("datetime64[D]")
                weight = held.get((symbol, int(session.astype(np.int64))))
                if weight:
                    lacking = np.isnan(stated) and not included
                    own = tuple(sorted({each.get(how, DEFAULTS[how]) for each in assumed})) if lacking else ()
                    found.append(Ended(symbol, session, weight, how, stated, own, included))
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


def _ends_of(dataset: Dataset) -> Iterator[tuple[str, np.datetime64, str, float, bool]]:
    """Yield asset, date, kind, stated return and whether prices have it, of each asset that ends."""
    tables = dataset.facts.point_in_time.tables
    merged = dict(_mergers(tables["actions"])) if "actions" in tables else {}
    for symbol, date in merged.items():
        yield symbol, date, "merger", np.nan, True
    if "delistings" in tables:
        table = tables["delistings"]
        kinds, names = table.texts("kind"), table.texts("asset")
        columns = (table.numbers("date"), table.numbers("return"), table.numbers("included"), kinds.codes, names.codes)
        for date, stated, included, kind, name in zip(*columns, strict=True):
            if names.values[name] not in merged:
                yield names.values[name], date, kinds.values[kind], float(stated), bool(included)


def _mergers(actions: DatedTable) -> Iterator[tuple[str, np.datetime64]]:
    kinds, names = actions.texts("kind"), actions.texts("asset")
    code = kinds.values.index("merger") if "merger" in kinds.values else -2
    for row in np.flatnonzero(kinds.codes == code).tolist():
        yield names.values[names.codes[row]], actions.numbers("ex_date")[row]
