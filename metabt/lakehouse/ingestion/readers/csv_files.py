"""CSV files: cells stay text, since a symbol such as 0700 or NA must not become a number or nothing.

1. Lines above the header are skipped where the caller says so; what looks like a title is named.
2. The delimiter is the sign that cuts most of the first lines into the same number of cells.
3. The header is read as a row, so that names may repeat and are reported as they are.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter
from itertools import islice
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from metabt.errors import DataError
from metabt.lakehouse.ingestion.columns import Table
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.readers.text_cells import named_columns

ENDINGS = (".csv", ".csv.gz", ".tsv", ".txt")
LONGEST = 16 << 20
"""Bytes of the longest line that is read."""
INFLATED = 64 << 20
"""Bytes that every compressed file may hold."""
RATIO = 100
"""How many times its size a larger one may hold; tables of prices shrink to a third or a tenth."""
DELIMITERS = "\t;|,"
"""Signs between cells; where two fit alike, a comma is more often part of a date or a number."""
LINES = 30
"""Number of lines that are looked at to find the delimiter."""


def read_csv(path: Path, options: Options) -> Table:
    """Return the columns of a CSV file.

    Raises
    ------
    DataError
        When it has no header or a title above it, or cannot be read.
    """
    try:
        if is_gzip(path):
            _refuse_bomb(path)
        delimiter, n_columns = _dialect(path, options)
        cells = _cells(path, delimiter, n_columns, options.skip_rows)
    except (OSError, EOFError, zlib.error, csv.Error, UnicodeError, pa.ArrowInvalid) as error:
        raise DataError(f"'{path}' cannot be read as CSV: {_reason(error)}") from error
    return Table(named_columns(cells, options), continental=delimiter != ",")


def is_gzip(path: Path) -> bool:
    """Return whether the file's name says that it is compressed."""
    return path.name.lower().endswith(".gz")


def _cells(path: Path, delimiter: str, n_columns: int, skipped: int) -> list[pa.Array]:
    names = [f"f{i}" for i in range(n_columns)]
    with pa.input_stream(str(path), compression="gzip" if is_gzip(path) else None) as stream:
        table = arrow_csv.read_csv(
            stream,
            arrow_csv.ReadOptions(column_names=names, skip_rows=skipped),
            arrow_csv.ParseOptions(delimiter=delimiter),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    return [column.combine_chunks() for column in table.columns]


def _dialect(path: Path, options: Options) -> tuple[str, int]:
    """Return the delimiter and the number of columns."""
    opener = gzip.open if is_gzip(path) else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        read = islice(iter(lambda: file.readline(LONGEST), ""), options.skip_rows, options.skip_rows + LINES)
        lines = [line for line in read if line.strip("\r\n")]
    if any(len(line) >= LONGEST for line in lines):
        raise DataError(_too_long(path))
    if not lines or not lines[0].strip():
        raise DataError(f"'{path}' has no header; its first line must name the columns")
    delimiter, counts = max(((sign, _counts(lines, sign)) for sign in DELIMITERS), key=lambda found: _fit(found[1]))
    _refuse_title(lines, counts, options)
    return delimiter, counts[0]


def _refuse_bomb(path: Path) -> None:
    """Raise DataError for a compressed file that holds far more than its size tells, or a line without end."""
    most, total, line = max(INFLATED, RATIO * path.stat().st_size), 0, 0
    with gzip.open(path) as file:
        while piece := file.read(1 << 20):
            total += len(piece)
            ends = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
            line = line + len(piece) if ends < 0 else len(piece) - ends - 1
            if line > LONGEST:
                raise DataError(_too_long(path))
            if total > most:
                raise DataError(
                    f"'{path}' inflates to more than {RATIO} times its {path.stat().st_size:,} bytes, as no table of "
                    "prices does; if it is one all the same, unpack it and name the .csv"
                )


def _too_long(path: Path) -> str:
    return f"'{path}' has a line of more than {LONGEST >> 20} MB, as no table of prices has; check the file"


def _counts(lines: list[str], sign: str) -> list[int]:
    return [len(next(csv.reader([line], delimiter=sign))) for line in lines]


def _fit(counts: list[int]) -> tuple[int, int]:
    """Return how many lines have as many cells as most have, and how many cells that are; (0, 0) for one cell."""
    cells, lines = Counter(counts).most_common(1)[0]
    return (lines, cells) if cells > 1 else (0, 0)


def _refuse_title(lines: list[str], counts: list[int], options: Options) -> None:
    if lines[0].lower().startswith("sep="):  # a word to Excel
        raise DataError(
            f"line {options.skip_rows + 1}, '{lines[0].strip()}', is no header; "
            f"say {options.say(skip_rows=options.skip_rows + 1)}"
        )
    usual = Counter(counts).most_common(1)[0][0]
    if len(set(counts)) < 2 or counts[0] >= usual:
        return
    header = counts.index(usual)
    if header == 1 and counts[0] == usual - 1 > 1 and counts.count(usual) == len(counts) - 1:
        raise DataError(
            f"the header names {counts[0]} columns and the rows have {usual}, so one has no name; name all of them "
            f"with {options.say(skip_rows=options.skip_rows + 1, columns='Date,AAPL,MSFT')}"
        )
    raise DataError(
        f"line {options.skip_rows + 1}, '{lines[0].strip()[:60]}', looks like a title: lines from "
        f"{options.skip_rows + header + 1} on have {usual} cells; "
        f"say {options.say(skip_rows=options.skip_rows + header)}"
    )


def _reason(error: Exception) -> str:
    first = str(error).partition("\n")[0]
    if "Expected" in first and "columns, got" in first:
        return f"{first[:200]}; give every row as many cells as the header has, and delete lines that are no rows"
    return f"{first[:200]}; write it anew as UTF-8 text"
