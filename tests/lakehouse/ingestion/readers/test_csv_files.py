"""A damaged CSV file is refused, or its damage stays in the row that it is in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from metabt.errors import DataError
from metabt.lakehouse.ingestion.column_layout import read_observations
from metabt.lakehouse.ingestion.options import Options
from tests.lakehouse.conftest import wide

FRAME = wide(30).round(3)
CONTENT = FRAME.to_csv(lineterminator="\n").encode()
HEADER = CONTENT.index(b"\n") + 1

Row = tuple[object, ...]


def rows(file: Path) -> set[Row]:
    """Return (date, symbol, close) of every observation."""
    found = read_observations(file, Options())
    symbols = np.array(found.symbols.values, object)[found.symbols.codes]
    return set(zip(found.dates.tolist(), symbols, found.fields["close"].tolist(), strict=True))


EXPECTED = {(stamp.date(), symbol, close) for (stamp, symbol), close in FRAME.stack().items()}


def touched(place: int) -> set[object]:
    """Return the dates of the lines that a byte belongs to: a line's end belongs to the next one, too."""
    line = CONTENT.count(b"\n", 0, place) - 1
    return {stamp.date() for stamp in FRAME.index[line : line + 2]}


@settings(max_examples=150)
@given(place=st.integers(HEADER, len(CONTENT) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_stays_in_its_row(tmp_path_factory, place: int, bit: int) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path_factory.getbasetemp() / "flipped.csv"
    content = bytearray(CONTENT)
    content[place] ^= 1 << bit
    file.write_bytes(content)
    try:
        found = rows(file)
    except DataError as error:
        assert "; " in str(error)  # the cure
        return
    dates = touched(place)
    assert {row for row in EXPECTED if row[0] not in dates} <= found
    assert len(found - EXPECTED) <= len(FRAME.columns) and len(found) <= len(EXPECTED)


@settings(max_examples=50)
@given(place=st.integers(0, HEADER - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_name_changes_no_price(tmp_path_factory, place: int, bit: int) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path_factory.getbasetemp() / "flipped.csv"
    content = bytearray(CONTENT)
    content[place] ^= 1 << bit
    file.write_bytes(content)
    try:
        found = rows(file)
    except DataError as error:
        assert "; " in str(error)
        return
    assert {(row[0], row[2]) for row in found} <= {(row[0], row[2]) for row in EXPECTED}


def test_what_is_not_damaged_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(CONTENT)
    assert rows(tmp_path / "p.csv") == EXPECTED
