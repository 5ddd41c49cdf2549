"""The lakehouse: prices in, panels out, runs kept, all of it open to SQL. The only room that imports DuckDB.

1. `placement` knows which catalogue a lakehouse has: `sqlite` or `postgres`. `catalog` attaches it, with `extensions`;
   `tables` is its schema; `transaction` writes whole or not at all; `outages` are told from mistakes.
2. `ingestion` = `sources` -> `shapes` -> `observations` -> `merge` -> `digests`.
3. `facts` tells what is known without a price (with `calendars`), `prices` makes panels, `history` compares snapshots.
4. `commits` keeps runs, `runs` finds them, `questions` asks with SQL, `answers` writes what came back.
"""

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
