"""Digests of runs: what a commit records of a run, so that what is read back later can be compared with it.

1. `table_digest` covers names and values of all columns, row by row; which codes texts have does not matter.
2. The column `digests` of `runs` has the rows and the digest of each of the run's tables, those of `config` and
   `versions`, and the first and last date of the root's stream, as JSON.
3. The column `digest` covers the other columns of the row that lists show, and `digests`. `row_digest` makes it here,
   and `ROW_DIGEST` is the same in SQL: DuckDB compares ten thousand rows in the time in which Python does a few.
4. `seals` has the number of all runs and the bitwise sum of their digests: a run that is missing shows there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from metabt.lakehouse.catalog.schema import SCHEMA
from metabt.lakehouse.ledger.stream_rows import stream_digest
from metabt.values.digests import joint_digest
from metabt.values.tables import Coded, Column, Table

LARGE = ("config", "versions")
"""Columns of `runs` that lists leave out."""
NOTHING = 0, ""
"""Rows and digest of a table that a run does not have."""
COVERED = tuple(column for column in SCHEMA["runs"] if column not in (*LARGE, "digest"))
"""Columns of `runs` that its column `digest` covers, in order."""
TEXT = {
    "VARCHAR": "{0}",
    "BIGINT": "CAST({0} AS VARCHAR)",
    "DOUBLE": "format('{{:.17e}}', {0})",
    "TIMESTAMP": "CAST(epoch_us({0}) AS VARCHAR)",
}
"""SQL type -> the text of a value, in SQL; `_text` makes the same."""


def _with_length(text: str) -> str:
    return f"coalesce(length({text}) || ':' || {text}, '-')"


ROW_DIGEST = f"sha256({' || '.join(_with_length(TEXT[SCHEMA['runs'][name]].format(name)) for name in COVERED)})"
"""`row_digest` in SQL, of a row of `runs`."""

Recorded = Mapping[str, tuple[int, str]]
"""Table -> its rows and its digest."""


def size_of(table: Table) -> int:
    """Return the number of rows."""
    return len(next(iter(table.values()))) if table else 0


def table_digest(table: Table) -> str:
    """Return one SHA-256 (hex) of a table without `run_id`; NaN is NaN, whichever it is."""
    total = hashlib.sha256()
    for name in sorted(table):
        total.update(f"{name}\0{len(table[name])}\0".encode())
        total.update(_plain(table[name]).data)
    return total.hexdigest()


def measured(tables: Mapping[str, Table]) -> dict[str, tuple[int, str]]:
    """Return table -> rows and digest of those that have any rows."""
    return {name: (size_of(table), table_digest(table)) for name, table in sorted(tables.items()) if size_of(table)}


@dataclass(frozen=True)
class Measured:
    """What is recorded of the tables of a run."""

    tables: Recorded
    """Rows and digest of those that have any rows."""
    span: tuple[str, str] | None
    """First and last date of the root's stream, ISO dates; None where it has none."""
    sessions: int = 0
    """Sessions of that stream."""
    stream: str | None = None
    """Digest of its dates and net returns; None where it has none."""

    @classmethod
    def of(cls, root: str, tables: Mapping[str, Table]) -> Measured:
        """Measure tables; `root` is the name of the run's root."""
        dates, net = root_stream(root, tables)
        if not len(dates):
            return cls(measured(tables), None)
        return cls(measured(tables), (str(dates.min()), str(dates.max())), len(dates), stream_digest(dates, net))


def digests_text(row: Mapping[str, object], found: Measured) -> str:
    """Return the column `digests` of a run."""
    large = {name: joint_digest([str(row[name])]) for name in LARGE}
    return json.dumps({**large, "span": found.span, "tables": found.tables})


def span_of(row: Mapping[str, object]) -> tuple[date, date] | None:
    """Return the first and last date of a run's root, from its row; None where it has no stream."""
    span = json.loads(str(row["digests"]))["span"]
    return None if span is None else (date.fromisoformat(span[0]), date.fromisoformat(span[1]))


def root_stream(root: str, tables: Mapping[str, Table]) -> tuple[np.ndarray, np.ndarray]:
    """Return dates and net returns of the root's stream, (n_sessions,) each; empty where a run has none."""
    returns = tables.get("returns")
    if not returns:
        return np.zeros(0, "datetime64[D]"), np.zeros(0)
    path = returns["path"]
    assert isinstance(path, Coded)
    own = path.codes == (path.values.index(root) if root in path.values else -2)
    return np.asarray(returns["date"])[own].astype("datetime64[D]"), np.asarray(returns["net"])[own]


def recorded_of(row: Mapping[str, object]) -> Recorded:
    """Return table -> rows and digest that a run's row recorded."""
    return {name: (int(rows), text) for name, (rows, text) in json.loads(str(row["digests"]))["tables"].items()}


def row_digest(row: Mapping[str, object]) -> str:
    """Return the column `digest` of a run: of all columns but itself and the large ones, whose digests it covers."""
    found = [_text(row[name]) for name in COVERED]
    text = "".join("-" if own is None else f"{len(own)}:{own}" for own in found)
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: object) -> str | None:
    if isinstance(value, datetime):
        return str((value - datetime(1970, 1, 1)) // timedelta(microseconds=1))
    if isinstance(value, float):
        return f"{value:.17e}"
    return None if value is None else str(value)


def large_are_sound(row: Mapping[str, object]) -> bool:
    """Return whether the large columns of a run are those that `digests` recorded."""
    recorded = json.loads(str(row["digests"]))
    return all(recorded[name] == joint_digest([str(row[name])]) for name in LARGE)


def bitwise_sum(digests: Iterable[str], start: str = "") -> str:
    """Return the exclusive or of digests (hex): each takes itself out again, in any order."""
    total = int(start or "0", 16)
    for text in digests:
        total ^= int(text, 16)
    return f"{total:064x}"


def _plain(column: Column) -> np.ndarray:
    """Return a column as numbers that do not depend on how it is held."""
    if isinstance(column, Coded):
        words = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") for text in column.values]
        return np.array([*words, 0], np.uint64)[column.codes]  # NULL, code -1, is the last of them
    if column.dtype.kind == "f":
        return np.where(np.isnan(column), np.nan, column)
    return np.ascontiguousarray(column).view(np.uint8 if column.dtype.kind == "b" else np.int64)
