"""Digests of runs: DuckDB works out the same digest of a row as Python, and each column is in it."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from metabt.lakehouse.catalog.schema import ARROW, SCHEMA
from metabt.lakehouse.runs.run_digests import LARGE, ROW_DIGEST, row_digest

TEXTS = (None, "", "-", "1:-", "\u00e9\u20ac\U0001f600", "a\u0301b", "x|y", "'\"\\", "two\nlines", "0:")
NUMBERS = (None, 0.0, -0.0, 0.1, 1 / 3, 1e-5, 1e16, 1.5, 5e-324, 1.7976931348623157e308, -2.2250738585072014e-308)
WHOLE = (None, 0, 1, -1, 2**63 - 1, -(2**63))
EPOCH = datetime(1970, 1, 1)
TIMES = (EPOCH, EPOCH - timedelta(microseconds=1), datetime(2026, 1, 2, 3, 4, 5, 678901), datetime(1900, 1, 1), None)
VALUES: dict[str, tuple[Any, ...]] = {"VARCHAR": TEXTS, "DOUBLE": NUMBERS, "BIGINT": WHOLE, "TIMESTAMP": TIMES}
COVERED = [name for name in SCHEMA["runs"] if name not in (*LARGE, "digest")]


def in_sql(rows: list[dict[str, Any]]) -> list[str]:
    columns = {name: pa.array([row[name] for row in rows], ARROW[kind]) for name, kind in SCHEMA["runs"].items()}
    with duckdb.connect() as con:
        con.register("given_rows", pa.table(columns))
        return [text for (text,) in con.execute(f"SELECT {ROW_DIGEST} FROM given_rows").fetchall()]


def random_rows(count: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    floats = np.frombuffer(rng.bytes(8 * count))
    rows = []
    for number in range(count):
        row = {name: VALUES[kind][rng.integers(len(VALUES[kind]))] for name, kind in SCHEMA["runs"].items()}
        rows.append({**row, "seconds": float(floats[number])} if np.isfinite(floats[number]) else row)
    return rows


def test_duckdb_works_out_the_same_digest() -> None:
    rows = random_rows(500)
    assert in_sql(rows) == [row_digest(row) for row in rows]


def test_it_is_of_the_lengths_and_texts_of_all_columns_in_order() -> None:
    row = {name: VALUES[kind][2] for name, kind in SCHEMA["runs"].items()}
    zero = "-0.00000000000000000e+00"
    since = (TIMES[2] - EPOCH).days * 86_400_000_000 + (3 * 3600 + 4 * 60 + 5) * 1_000_000 + 678_901  # type: ignore[operator]
    stated = {"VARCHAR": "1:-", "BIGINT": "1:1", "DOUBLE": f"24:{zero}", "TIMESTAMP": f"16:{since}"}
    text = "".join(stated[SCHEMA["runs"][name]] for name in COVERED)
    assert row_digest(row) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", COVERED)
def test_no_two_values_of_a_column_have_one_digest(name: str) -> None:
    row = {column: VALUES[kind][1] for column, kind in SCHEMA["runs"].items()}
    values = VALUES[SCHEMA["runs"][name]]
    assert len({row_digest({**row, name: value}) for value in values}) == len(values)


def test_what_moves_from_one_column_to_the_next_changes_it() -> None:
    row = {column: VALUES[kind][1] for column, kind in SCHEMA["runs"].items()}
    pairs = list(product(TEXTS, repeat=2))
    found = {row_digest({**row, "keep": one, "overrides": other}) for one, other in pairs}
    assert len(found) == len(pairs)
