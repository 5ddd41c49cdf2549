"""Sources: which reader a file or a frame needs, and which files a folder holds."""

from __future__ import annotations

from pathlib import Path

from metabt.errors import DataError, nearest
from metabt.lakehouse.catalog.local_paths import address
from metabt.lakehouse.ingestion.columns import Table
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.readers import csv_files, excel_files, parquet_files
from metabt.lakehouse.ingestion.readers.frames import is_frame, read_frame

ENDINGS = (*csv_files.ENDINGS, *parquet_files.ENDINGS, *excel_files.ENDINGS)
"""Endings of files that are read."""


def source_name(source: object) -> str:
    """Return the name of a source in messages and in the table `ingests`: the file's path, or `frame`."""
    return "frame" if is_frame(source) else str(source)


def files_of(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the files in a folder that are read, sorted, and the names of what is left out.

    Raises
    ------
    DataError
        When there is none.
    """
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in inside if path.is_file() and path.name.lower().endswith(ENDINGS)]
    if not files:
        raise DataError(f"'{folder}' holds no file of prices; wanted files that end in one of {', '.join(ENDINGS)}")
    return files, [path.name for path in inside if path not in files]


def stem_of(path: Path) -> str:
    """Return a file's name without the ending that says how it is read."""
    name = path.name
    ending = max((end for end in ENDINGS if name.lower().endswith(end)), key=len, default="")
    return name[: len(name) - len(ending)]


def read_table(source: object, options: Options) -> Table:
    """Return the columns of a file or a frame, in their order.

    Raises
    ------
    DataError
        When there is no such file, it is a directory or of an unknown type, or it cannot be read.
    """
    if is_frame(source):
        _refuse_lines("a frame", options)
        return read_frame(source)
    if not isinstance(source, str | Path):
        raise DataError(
            f"cannot read a {type(source).__name__}; "
            "hand over the path of a file, or a frame of pandas, polars or Arrow"
        )
    path = Path(source).expanduser()
    _check_file(path, str(source))
    name = path.name.lower()
    if options.sheet is not None and not name.endswith(excel_files.ENDINGS):
        raise DataError(f"'{path}' is no workbook, so it has no sheet '{options.sheet}'; leave the sheet out")
    if name.endswith(csv_files.ENDINGS):
        return csv_files.read_csv(path, options)
    if name.endswith(parquet_files.ENDINGS):
        _refuse_lines(f"'{path}'", options)
        return parquet_files.read_parquet(path)
    if name.endswith(excel_files.ENDINGS):
        return excel_files.read_excel(path, options)
    old = "; save it as .xlsx" if name.endswith((".xls", ".xlsb", ".ods")) else ""
    raise DataError(f"'{path}' is of an unknown type; wanted one of {', '.join(ENDINGS)}{old}")


def _refuse_lines(what: str, options: Options) -> None:
    if options.skip_rows or options.columns:
        raise DataError(f"{what} has no lines of text, so none to skip and no header to name; leave these options out")


def _check_file(path: Path, said: str) -> None:
    message = address(said, "file")
    if message:
        raise DataError(message)
    if path.is_dir():
        raise DataError(f"'{path}' is a directory; name one file in it")
    if not path.is_file():
        beside = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
        raise DataError(f"there is no file '{path}'{nearest(path.name, beside)}; check the path")
