"""Earlier runs that a run can be compared with, and the changes of their inputs since.

1. `newest_comparable`: the newest one of the same portfolio, or else the one that shares most sleeves with the run.
2. `newest_with`: the newest one that has a given sleeve.
3. `compared`: its sleeves, and what differs in prices, code, libraries and platform.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metabt.build.sleeve_code import walked_modules
from metabt.errors import StoreError
from metabt.lakehouse.point_in_time.table_changes import TableChange, table_changes
from metabt.lakehouse.prices.price_changes import PriceChange, price_changes
from metabt.runs.input_differences import Difference, shared_reads, version_differences
from metabt.runs.record import Record, read_record
from metabt.values.tables import texts

if TYPE_CHECKING:
    import duckdb

BEFORE = "r.status = 'ok' AND (r.started_at, r.run_id) < ($1, $2)"
SAME_NAME = (
    f"SELECT r.run_id FROM runs r WHERE {BEFORE} AND r.portfolio = $3 ORDER BY r.started_at DESC, r.run_id DESC LIMIT 1"
)
MOST_SHARED = (
    f"SELECT s.run_id FROM sleeves s JOIN runs r USING (run_id) WHERE {BEFORE} "
    "AND s.spec IN (SELECT spec FROM sleeves WHERE run_id = $2) "
    "GROUP BY s.run_id, r.started_at ORDER BY count(DISTINCT s.spec) DESC, r.started_at DESC, s.run_id LIMIT 1"
)
WITH_SPEC = (
    f"SELECT s.run_id FROM sleeves s JOIN runs r USING (run_id) WHERE {BEFORE} AND s.spec = $3 "
    "ORDER BY r.started_at DESC, s.run_id LIMIT 1"
)

Specs = Mapping[str, dict[str, Any]]
"""Path beneath the root -> spec; the root's is empty."""


@dataclass(frozen=True)
class PreviousRun:
    """An earlier run, compared with a later one."""

    record: Record
    """The earlier run."""
    specs: Specs
    """Its sleeves."""
    changes: tuple[PriceChange, ...] | str
    """Changes of prices since, or the reason why they are not known."""
    tables: tuple[TableChange, ...]
    """Changes since of what is dated beside prices; none where those of prices are not known."""
    everywhere: tuple[Difference, ...]
    """What differs in libraries, platform and the code of the walk."""

    def place_of(self, spec: Mapping[str, Any], place: str) -> str:
        """Return the place of a sleeve's spec in it: `place` itself, if that has it."""
        places = [there for there, other in self.specs.items() if other == spec]
        return place if place in places else places[0]


def newest_comparable(con: duckdb.DuckDBPyConnection, run: Record) -> Record | None:
    """Return the earlier run that a run is compared with; None where there is none."""
    return _first(con, SAME_NAME, run, run.portfolio) or _first(con, MOST_SHARED, run)


def newest_with(con: duckdb.DuckDBPyConnection, run: Record, spec: Mapping[str, Any]) -> Record | None:
    """Return the newest earlier run that has a sleeve; None where there is none."""
    return _first(con, WITH_SPEC, run, json.dumps(spec, sort_keys=True))


def compared(con: duckdb.DuckDBPyConnection, earlier: Record, run: Record) -> PreviousRun:
    """Return an earlier run, compared with `run`."""
    changes: tuple[PriceChange, ...] | str = ()
    tables: tuple[TableChange, ...] = ()
    try:
        if earlier.config["data"] != run.config["data"]:
            shared = shared_reads(earlier, run)
            changes = tuple(price_changes(con, shared, earlier.snapshot, run.snapshot))
            tables = tuple(table_changes(con, shared, earlier.snapshot, run.snapshot))
    except StoreError as error:
        changes = f"it cannot be told what became of them: {error}"
    # other modules name a run as well, but not its blocks
    alike = earlier.config["portfolio"] == run.config["portfolio"]
    everywhere = version_differences(earlier.versions, run.versions, walked_modules(), alike=alike)
    return PreviousRun(earlier, specs_of(con, earlier), changes, tables, tuple(everywhere))


def specs_of(con: duckdb.DuckDBPyConnection, record: Record) -> dict[str, dict[str, Any]]:
    """Return path beneath the root -> spec, parents first."""
    from metabt.lakehouse import load_table

    sleeves = load_table(con, record.run_id, "sleeves")
    specs = zip(texts(sleeves["path"]), texts(sleeves["spec"]), strict=True)
    return {beneath(path): json.loads(spec) for path, spec in specs}


def beneath(path: str) -> str:
    """Return a path without the root's name."""
    return path.partition("/")[2]


def _first(con: duckdb.DuckDBPyConnection, sql: str, run: Record, *more: object) -> Record | None:
    from metabt.lakehouse import execute

    found = execute(con, sql, run.started_at, run.run_id, *more).fetchall()
    return read_record(con, found[0][0]) if found else None
