"""Checksums of Parquet pages: whatever Arrow writes is sound, and what Arrow finds damaged is refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from metabt.errors import DataError
from metabt.lakehouse.ingestion.page_checksums import check_pages

N_ROWS = 400
TABLE = pa.table(
    {
        "date": np.arange(N_ROWS).astype("datetime64[D]"),
        "symbol": pa.array([None if row % 7 == 0 else f"S{row % 5}" for row in range(N_ROWS)]),
        "close": np.linspace(1.0, 2.0, N_ROWS),
    }
)
WRITTEN = st.fixed_dictionaries(
    {
        "compression": st.sampled_from(["none", "snappy", "zstd", "gzip"]),
        "use_dictionary": st.booleans(),
        "data_page_version": st.sampled_from(["1.0", "2.0"]),
        "data_page_size": st.sampled_from([64, 1_000, 1_000_000]),
        "row_group_size": st.sampled_from([50, N_ROWS]),
        "write_statistics": st.booleans(),
    }
)


def content_of(**how: object) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(TABLE, buffer, **how)
    return buffer.getvalue()


def chunks_of(content: bytes) -> list[tuple[int, int]]:
    """Return place and size of the column chunks, from Arrow."""
    footer = parquet.read_metadata(io.BytesIO(content))
    columns = [footer.row_group(i).column(j) for i in range(footer.num_row_groups) for j in range(footer.num_columns)]
    return [
        (it.dictionary_page_offset if it.has_dictionary_page else it.data_page_offset, it.total_compressed_size)
        for it in columns
    ]


def is_refused(file: Path, content: bytes, chunks: list[tuple[int, int]]) -> bool:
    file.write_bytes(content)
    try:
        check_pages(file, chunks)
    except DataError as error:
        assert "get the file anew" in str(error)
        return True
    return False


def arrow_finds_another_checksum(content: bytes) -> bool:
    try:
        parquet.ParquetFile(io.BytesIO(content), page_checksum_verification=True).read()
    except (OSError, pa.ArrowException) as error:
        return "checksum" in str(error)
    return False


@settings(max_examples=25, deadline=None)
@given(how=WRITTEN, where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_what_arrow_finds_damaged_is_refused_and_nothing_that_is_sound(
    how: dict[str, object], where: float, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("pages") / "a.parquet"
    content = bytearray(content_of(**how, write_page_checksum=True))
    chunks = chunks_of(bytes(content))
    assert not is_refused(file, bytes(content), chunks)
    first, stop = min(place for place, _ in chunks), max(place + size for place, size in chunks)
    content[first + int(where * (stop - first))] ^= 1 << bit
    if arrow_finds_another_checksum(bytes(content)):
        assert is_refused(file, bytes(content), chunks)


@given(how=WRITTEN, where=st.floats(0, 1, exclude_max=True))
@settings(max_examples=10, deadline=None)
def test_without_checksums_nothing_is_said(
    how: dict[str, object], where: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("pages") / "a.parquet"
    content = bytearray(content_of(**how, write_page_checksum=False))
    chunks = chunks_of(bytes(content))
    content[int(where * chunks[-1][0])] ^= 1
    assert not is_refused(file, bytes(content), chunks)


def test_a_chunk_that_ends_within_a_page_is_refused(tmp_path: Path) -> None:
    content = content_of(write_page_checksum=True)
    place, size = chunks_of(content)[0]
    assert not is_refused(tmp_path / "a.parquet", content, [(place, size)])
    assert is_refused(tmp_path / "a.parquet", content, [(place, size - 1)])
    assert is_refused(tmp_path / "a.parquet", content[: place + size - 1], [(place, size)])
