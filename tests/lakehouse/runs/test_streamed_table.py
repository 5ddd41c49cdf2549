"""Streamed table: batch by batch, what the whole is as one Arrow table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from metabt.lakehouse.catalog.schema import from_arrow
from metabt.lakehouse.runs.streamed_table import ROWID, streamed
from metabt.values.tables import Coded

WORDS = ["one", None, "two", "one", "three", "", None, "two", "four"]
ROWS = pa.table(
    {
        "symbol": pa.array(WORDS),
        "date": pa.array(np.arange(9, dtype=np.int32), pa.date32()),
        "held": pa.array([0.5, None, -0.0, 1.0, float("nan"), 2.0, 3.0, 4.0, 5.0]),
        "pending": pa.array([True, False, True] * 3),
    }
)


def batches(ids: list[int], *stops: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows in batches that end before `stops`, numbered by `ids`."""
    rows = ROWS.append_column(ROWID, pa.array(ids, pa.int64()))
    for first, stop in zip([0, *stops], [*stops, len(ids)], strict=True):
        yield from rows.slice(first, stop - first).to_batches()


@pytest.mark.parametrize("stops", [(), (4,), (1, 2, 8), (0, 3, 3)])
@pytest.mark.parametrize("expected", [0, 2, 9, 20])
def test_batches_make_the_whole(stops: tuple[int, ...], expected: int) -> None:
    found, whole = streamed("orders", batches(list(range(9)), *stops), expected), from_arrow("orders", ROWS)
    assert found is not None and list(found) == list(whole)
    for name, column in whole.items():
        other = found[name]
        if isinstance(column, Coded):
            assert isinstance(other, Coded) and other.values == column.values
            assert other.codes.tolist() == column.codes.tolist()
        else:
            assert isinstance(other, np.ndarray) and other.dtype == column.dtype
            assert np.array_equal(other, column, equal_nan=column.dtype.kind == "f")
            assert not other.flags.writeable


@pytest.mark.parametrize("ids", [[0, 1, 2, 4, 3, 5, 6, 7, 8], [4, 5, 6, 7, 0, 1, 2, 3, 8], [0, 1, 2, 3, 3, 4, 5, 6, 7]])
def test_rows_in_another_order_make_none(ids: list[int]) -> None:
    assert streamed("orders", batches(ids, 4), 9) is None


def test_gaps_between_rows_are_in_order() -> None:
    assert streamed("orders", batches([0, 1, 2, 3, 10, 11, 12, 13, 99], 4), 9) is not None
