"""Seams: a re-adjusted history beside what is stored at the old scale is a return that nobody had.

1. Only symbols of which stored closes change, and of which stored closes lie before or after all incoming ones, or
   between two of them, can have a seam.
2. From that end inward, the ratio of incoming to stored close is one factor for a number of dates. As far as decimals
   tell a ratio, the factor is known only within an interval; intervals of one factor have a common part.
3. Two dates or more with one factor that is not 1 are a seam; so is the only date in common where it differs by more
   than a twentieth and other dates are new. A single corrected close is none.
4. Closes between two dates in common that have one factor which is not 1 are left at the old scale as well.
5. It is refused; or, where the caller wants it, the closes that are left at the old scale are multiplied by the factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from metabt.errors import DataError
from metabt.lakehouse.catalog.schema import SCHEMA
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.ingestion.observations import Observations
from metabt.lakehouse.ingestion.options import Options

NOISE = 1e-6
"""Relative difference of closes that rounding within a vendor's arithmetic may make."""
LEAST = 1e-5
"""Difference of a factor from 1 that counts."""
ALONE = 0.05
"""The same where there is only one date in common."""


@dataclass(frozen=True)
class Seam:
    """Incoming closes of a symbol that do not fit what is stored beyond or between them."""

    symbol: str
    """The symbol."""
    factor: float
    """Incoming over stored close at the date nearest to the seam."""
    date: np.datetime64
    """First incoming date, or last one where the stored closes that are left lie after it."""
    before: bool
    """Whether the closes at the old scale lie before; else they lie after, up to `until`."""
    common: int
    """Number of dates that tell the factor."""
    left: int
    """Number of closes that are left at the old scale."""
    until: np.datetime64 | None = None
    """The next incoming date where they lie between two."""


def find_seams(
    con: duckdb.DuckDBPyConnection, dataset: str, rows: Observations, touched: set[str], *, whole: bool = False
) -> list[Seam]:
    """Return the seams that storing `rows` would make; `touched` are the symbols of which a stored close changes.

    With `whole` nothing that is stored between incoming dates stays.
    """
    seams = []
    for symbol, stored_dates, stored in _stored(con, dataset, sorted(touched)):
        code = rows.symbols.values.index(symbol)
        own = rows.symbols.codes == code
        order = np.argsort(rows.dates[own])
        dates, closes = rows.dates[own][order], rows.fields["close"][own][order]
        common, here, there = np.intersect1d(dates, stored_dates, return_indices=True)
        if not len(common):
            continue
        ends = {True: stored_dates < dates[0], False: stored_dates > dates[-1]}
        for before, beyond in ends.items():
            inward = slice(None) if before else slice(None, None, -1)
            count, factor = _one_factor(closes[here][inward], stored[there][inward], extends=len(common) < len(dates))
            if beyond.any() and count:
                seams.append(Seam(symbol, factor, dates[0 if before else -1], before, count, int(beyond.sum())))
        if not whole:
            seams += _between(symbol, common, closes[here], stored[there], np.diff(there) - 1)
    return seams


def _between(symbol: str, dates: np.ndarray, new: np.ndarray, old: np.ndarray, left: np.ndarray) -> list[Seam]:
    """Return the seams around closes that lie between dates in common; `left` has their number after each date."""
    found = []
    for place in np.flatnonzero(left):
        pair = slice(place, place + 2)
        count, factor = _one_factor(new[pair], old[pair], extends=False)
        if count == 2:
            found.append(Seam(symbol, factor, dates[place], False, 2, int(left[place]), dates[place + 1]))
    return found


def refuse_seams(seams: list[Seam], dataset: str, options: Options) -> None:
    """Raise DataError for seams, the largest first."""
    if not seams:
        return
    worst = max(seams, key=lambda seam: abs(np.log(seam.factor)))
    n_others = len({seam.symbol for seam in seams}) - 1
    others = f" ({n_others} more symbols have such a seam)" * (n_others > 0)
    side, move = ("before", worst.factor - 1) if worst.before else ("after", 1 / worst.factor - 1)
    side = side if worst.until is None else f"between {worst.date} and {worst.until}"
    raise DataError(
        f"{worst.symbol}: closes {'from' if worst.before else 'up to'} {worst.date} {'on ' * worst.before}"
        f"are {worst.factor:.6g} times the stored ones ({worst.common} dates tell), and {worst.left} closes {side} "
        f"would stay at the old scale, a return of {move:+.1%} that nobody had{others}; ingest the whole history, "
        f"or say {options.say(rescale=True)} to multiply what stays by that factor"
    )


def rescaled(con: duckdb.DuckDBPyConnection, dataset: str, seams: list[Seam]) -> pa.Table:
    """Return the rows beyond the seams, multiplied by their factors, under the schema of `prices` with `was`."""
    names = [seam.symbol for seam in seams]
    factors = pa.table(
        {
            "symbol": pa.array(names, pa.string()),
            "factor": pa.array([seam.factor for seam in seams], pa.float64()),
            "edge": pa.array(np.array([seam.date for seam in seams], "datetime64[D]")),
            "until": pa.array(np.array([seam.until or "NaT" for seam in seams], "datetime64[D]")),
            "before": pa.array([seam.before for seam in seams], pa.bool_()),
        }
    )
    con.register("factors", factors)
    fields = ", ".join(f"p.{name} * f.factor AS {name}" for name in ("close", "open", "high", "low"))
    sql = (
        f"SELECT p.dataset, p.symbol, p.date, {fields}, p.volume, p.close AS was FROM prices p JOIN factors f "
        "ON p.symbol = f.symbol AND CASE WHEN f.before THEN p.date < f.edge ELSE p.date > f.edge "
        "AND coalesce(p.date < f.until, true) END "
        "WHERE p.dataset = $1"
    )
    found = execute(con, sql, dataset).to_arrow_table()
    con.unregister("factors")
    return found.select([*SCHEMA["prices"], "was"])


def _stored(
    con: duckdb.DuckDBPyConnection, dataset: str, symbols: list[str]
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Return symbol, dates and closes, oldest first, of some symbols."""
    if not symbols:
        return []
    sql = "SELECT symbol, date, close FROM prices WHERE dataset = $1 AND list_contains($2::VARCHAR[], symbol)"
    table = execute(con, sql + " ORDER BY symbol, date", dataset, symbols).to_arrow_table()
    names = np.array(table["symbol"].to_pylist(), np.str_)
    dates, closes = table["date"].to_numpy().astype("datetime64[D]"), table["close"].to_numpy()
    cuts = np.flatnonzero(names[1:] != names[:-1]) + 1
    parts = (np.split(column, cuts) for column in (names, dates, closes))
    return [(str(name[0]), day, close) for name, day, close in zip(*parts, strict=True) if len(name)]


def stored_closes(
    con: duckdb.DuckDBPyConnection, dataset: str, symbols: list[str]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return symbol -> dates and closes that are stored, oldest first."""
    return {symbol: (dates, closes) for symbol, dates, closes in _stored(con, dataset, symbols)}


def _one_factor(new: np.ndarray, old: np.ndarray, *, extends: bool) -> tuple[int, float]:
    """Return how many of the first dates have one factor that counts, 0 for none, and that of the first."""
    with np.errstate(over="ignore", under="ignore"):
        ratio = new / old
    if not (np.isfinite(ratio).all() and (ratio > 0).all()):
        return 0, 1.0  # no factor, but another price altogether
    tolerance = ratio * (NOISE + _half_step(new) / new + _half_step(old) / old)
    low, high = np.maximum.accumulate(ratio - tolerance), np.minimum.accumulate(ratio + tolerance)
    count = int((low <= high).sum())
    at_least = max(low[count - 1] - 1, 1 - high[count - 1])
    counts = at_least > (LEAST if count > 1 else ALONE if len(ratio) == 1 and extends else np.inf)
    return (count if counts else 0), float(ratio[0])


def _half_step(values: np.ndarray) -> float:
    """Return half of the last decimal that prices are written with; 0 where they are not rounded."""
    for decimals in range(5):
        if (np.abs(values - np.round(values, decimals)) <= 1e-9 * values).all():
            return 0.5 * 10.0**-decimals
    return 0.0
