"""Buffers: what goes to Arrow and comes back is what pyarrow's own conversions make of it, to the bit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.values import buffers
from metabt.values.buffers import ARROW, from_numpy, from_texts, to_numpy

DAYS = np.array(["2021-01-04", "NaT", "1969-12-31"], "datetime64[D]")
COLUMNS = {
    **{dtype.name: np.arange(11).astype(dtype) for dtype in ARROW if dtype.kind != "M"},
    "odd numbers": np.array([np.nan, -0.0, np.inf, 5e-324]),
    "flags": np.array([True, False, False, True, True, False, True, True, False, True]),
    "days": DAYS,
    "instants": DAYS.astype("datetime64[us]") + np.timedelta64(7, "us"),
    "one row in three": np.arange(12.0)[::3],
    "nothing": np.empty(0),
    "no flags": np.empty(0, np.bool_),
}


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and one.tobytes() == np.ascontiguousarray(other).tobytes()


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_what_pyarrow_makes_of_it_and_comes_back(name: str) -> None:
    values = COLUMNS[name]
    column, wanted = from_numpy(values), pa.array(values)
    assert column.type == wanted.type and str(column.to_pylist()) == str(wanted.to_pylist())
    back = to_numpy(column)
    assert same(back, values) and not back.flags.writeable


@pytest.mark.parametrize("name", COLUMNS)
def test_a_part_of_a_column_and_columns_in_parts(name: str) -> None:
    column = from_numpy(COLUMNS[name])
    assert same(to_numpy(column.slice(1, 9)), COLUMNS[name][1:10])
    assert same(to_numpy(pa.chunked_array([column[:1], column[1:]])), COLUMNS[name])


def test_what_is_missing_is_null_and_comes_back_as_what_its_type_has_for_it() -> None:
    missing = np.array([False, True, True] * 3)
    for values, null in ((np.arange(9.0), np.nan), (np.arange(9), 0), (np.arange(9) > 3, False)):
        column = from_numpy(values, missing)
        assert column.equals(pa.array(values, mask=missing)) and column.null_count == 6
        assert same(to_numpy(column), np.where(missing, np.array(null, values.dtype), values))


def test_a_type_that_arrow_lacks_is_refused() -> None:
    with pytest.raises(TypeError, match="no column for NumPy's complex128"):
        from_numpy(np.ones(2, np.complex128))


@given(st.lists(st.none() | st.text()), st.integers(0, 8))
def test_texts_beyond_what_32_bits_count_have_places_of_64(texts: list[str | None], limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buffers, "SHORT", limit)
        column = from_texts(texts)
    is_large = sum(len((text or "").encode()) for text in texts) > limit
    column.validate(full=True)
    assert column.type == (pa.large_string() if is_large else pa.string()) and column.to_pylist() == texts


def test_32_bits_count_to_two_gibibytes() -> None:
    assert np.iinfo(np.int32).max == buffers.SHORT


@given(st.lists(st.none() | st.text()))
def test_texts_are_what_pyarrow_makes_of_them(texts: list[str | None]) -> None:
    assert from_texts(texts).equals(pa.array(texts, pa.string()))
    assert from_texts(texts).to_pylist() == texts
