"""Run files: tables of finished runs as Parquet, written by whichever process made them, and committed by reference.

1. A sweep has a Desk: a folder inside the lakehouse that no table is made of (metabt.lakehouse.folder.staging). It may
   be handed to any process that reaches the folder.
2. A Writer of that process appends the tables of one run after another, a file for each table, and returns what a
   commit records of the run. What is in memory is some rows of each table. The stream of the root goes into a file of
   its own too, which outlives the run.
3. `append` makes the files part of the lakehouse within the commit's transaction: under a second name, so that the
   transaction may be tried again. Where not all runs of a file are wanted, it is rows that are copied.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from metabt.errors import StoreError
from metabt.lakehouse.catalog.added_files import add, column_ids, data_folder, said_as_duckdb, with_ids
from metabt.lakehouse.catalog.schema import ARROW, RUN_TABLES, SCHEMA
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.folder.lost_catalogue import DATA
from metabt.lakehouse.folder.orphans import NAME
from metabt.lakehouse.ledger.stream_rows import STREAMS, GatheredStreams, stream_number
from metabt.lakehouse.runs.run_digests import Measured, root_stream
from metabt.lakehouse.runs.run_rows import Gathered, check_tables
from metabt.lakehouse.storage.place import storage_of
from metabt.lakehouse.storage.port import Root
from metabt.values.tables import Table

Ids = Mapping[str, Mapping[str, int]]
"""Table -> column -> the number that files of it know it by."""
REPEATED = ("DATE", "VARCHAR", "BOOLEAN")
"""SQL types of columns that are written as dictionaries."""


def ids_of(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    """Return the numbers that files of runs, and of their roots' streams, know their columns by."""
    return {name: column_ids(con, name) for name in (*RUN_TABLES, STREAMS)}


@dataclass(frozen=True, eq=False)
class RunFiles:
    """The files of some runs, which lie in a sweep's folder; each is itself alone."""

    files: Mapping[str, Root]
    """Table -> its file."""
    run_ids: tuple[str, ...]
    """The runs whose rows are in them."""
    ids: Ids
    """The numbers that the files know their columns by."""


@dataclass(frozen=True)
class Staged:
    """The tables of one run, which lie in files."""

    measured: Measured
    """What is recorded of them."""
    files: RunFiles
    """Where they lie."""


@dataclass(frozen=True)
class Desk:
    """Where the tables of a sweep's runs are written."""

    folder: Root
    """A folder on the disk of the lakehouse, which is there; or an address below its own."""
    ids: Ids
    """The numbers that the lakehouse knows columns by."""

    def writer(self) -> Writer:
        """Return what writes files of its own."""
        return Writer(self)


class Writer:
    """Writes the tables of some runs."""

    def __init__(self, desk: Desk) -> None:
        """Write to a desk; nothing is written yet."""
        self._desk, self._name = desk, f"{NAME}{uuid4()}"
        self._gathered = {name: Gathered(name) for name in RUN_TABLES}
        self._streams = GatheredStreams()
        self._open: dict[str, ParquetWriter] = {}
        self._written = ExitStack()  # files of an object store are put when it ends
        self._run_ids: dict[str, None] = {}

    def add(self, run_id: str, root: str, tables: Mapping[str, Table]) -> Measured:
        """Append the tables of a run, and return what is recorded of them.

        Parameters
        ----------
        run_id : its identity, which was not added before
        root : name of its root
        tables : table name -> column name -> column, without `run_id`

        Raises
        ------
        ValueError
            For a table or a column that a run cannot have.
        StoreError
            If the disk has no room for them.
        """
        if run_id in self._run_ids:
            raise ValueError(f"run '{run_id}' is in these files already")
        check_tables(run_id, tables)
        self._run_ids[run_id] = None
        for name, table in tables.items():
            gathered = self._gathered[name]
            gathered.add(run_id, table)
            if gathered.enough:
                self._write(name)
        self._streams.add(run_id, root_stream(root, tables))
        if self._streams.enough:
            self._write(STREAMS)
        return Measured.of(root, tables)

    def close(self) -> RunFiles:
        """Finish the files, and return where they are; StoreError if the disk has no room for what is left."""
        for name in (*RUN_TABLES, STREAMS):
            self._write(name)
        with self._said():
            for writer in self._open.values():
                writer.close()
            self._written.close()
        return RunFiles({name: self._file(name) for name in self._open}, tuple(self._run_ids), self._desk.ids)

    def _write(self, name: str) -> None:
        rows = self._streams.taken() if name == STREAMS else self._gathered[name].taken()
        if rows is None:
            return
        with self._said():
            if name not in self._open:
                schema = _schema(name, self._desk.ids[name])
                file = self._file(name)
                opened = self._written.enter_context(storage_of(file.parent).written(file.name))
                self._open[name] = ParquetWriter(opened, schema, store_schema=False, **_options(name))
            self._open[name].write_table(pa.Table.from_arrays(rows.columns, schema=self._open[name].schema))

    def _file(self, name: str) -> Root:
        return self._desk.folder / f"{self._name}.{name}.parquet"

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            for writer in self._open.values():
                with suppress(OSError):
                    writer.close()
                writer.is_open = False  # or it would try once more when it is let go of
            self._written.pop_all()  # nothing of them is put
            raise StoreError(
                f"tables of finished runs cannot be kept in '{self._desk.folder}' until they are stored: "
                f"{error.strerror or error}; free room there, or run fewer configurations at once: blocks are kept, "
                "and the rest goes on from them"
            ) from error


def append(con: duckdb.DuckDBPyConnection, wanted: Mapping[RunFiles, Collection[str]]) -> None:
    """Make rows of files part of the lakehouse, of each those of the wanted runs, with the transaction of `con`.

    Raises
    ------
    duckdb.IOException
        If a file cannot be read, or its second name not be given.
    """
    ids, root = ids_of(con) if wanted else {}, data_folder(con).parent
    added: dict[str, list[Root]] = {}
    for files, run_ids in wanted.items():
        if set(run_ids) == set(files.run_ids) and files.ids == ids:
            for name, file in _of_runs(files):
                with said_as_duckdb():
                    second = f"{DATA}/main/{name}/{NAME}{uuid4()}.parquet"
                    added.setdefault(name, []).append(_second_name(root, file, second))
        else:
            _copy(con, files, run_ids)
    for name, seconds in added.items():
        add(con, name, seconds)


def append_streams(con: duckdb.DuckDBPyConnection, files: RunFiles, run_ids: Collection[str]) -> None:
    """Make the streams of some runs in files part of the lakehouse, with the transaction of `con`."""
    file, root = files.files[STREAMS], data_folder(con).parent
    if set(run_ids) == set(files.run_ids) and files.ids == ids_of(con):
        with said_as_duckdb():
            second = _second_name(root, file, f"{DATA}/main/{STREAMS}/{NAME}{uuid4()}.parquet")
        add(con, STREAMS, [second])
        return
    numbers = sorted(map(stream_number, run_ids))
    sql = f"INSERT INTO {STREAMS} SELECT stream, date, net FROM read_parquet($1) WHERE stream IN (SELECT unnest($2))"
    execute(con, sql, str(file), numbers)


def _of_runs(files: RunFiles) -> list[tuple[str, Root]]:
    return [(name, file) for name, file in files.files.items() if name != STREAMS]


def _options(name: str) -> dict[str, Any]:
    """Return how a file of a table is written: returns of streams as they are, since nothing makes them smaller."""
    if name == STREAMS:
        encoded = {"date": "DELTA_BINARY_PACKED", "net": "PLAIN"}
        smaller = {"stream": "NONE", "date": "ZSTD", "net": "NONE"}
        return {"use_dictionary": ["stream"], "column_encoding": encoded, "compression": smaller}
    return {"use_dictionary": [column for column, kind in SCHEMA[name].items() if kind in REPEATED]}


def _copy(con: duckdb.DuckDBPyConnection, files: RunFiles, run_ids: Collection[str]) -> None:
    for name, file in _of_runs(files):
        columns = ", ".join(f'"{column}"' for column in SCHEMA[name])
        sql = f"INSERT INTO {name} ({columns}) SELECT {columns} FROM read_parquet($1) WHERE list_contains($2, run_id)"
        execute(con, sql, str(file), sorted(run_ids))


def _schema(name: str, ids: Mapping[str, int]) -> pa.Schema:
    """Return the schema of a file of a table, whose columns bear the numbers that the table knows them by."""
    kinds = {column: ARROW[kind] for column, kind in SCHEMA[name].items()}
    fields = [
        pa.field(column, pa.dictionary(pa.int32(), kind) if kind == pa.string() else kind)
        for column, kind in kinds.items()
    ]
    return with_ids(pa.schema(fields), ids)


def _second_name(root: Root, file: Root, name: str) -> Root:
    """Give a file a second name inside the lakehouse at `root`, and return its place."""
    second = root / name
    if not isinstance(file, Path) or not isinstance(second, Path):
        storage_of(root).repeat(str(file).removeprefix(f"{root}/"), name)
        return second
    second.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, second)
    except OSError:  # a file system without hard links
        shutil.copyfile(file, second)
    os.utime(second)  # of this transaction: the next writer removes it where this one is killed
    return second
