"""Columns between the lakehouse and NumPy."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.lakehouse.catalog import schema
from metabt.values.tables import texts


@given(st.lists(st.none() | st.text(max_size=3)))
def test_texts_are_coded_alike_in_short_and_in_long_columns(column: list[str | None]) -> None:
    rows = pa.table({"path": pa.array(column, pa.string())})
    short = schema.from_arrow("metrics", rows)["path"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "FEW", -1)
        long = schema.from_arrow("metrics", rows)["path"]
    assert short.codes.tolist() == long.codes.tolist() and short.codes.dtype == long.codes.dtype
    assert short.values == long.values
    assert list(texts(short)) == column
