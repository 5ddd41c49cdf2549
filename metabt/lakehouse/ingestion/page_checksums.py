"""Page checksums of Parquet files: pages are compared with the CRC-32 that their headers have, without decoding one.

1. A column chunk is a row of pages, each a header and so many bytes as the header says (apache/parquet-format,
   "Data Pages"; Thrift's compact protocol).
2. A header may have a checksum of the bytes after it, as they are stored, not of itself. A chunk whose first page has
   none is left out.
3. DuckDB, which reads the file, does not look at them.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path

from metabt.errors import DataError

Chunk = tuple[int, int]
"""Place of a column chunk in the file, and its size in bytes."""

BYTES = 3
"""Field of a page's header: bytes that follow it."""
CHECKSUM = 4
"""Field of a page's header: CRC-32 of them, signed."""
FIXED = {1: 0, 2: 0, 3: 1, 7: 8, 13: 16}
"""Type of Thrift's compact protocol -> bytes of a value, where that is fixed: booleans, byte, double, UUID."""
DEEPEST = 16
"""Levels of structures that a header may have."""


def check_pages(path: Path, chunks: Sequence[Chunk]) -> None:
    """Raise DataError for a page that is not what its checksum says.

    Parameters
    ----------
    path : Path
        A Parquet file.
    chunks : sequence of (place, bytes)
        Its column chunks, as its footer has them.

    Raises
    ------
    DataError
        For a damaged page, and for pages with checksums that do not fill their chunk.
    """
    if not chunks:
        return
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content, memoryview(content) as data:
        for place, size in chunks:
            with data[place : place + size] as chunk:
                if len(chunk) != size or not _is_sound(chunk):
                    raise DataError(
                        f"'{path}' is damaged: a page is not what its checksum says; get the file anew from where it "
                        "came"
                    )


def _is_sound(chunk: memoryview) -> bool:
    """Return whether all pages of a chunk are what their checksums say; true where they have none."""
    place = 0
    while place < len(chunk):
        try:
            start, size, checksum = _header(chunk, place)
        except (IndexError, ValueError):
            return place == 0  # not one header could be read: whoever decodes it says what it is
        if checksum is None:
            return place == 0
        if size < 0 or start + size > len(chunk) or zlib.crc32(chunk[start : start + size]) != checksum:
            return False
        place = start + size
    return True


def _header(data: memoryview, place: int) -> tuple[int, int, int | None]:
    """Return where the page at a header's place begins, its bytes, and its checksum, if it has one."""
    found: dict[int, int] = {}
    end = _structure(data, place, found)
    checksum = found.get(CHECKSUM)
    return end, found.get(BYTES, -1), None if checksum is None else checksum % 2**32


def _structure(data: memoryview, place: int, integers: dict[int, int] | None = None, depth: int = 0) -> int:
    """Return where a structure ends; its integers are put into `integers` by the numbers of their fields."""
    if depth > DEEPEST:
        raise ValueError("too deep")
    field = 0
    while kind := data[place]:
        step, place = kind >> 4, place + 1
        if step:
            field += step
        else:
            number, place = _number(data, place)
            field = _signed(number)
        if kind & 15 in (4, 5, 6):
            number, place = _number(data, place)
            if integers is not None:
                integers[field] = _signed(number)
        else:
            place = _after(data, place, kind & 15, depth)
    return place + 1


def _after(data: memoryview, place: int, kind: int, depth: int) -> int:
    """Return where a value of a type ends."""
    if kind in FIXED:
        return place + FIXED[kind]
    if kind == 12:
        return _structure(data, place, None, depth + 1)
    if kind in (4, 5, 6):
        return _number(data, place)[1]
    if kind == 8:
        length, place = _number(data, place)
        return place + length
    raise ValueError(f"no page's header has a value of type {kind}")


def _number(data: memoryview, place: int) -> tuple[int, int]:
    """Return a number of variable length, and where it ends."""
    total = 0
    for position in range(10):
        byte = data[place + position]
        total |= (byte & 127) << 7 * position
        if byte < 128:
            return total, place + position + 1
    raise ValueError("a number has no end")


def _signed(number: int) -> int:
    return (number >> 1) ^ -(number & 1)
