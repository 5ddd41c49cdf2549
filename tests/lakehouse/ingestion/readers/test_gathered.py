"""Gathered columns are the columns of the batches, whatever comes in which batch."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest

from metabt.lakehouse.ingestion.readers import gathered as module
from metabt.lakehouse.ingestion.readers.gathered import gathered

KINDS = {
    "number": pa.float64(),
    "count": pa.int64(),
    "small": pa.int16(),
    "day": pa.date32(),
    "stamp": pa.timestamp("us"),
    "zoned": pa.timestamp("us", "UTC"),
    "flag": pa.bool_(),
    "decimal": pa.decimal128(9, 2),
    "nothing": pa.null(),
    "few": pa.string(),
    "many": pa.string(),
    "many from a row on": pa.string(),
}


def rows(draws: np.random.Generator, n_rows: int, missing: float) -> pa.Table:
    """Return random rows with a column of every kind."""
    whole = draws.integers(0, 1000, n_rows).tolist()
    plain = {
        "number": draws.normal(size=n_rows).tolist(),
        "count": whole,
        "small": whole,
        "day": [datetime.date(1970, 1, 1) + datetime.timedelta(it) for it in whole],
        "stamp": [datetime.datetime(1970, 1, 1) + datetime.timedelta(it) for it in whole],
        "zoned": [datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(it) for it in whole],
        "flag": [it % 2 == 0 for it in whole],
        "decimal": [None if it % 3 else it for it in whole],
        "nothing": [None] * n_rows,
        "few": [f"Ä{it % 5}" for it in whole],
        "many": [f"{it}-{place}" for place, it in enumerate(whole)],
        "many from a row on": [f"{it % 3}" if place < n_rows // 2 else f"{place}" for place, it in enumerate(whole)],
    }
    gone = {name: draws.random(n_rows) < missing * (place % 2) for place, name in enumerate(KINDS)}
    cells = {name: [None if out else it for it, out in zip(plain[name], gone[name], strict=True)] for name in KINDS}
    return pa.table({name: pa.array(cells[name], KINDS[name]) for name in KINDS})


@pytest.mark.parametrize("seed", range(12))
def test_columns_are_those_of_the_batches(seed: int) -> None:
    draws = np.random.default_rng(seed)
    n_rows = int(draws.integers(1, 400))
    table = rows(draws, n_rows, missing=seed % 3 / 4)
    cuts = np.unique(draws.integers(0, n_rows + 1, 5))
    batches = [
        batch
        for first, last in zip([0, *cuts], [*cuts, n_rows], strict=True)
        for batch in table.slice(int(first), int(last - first)).to_batches()
    ]
    said = [n_rows, 0, n_rows // 2, 10 * n_rows][seed % 4]
    found = dict(zip(table.schema.names, gathered(table.schema, batches, said), strict=True))
    for name, column in found.items():
        column.validate(full=True)
        wanted = table[name].combine_chunks()
        if pa.types.is_dictionary(column.type):
            codes = column.indices.drop_null().to_numpy()
            first_seen = list(dict.fromkeys(codes.tolist()))
            assert first_seen == list(range(len(column.dictionary)))
            column = column.dictionary_decode()
        assert column.equals(wanted), name
    assert pa.types.is_string(found["many"].type) or n_rows < 3


def test_texts_that_repeat_are_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BELIEVED", 3)
    table = pa.table({"text": pa.array(["b", "a", None, "b"] * 10)})
    (column,) = gathered(table.schema, table.to_batches(max_chunksize=7), 40)
    assert column.dictionary.to_pylist() == ["b", "a"] and column.to_pylist() == table["text"].to_pylist()


def test_no_batch_is_no_row() -> None:
    schema = pa.schema(KINDS)
    assert [len(column) for column in gathered(schema, [], 0)] == [0] * len(KINDS)
