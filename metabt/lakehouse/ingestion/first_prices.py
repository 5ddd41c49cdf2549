"""First prices: those of a dataset of which nothing is stored, so that there is nothing to compare them with.

1. They are put in order as matrices of symbols x sessions, as digests and anomalies need them; rows in the order of the
   table are made of some sessions at a time while they are written: many as files, by `price_files`, few by DuckLake.
2. Digests and anomalies come from these matrices, some symbols at a time, and are those of the rows when read back.
3. Where most cells of such matrices would be empty, or anything is stored under the dataset's name, the rows are
   compared and written as any others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from metabt.data.prices import Prices, observed_digests, partitions
from metabt.lakehouse.catalog.schema import ARROW, SCHEMA, insert
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.ingestion.anomalies import anomalies
from metabt.lakehouse.ingestion.many_files import Progress
from metabt.lakehouse.ingestion.observations import FIELDS, Observations
from metabt.lakehouse.point_in_time.notes import Found
from metabt.lakehouse.prices.price_digests import Row
from metabt.lakehouse.prices.price_files import GROUP, can_write, known_to_table, write_files
from metabt.lakehouse.prices.seals import BARS
from metabt.values.buffers import from_numpy, from_texts
from metabt.values.tables import Cells

SPARSE = 4
"""Cells per row beyond which matrices take more memory than rows."""
VECTOR = 2048
"""Rows that DuckDB takes at a time; a shorter batch would end row groups elsewhere than after a sort."""
SLICE = 1 << 18
"""Cells of a matrix, or rows, that are worked on at a time: as many as caches and little memory hold."""
MANY = 100_000
"""Rows from which on files are written here; fewer cost DuckLake less than adding files does."""
TABLES = ("datasets", "prices", "symbols", "calendars", "digests", "checks")
"""Tables that say whether anything is stored of a dataset, the one that does so nearly always first."""


@dataclass(frozen=True)
class FirstPrices:
    """Prices as matrices."""

    dataset: str
    """The dataset's name."""
    dates: np.ndarray
    """(n_sessions,) datetime64[D], increasing: those on which any symbol has a price."""
    symbols: tuple[str, ...]
    """(n_symbols,) sorted: those that have a price."""
    fields: dict[str, np.ndarray]
    """Field -> (n_symbols, n_sessions) float64, NaN where missing; a field the source does not have is not there."""
    n_rows: int
    """Number of prices."""

    @property
    def extent(self) -> dict[str, Any]:
        """What the dataset's row in `datasets` says of how far they reach."""
        first, last = self.dates[[0, -1]].tolist()
        return {"symbols": len(self.symbols), "sessions": len(self.dates), "first_date": first, "last_date": last}

    def write(self, con: duckdb.DuckDBPyConnection, progress: Progress | None = None) -> None:
        """Append the rows to the table `prices`, by date and symbol; `progress` is told how many are done."""
        kinds = {name: ARROW[kind] for name, kind in SCHEMA["prices"].items()}
        coded = pa.dictionary(pa.int32(), pa.string())
        schema = pa.schema({**kinds, "dataset": coded, "symbol": coded})
        names = {"dataset": from_texts([self.dataset]), "symbol": from_texts(self.symbols)}
        told = self._telling(progress)
        if self.n_rows < MANY or not can_write(con, self.dataset):
            _insert(con, schema, told(self._batches(schema, names)))
            return
        known = known_to_table(con, schema)
        years = [(label, told(self._groups(known, names, rows))) for label, rows in partitions(self.dates)]
        write_files(con, self.dataset, known, years)

    def digests(self) -> Iterator[Row]:
        """Yield symbol, partition, field and digest of every cell, sorted."""
        for part in self._parts():
            volume = part.fields.get("volume")
            close = part.fields["close"].T
            prices = Prices(self.dataset, self.dates, part.symbols, close, None if volume is None else volume.T)
            rows = list(prices.digests())
            for field in BARS:
                if field in part.fields:
                    found = observed_digests(self.dates, part.fields[field].T)
                    rows += [(part.symbols[place], label, field, digest) for label, place, digest in found]
            yield from sorted(rows)

    def anomalies(self) -> Iterator[Found]:
        """Yield what is odd about the closes."""
        for part in self._parts():
            seen = ~np.isnan(part.fields["close"])
            codes, rows = np.nonzero(seen)
            yield from anomalies(part.symbols, self.dates, codes, rows, part.fields["close"][seen])

    def _parts(self) -> Iterator[FirstPrices]:
        """Yield all sessions of some symbols at a time."""
        size = max(SLICE // len(self.dates), 1)
        for first in range(0, len(self.symbols), size):
            some = slice(first, first + size)
            fields = {name: values[some] for name, values in self.fields.items()}
            yield replace(self, symbols=self.symbols[some], fields=fields)

    def _telling(self, progress: Progress | None) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
        done = 0

        def told(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            nonlocal done
            for batch in batches:
                yield batch
                done += len(batch)
                if progress is not None:
                    progress(done, self.n_rows, self.dataset)

        return told

    def _groups(self, schema: pa.Schema, names: dict[str, pa.Array], rows: slice) -> Iterator[pa.RecordBatch]:
        """Yield the rows of some sessions at a time, as many as a row group takes, or of one that has more."""
        ends = np.cumsum(np.count_nonzero(~np.isnan(self.fields["close"][:, rows]), axis=0))
        first = done = 0
        while first < len(ends):
            after = max(int(np.searchsorted(ends, done + GROUP, side="right")), first + 1)
            yield self._batch(schema, names, slice(rows.start + first, rows.start + after))
            first, done = after, int(ends[after - 1])

    def _batches(self, schema: pa.Schema, names: dict[str, pa.Array]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of some sessions at a time, in numbers that DuckDB takes in whole vectors."""
        size = max(SLICE // len(self.symbols), 1)
        rest: list[pa.RecordBatch] = []
        n_rest = 0
        for first in range(0, len(self.dates), size):
            batch = self._batch(schema, names, slice(first, first + size))
            n_lacking = -n_rest % VECTOR
            rest, n_rest = [*rest, batch.slice(0, n_lacking)], n_rest + min(n_lacking, len(batch))
            if n_rest % VECTOR:
                continue
            n_even = (len(batch) - n_lacking) // VECTOR * VECTOR
            yield from _joined(rest)
            yield batch.slice(n_lacking, n_even)
            rest = [batch.slice(n_lacking + n_even)]
            n_rest = len(rest[0])
        yield from _joined(rest)

    def _batch(self, schema: pa.Schema, names: dict[str, pa.Array], some: slice) -> pa.RecordBatch:
        values = {name: np.ascontiguousarray(matrix[:, some].T) for name, matrix in self.fields.items()}
        seen = Cells(~np.isnan(values["close"]))
        own = {name: seen.values(cells) for name, cells in values.items()}
        codes = seen.items()
        places = {"dataset": np.zeros(len(codes), np.int32), "symbol": codes}
        columns = {
            **{name: pa.DictionaryArray.from_arrays(from_numpy(places[name]), names[name]) for name in names},
            "date": from_numpy(seen.lines(self.dates[some])),
            **{name: from_numpy(cells, missing=np.isnan(cells)) for name, cells in own.items()},
            **{name: pa.nulls(len(codes), pa.float64()) for name in FIELDS if name not in own},
        }
        return pa.record_batch([columns[name] for name in schema.names], schema=schema)


def first_prices(con: duckdb.DuckDBPyConnection, dataset: str, rows: Observations) -> FirstPrices | None:
    """Return observations without repeats as matrices; None where they are few for that, or the dataset has any."""
    days, codes = rows.dates.view(np.int64), rows.symbols.codes
    first = days.min()
    if days.max() - first > SPARSE * len(days) or _is_stored(con, dataset):
        return None
    is_session = np.zeros(days.max() - first + 1, np.bool_)
    has_price = np.zeros(len(rows.symbols.values), np.bool_)
    slices = [slice(begin, begin + SLICE) for begin in range(0, len(days), SLICE)]
    for some in slices:
        is_session[days[some] - first] = True
        has_price[codes[some]] = True
    n_sessions, n_symbols = np.count_nonzero(is_session), np.count_nonzero(has_price)
    if n_sessions * n_symbols > SPARSE * len(days):
        return None
    order = sorted(np.flatnonzero(has_price).tolist(), key=rows.symbols.values.__getitem__)
    line = np.zeros(len(has_price), np.int64)
    line[order] = np.arange(n_symbols) * n_sessions
    column = np.cumsum(is_session) - 1
    fields = {name: np.full((n_symbols, n_sessions), np.nan) for name in FIELDS if name in rows.fields}
    for some in slices:
        cells = line[codes[some]] + column[days[some] - first]
        for name, matrix in fields.items():
            values = rows.fields[name][some]
            matrix.reshape(-1)[cells] = np.where(np.isnan(values), np.nan, values)  # NaN has many patterns of bits
    for matrix in fields.values():
        matrix.flags.writeable = False
    dates = (np.flatnonzero(is_session) + first).astype("datetime64[D]")
    return FirstPrices(dataset, dates, tuple(rows.symbols.values[code] for code in order), fields, len(days))


def _insert(con: duckdb.DuckDBPyConnection, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    """Have DuckLake write the rows; it asks for them while it does."""
    raised: list[BaseException] = []

    def asked() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except (Exception, KeyboardInterrupt) as error:
            raised.append(error)
            raise

    try:
        insert(con, "prices", pa.RecordBatchReader.from_batches(schema, asked()))
    except duckdb.Error:
        if raised:  # an interruption, which DuckDB would pass on as an error of its own
            raise raised[0] from None
        raise


def _joined(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    return pa.Table.from_batches(batches).combine_chunks().to_batches() if batches else []


def _is_stored(con: duckdb.DuckDBPyConnection, dataset: str) -> bool:
    """Return whether any table has a row of a dataset."""
    sql = "SELECT 1 FROM {} WHERE dataset = $1 LIMIT 1"
    return any(execute(con, sql.format(name), dataset).fetchall() for name in TABLES)
