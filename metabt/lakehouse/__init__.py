"""The lakehouse: prices in, panels out, runs kept, all of it open to SQL. The only room that imports DuckDB.

1. `catalog` attaches DuckLake; `tables` is its schema; `statements` writes values into SQL.
2. `ingestion` = `sources` -> `shapes` -> `observations` -> `merge` -> `digests`.
3. `facts` tells what is known without a price (with `calendars`), `prices` makes panels, `history` compares snapshots.
4. `commits` keeps runs in a `transaction`, whole or not at all; `runs` finds them.
5. `questions` asks with SQL, `answers` writes what came back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metabt.lakehouse.answers import QueryResult
from metabt.lakehouse.catalog import attach, check_writable
from metabt.lakehouse.commits import commit_run, commit_runs
from metabt.lakehouse.facts import Facts, dataset_symbols, load_facts
from metabt.lakehouse.history import Change, changed_calendars, changed_inputs
from metabt.lakehouse.prices import load_prices, read_rows
from metabt.lakehouse.questions import connect, query
from metabt.lakehouse.reader import Reader
from metabt.lakehouse.runs import find_run, find_runs, list_runs, load_run, resolve_run, root_metrics, run_row
from metabt.lakehouse.snapshots import snapshot
from metabt.lakehouse.statements import execute

if TYPE_CHECKING:
    from metabt.lakehouse.ingestion import IngestReport, ingest

__all__ = [
    "Change",
    "Facts",
    "IngestReport",
    "QueryResult",
    "Reader",
    "attach",
    "changed_calendars",
    "changed_inputs",
    "check_writable",
    "commit_run",
    "commit_runs",
    "connect",
    "dataset_symbols",
    "execute",
    "find_run",
    "find_runs",
    "ingest",
    "list_runs",
    "load_facts",
    "load_prices",
    "load_run",
    "query",
    "read_rows",
    "resolve_run",
    "root_metrics",
    "run_row",
    "snapshot",
]


def __getattr__(name: str) -> Any:
    """Import what reads files when it is first asked for: whoever computes need not wait for it."""
    if name in ("IngestReport", "ingest"):
        from metabt.lakehouse import ingestion

        return getattr(ingestion, name)
    raise AttributeError(f"module 'metabt.lakehouse' has no attribute '{name}'")
