"""Parquet names are taken by position."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from metabt.lakehouse.ingestion.column_layout import read_observations
from metabt.lakehouse.ingestion.options import Options


def test_names_that_differ_in_case_alone_stay(tmp_path: Path) -> None:
    nested = pa.array([{"x": 1}], pa.struct([("x", pa.int64())]))
    table = pa.table({"date": ["2024-01-02"], "ABC": [1.0], "abc": [2.0], "Abc": [3.0]})
    parquet.write_table(table, tmp_path / "p.parquet")
    found = read_observations(tmp_path / "p.parquet", Options())
    assert dict(zip(found.symbols.values, found.fields["close"].tolist(), strict=True)) == {
        "ABC": 1,
        "abc": 2,
        "Abc": 3,
    }
    long = table.select(["date"]).append_column("extra", nested).append_column("symbol", pa.array(["A"]))
    parquet.write_table(long.append_column("close", pa.array([5.0])), tmp_path / "q.parquet")
    assert read_observations(tmp_path / "q.parquet", Options()).notes == ("left out: extra",)
