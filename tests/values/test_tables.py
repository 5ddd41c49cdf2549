"""Tables: a text column is read back as it was written, NULLs included."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metabt.values.tables import Coded, concat, texts

TEXTS = st.lists(st.none() | st.text(max_size=3))


def coded(rows: list[str | None]) -> Coded:
    """Return `rows` as a column; the last of its distinct texts is one that no row has."""
    values = tuple(sorted({row for row in rows if row is not None})) + ("of no row",)
    return Coded(np.array([-1 if row is None else values.index(row) for row in rows], np.int32), values)


@given(TEXTS)
def test_texts_are_those_of_the_rows_and_none_where_a_row_is_null(rows: list[str | None]) -> None:
    read = texts(coded(rows))
    assert read.dtype == object and read.tolist() == rows


@given(TEXTS, TEXTS)
def test_nulls_stay_when_columns_are_joined_and_rows_chosen(first: list[str | None], second: list[str | None]) -> None:
    (column,) = concat([{"name": coded(first)}, {"name": coded(second)}]).values()
    assert isinstance(column, Coded) and texts(column).tolist() == [*first, *second]
    backwards = np.arange(len(column))[::-1]
    assert texts(column.take(backwards)).tolist() == [*first, *second][::-1]


def test_a_column_without_a_text_is_null_throughout() -> None:
    assert texts(Coded(np.full(3, -1, np.int32), ())).tolist() == [None, None, None]
