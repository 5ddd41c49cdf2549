"""What became of prices between two snapshots of a lakehouse, in words that name symbols and dates.

1. Digests say which symbols are touched, in which field; nothing else is read
   (metabt.lakehouse.prices.snapshot_difference).
2. Prices of these symbols at both snapshots say which observations were corrected, filled in or taken away.
3. Sessions after the last one there was are an append, and are reported of the calendar alone.
4. A symbol of which every partition was corrected has been re-adjusted: vendors do so after a dividend or a split.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metabt.data.point_in_time.lives import Lives
from metabt.values.ranges import plural, spans

if TYPE_CHECKING:
    import duckdb

    from metabt.data.prices import Prices

CALENDAR = "calendar"
"""Field of a change of a whole dataset."""


@dataclass(frozen=True)
class PriceChange:
    """Observations of one symbol, or sessions of one dataset, that differ between two snapshots."""

    dataset: str
    """The dataset's name."""
    symbol: str
    """The symbol; empty where it is the whole dataset."""
    field: str
    """close or volume; calendar."""
    kind: str
    """corrected, filled in, taken away or re-adjusted; of a dataset: appended, closed or reopened as well."""
    dates: np.ndarray
    """(n_dates,) datetime64[D] of these observations."""

    @property
    def partitions(self) -> tuple[str, ...]:
        """Calendar years that they are in."""
        return tuple(np.unique(self.dates.astype("datetime64[Y]")).astype(str).tolist())


def price_changes(
    con: duckdb.DuckDBPyConnection, wanted: Mapping[str, Sequence[str]], before: int, after: int
) -> list[PriceChange]:
    """Return what differs in the wanted datasets and symbols, those of whole datasets first.

    Raises
    ------
    StoreError
        For a snapshot that the lakehouse does not have any more.
    """
    from metabt.lakehouse import changed_inputs, dataset_symbols

    wanted = _by_symbol(con, wanted, after)
    touched: dict[str, set[str]] = {}
    for cell in changed_inputs(con, {name: tuple(symbols) for name, symbols in wanted.items()}, before, after):
        touched.setdefault(cell.dataset, set()).add(cell.symbol)
    held = [dataset_symbols(con, at) for at in (before, after)]
    found = _calendar_changes(con, wanted, held, before, after)
    for name, symbols in sorted(touched.items()):
        both = tuple(sorted(symbols.intersection(*(side.get(name, ()) for side in held))))
        if both:
            found += _observation_changes(con, name, both, before, after)
    return found


def _by_symbol(
    con: duckdb.DuckDBPyConnection, wanted: Mapping[str, Sequence[str]], at: int
) -> dict[str, Sequence[str]]:
    """Return what is wanted by symbol: of a dataset that is read by asset, the symbols that those are read from."""
    from metabt.lakehouse import datasets_with, load_point_in_time

    renamed = [name for name in datasets_with(con, "assets", at) if name in wanted]
    known = load_point_in_time(con, renamed, at)
    lives = {name: Lives.of(tuple(wanted[name]), known[name].tables["assets"]) for name in renamed}
    return {**wanted, **{name: each.symbols_of(wanted[name]) for name, each in lives.items()}}


def told(changes: Sequence[PriceChange], wanted: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the changes as lines of text.

    `wanted` is dataset -> symbols: a change of all of them is one line, which counts them and does not name them.
    """
    lines = []
    groups: dict[tuple[str, str, str, tuple[str, ...]], list[PriceChange]] = {}
    for change in changes:
        parts = () if change.kind == "re-adjusted" else change.partitions
        groups.setdefault((change.dataset, change.field, change.kind, parts), []).append(change)
    for (dataset, field, kind, _), group in groups.items():
        lines.append(f"{dataset}: {_line(group, field, kind, wanted.get(dataset, ()))}")
    return lines


def _line(group: list[PriceChange], field: str, kind: str, wanted: Sequence[str]) -> str:
    dates = np.unique(np.concatenate([change.dates for change in group]))
    if field == CALENDAR:
        if not len(dates):
            return f"the dataset was {kind}"
        return f"{plural(len(dates), 'session')} {kind}: {_dates(dates)} (partition {spans(group[0].partitions)})"
    symbols = [change.symbol for change in group]
    named = f"all {len(symbols)} symbols" if len(symbols) == len(wanted) > 1 else ", ".join(symbols)
    if kind == "re-adjusted":
        every = "every symbol's every partition changed" if len(symbols) == len(wanted) else "every partition changed"
        return f"{named} {field} from {str(dates[0])[:4]} on: {every}, the vendor has re-adjusted all history"
    count = plural(sum(len(change.dates) for change in group), "observation")
    return f"{named} {field} {spans(group[0].partitions)} ({count} {kind}: {_dates(dates)})"


def _dates(dates: np.ndarray) -> str:
    return str(dates[0]) if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"


def _calendar_changes(
    con: duckdb.DuckDBPyConnection,
    wanted: Iterable[str],
    held: Sequence[Mapping[str, Sequence[str]]],
    before: int,
    after: int,
) -> list[PriceChange]:
    from metabt.lakehouse import load_facts

    names = [name for name in wanted if all(name in side for side in held)]
    earlier, later = (load_facts(con, dict.fromkeys(names), at) for at in (before, after))
    found = []
    for name in names:
        old, new = earlier[name].dates, later[name].dates
        fresh = np.setdiff1d(new, old)
        kinds = {"appended": fresh[fresh > old[-1]], "filled in": fresh[fresh <= old[-1]]}
        kinds["taken away"] = np.setdiff1d(old, new)
        found += [PriceChange(name, "", CALENDAR, kind, dates) for kind, dates in kinds.items() if len(dates)]
        if earlier[name].closed != later[name].closed:
            kind = "declared closed" if later[name].closed else "reopened"
            found.append(PriceChange(name, "", CALENDAR, kind, new[:0]))
    return found


def _observation_changes(
    con: duckdb.DuckDBPyConnection, name: str, symbols: tuple[str, ...], before: int, after: int
) -> list[PriceChange]:
    from metabt.lakehouse import load_prices

    earlier, later = (load_prices(con, {name: symbols}, at)[name] for at in (before, after))
    found = []
    for column, symbol in enumerate(symbols):
        for field in ("close", "volume"):
            found += _of_one(name, symbol, field, _observed(earlier, field, column), _observed(later, field, column))
    return found


def _observed(panel: Prices, field: str, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the dates on which a symbol has an observation, and the observations."""
    values = getattr(panel, field)
    if values is None:
        return panel.dates[:0], np.empty(0)
    seen = ~np.isnan(values[:, column])
    return panel.dates[seen], values[seen, column]


def _of_one(
    name: str,
    symbol: str,
    field: str,
    old: tuple[np.ndarray, np.ndarray],
    new: tuple[np.ndarray, np.ndarray],
) -> list[PriceChange]:
    common, in_old, in_new = np.intersect1d(old[0], new[0], return_indices=True)
    corrected = common[old[1][in_old] != new[1][in_new]]
    fresh = np.setdiff1d(new[0], old[0])
    whole = len(np.unique(old[0].astype("datetime64[Y]")))
    kind = "re-adjusted" if len(np.unique(corrected.astype("datetime64[Y]"))) == whole > 1 else "corrected"
    kinds = {kind: corrected, "filled in": fresh[fresh <= old[0][-1]] if len(old[0]) else fresh}
    kinds["taken away"] = np.setdiff1d(old[0], new[0])
    return [PriceChange(name, symbol, field, kind, dates) for kind, dates in kinds.items() if len(dates)]
