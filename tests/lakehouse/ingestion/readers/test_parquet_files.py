"""Parquet names are taken by position; what pandas writes beside them may be anything."""

from __future__ import annotations

import pickle
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from metabt.errors import DataError
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


CRAFTED = (
    *(b"nope", b"[]", b"3", b"null", b"\xff\xfe", b"[" * 100_000, b'{"columns": [3]}', b'{"columns": {"a": 1}}'),
    *(b'{"column_indexes": 5}', b'{"columns": [{"name": "date", "metadata": "x"}]}'),
)


@pytest.mark.parametrize("crafted", CRAFTED, ids=lambda text: text[:40].decode(errors="replace"))
def test_metadata_that_pandas_does_not_write_are_refused(tmp_path: Path, crafted: bytes) -> None:
    table = pa.table({"date": ["2024-01-02"], "A": [1.0]}).replace_schema_metadata({b"pandas": crafted})
    parquet.write_table(table, tmp_path / "p.parquet")
    with pytest.raises(DataError, match="holds metadata of pandas that pandas does not write; write it anew"):
        read_observations(tmp_path / "p.parquet", Options())


def test_metadata_that_say_nothing_are_none(tmp_path: Path) -> None:
    for text in (b"{}", b'{"columns": null, "column_indexes": null}'):
        table = pa.table({"date": ["2024-01-02"], "A": [1.0]}).replace_schema_metadata({b"pandas": text})
        parquet.write_table(table, tmp_path / "p.parquet")
        assert read_observations(tmp_path / "p.parquet", Options()).symbols.values == ("A",)


class Canary:
    """What makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.place,)


@pytest.mark.parametrize("name", ["arrow.py_extension_type", "arrow.opaque", "pandas.period", "ray.data.arrow_pickled"])
def test_no_pickle_in_a_file_is_opened(tmp_path: Path, name: str) -> None:
    canary, control = tmp_path / "canary", tmp_path / "control"
    pickle.loads(pickle.dumps(Canary(control)))
    assert control.is_dir()  # it would be seen
    loaded = pickle.dumps(Canary(canary))
    typed = {b"ARROW:extension:name": name.encode(), b"ARROW:extension:metadata": loaded, b"pickle": loaded}
    fields = [pa.field("date", pa.string(), metadata=typed), pa.field("A", pa.float64(), metadata=typed)]
    table = pa.table([["2024-01-02"], [1.0]], pa.schema(fields, metadata={b"pickle": loaded}))
    parquet.write_table(table, tmp_path / "p.parquet")
    try:
        assert read_observations(tmp_path / "p.parquet", Options()).fields["close"].tolist() == [1.0]
    except DataError as error:
        assert "; " in str(error)  # the cure
    assert not canary.exists()
