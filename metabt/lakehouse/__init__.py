"""The lakehouse: prices in, panels out, runs kept, all of it open to SQL. The only room that imports DuckDB.

1. `placement` knows which catalogue a lakehouse has: `sqlite` or `postgres`. `catalog` attaches it to one of the
   `connections`, with `extensions`; `tables` is its schema, `statements` are SQL with values in it; `transaction`
   writes whole or not at all; `outages` are told from mistakes.
2. `ingestion` = `sources` -> `shapes` -> `observations` -> `merge` -> `digests`.
3. `facts` tells what is known without a price (with `calendars`), `prices` makes panels, `history` compares snapshots.
4. `commits` keeps runs, `runs` finds them, `questions` asks with SQL, `answers` writes what came back.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metabt.lakehouse.answers import QueryResult
    from metabt.lakehouse.catalog import attach, check_writable
    from metabt.lakehouse.commits import commit_run, commit_runs
    from metabt.lakehouse.facts import Facts, dataset_symbols, load_facts
    from metabt.lakehouse.history import Change, changed_calendars, changed_inputs
    from metabt.lakehouse.ingestion import IngestReport, ingest
    from metabt.lakehouse.placement import confirm
    from metabt.lakehouse.prices import load_prices, read_rows
    from metabt.lakehouse.questions import connect, query
    from metabt.lakehouse.reader import Reader
    from metabt.lakehouse.runs import find_run, find_runs, list_runs, load_run, resolve_run, root_metrics, run_row
    from metabt.lakehouse.snapshots import snapshot
    from metabt.lakehouse.statements import execute

_EXPORTS = {
    "QueryResult": "metabt.lakehouse.answers",
    "attach": "metabt.lakehouse.catalog",
    "check_writable": "metabt.lakehouse.catalog",
    "commit_run": "metabt.lakehouse.commits",
    "commit_runs": "metabt.lakehouse.commits",
    "Facts": "metabt.lakehouse.facts",
    "dataset_symbols": "metabt.lakehouse.facts",
    "load_facts": "metabt.lakehouse.facts",
    "export": "metabt.lakehouse.exports",
    "Change": "metabt.lakehouse.history",
    "changed_calendars": "metabt.lakehouse.history",
    "changed_inputs": "metabt.lakehouse.history",
    "IngestReport": "metabt.lakehouse.ingestion",
    "ingest": "metabt.lakehouse.ingestion",
    "confirm": "metabt.lakehouse.placement",
    "load_prices": "metabt.lakehouse.prices",
    "read_rows": "metabt.lakehouse.prices",
    "connect": "metabt.lakehouse.questions",
    "query": "metabt.lakehouse.questions",
    "Reader": "metabt.lakehouse.reader",
    "find_run": "metabt.lakehouse.runs",
    "find_runs": "metabt.lakehouse.runs",
    "list_runs": "metabt.lakehouse.runs",
    "load_run": "metabt.lakehouse.runs",
    "resolve_run": "metabt.lakehouse.runs",
    "root_metrics": "metabt.lakehouse.runs",
    "run_row": "metabt.lakehouse.runs",
    "snapshot": "metabt.lakehouse.snapshots",
    "execute": "metabt.lakehouse.statements",
}
"""Name -> module; imported when it is first asked for, so that nobody waits for what a command does not need."""

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
    "confirm",
    "connect",
    "dataset_symbols",
    "execute",
    "export",
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
    if name not in _EXPORTS:
        raise AttributeError(f"module 'metabt.lakehouse' has no attribute '{name}'")
    return getattr(import_module(_EXPORTS[name]), name)
