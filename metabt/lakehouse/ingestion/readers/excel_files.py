"""Workbooks (.xlsx), read by openpyxl: formulas count as the values that were saved with them.

1. The sheet is the one that is named, else the only one that holds anything.
2. Cells become text without loss, so that what follows is as for CSV; dates are written as ISO.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pyarrow as pa

from metabt.errors import DataError, nearest
from metabt.lakehouse.ingestion.columns import Table, listed
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.readers.csv_files import INFLATED, RATIO
from metabt.lakehouse.ingestion.readers.text_cells import named_columns

ENDINGS = (".xlsx", ".xlsm")


def read_excel(path: Path, options: Options) -> Table:
    """Return the columns of a sheet of a workbook.

    Raises
    ------
    DataError
        When openpyxl is not installed, the file or the sheet cannot be read, or several sheets hold something.
    """
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise DataError(f"'{path}' is a workbook, which openpyxl reads: pip install 'metabt[excel]'") from error
    try:
        _refuse_bomb(path)
        book = load_workbook(path, read_only=True, data_only=True)
    except DataError:
        raise
    except Exception as error:  # openpyxl lets out whatever zipfile, its XML parser and itself raise
        raise DataError(f"'{path}' cannot be read as a workbook: {error}; save it anew as .xlsx") from error
    try:
        rows = _chosen({sheet.title: _rows(sheet, options.skip_rows) for sheet in book.worksheets}, options)
    finally:
        book.close()
    _refuse_title(rows, options)
    width = max(map(len, rows))
    padded = [row + [""] * (width - len(row)) for row in rows]
    return Table(named_columns([pa.array(column, pa.string()) for column in zip(*padded, strict=True)], options))


def _refuse_bomb(path: Path) -> None:
    with ZipFile(path) as parts:  # which reads no more of a part than is stated here
        held = sum(part.file_size for part in parts.infolist())
    if held > max(INFLATED, RATIO * path.stat().st_size):
        raise DataError(
            f"'{path}' inflates to {held:,} bytes, more than {RATIO} times its size, as no workbook of prices does; "
            "save the sheet as .csv"
        )


def _chosen(sheets: dict[str, list[list[str]]], options: Options) -> list[list[str]]:
    filled = {title: rows for title, rows in sheets.items() if rows}
    if options.sheet is not None:
        if options.sheet not in sheets:
            raise DataError(f"no sheet '{options.sheet}'{nearest(options.sheet, sheets)}")
        filled = {options.sheet: sheets[options.sheet]}
    if len(filled) > 1:
        first = next(iter(filled))
        raise DataError(f"{len(filled)} sheets hold something: {listed(list(filled))}; say {options.say(sheet=first)}")
    if not any(filled.values()):
        raise DataError("the sheet is empty: it has no header; its first row must name the columns")
    return next(iter(filled.values()))


def _rows(sheet: Any, skipped: int) -> list[list[str]]:
    rows = [[_text(value) for value in row] for row in sheet.iter_rows(min_row=skipped + 1, values_only=True)]
    return [_trimmed(row) for row in rows if any(row)]


def _trimmed(row: list[str]) -> list[str]:
    while row and not row[-1]:
        row.pop()
    return row


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(" ") if value.time() != value.min.time() else value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(value).strip()


def _refuse_title(rows: list[list[str]], options: Options) -> None:
    wide = next((i for i, row in enumerate(rows) if sum(map(bool, row)) > 1), 0)
    if wide:
        raise DataError(
            f"row {options.skip_rows + 1}, '{rows[0][0][:60]}', looks like a title above the header; "
            f"say {options.say(skip_rows=options.skip_rows + wide)}"
        )
