"""The lakehouse: prices in, panels out, runs kept, all of it open to SQL. The only room that imports DuckDB.

1. `catalog` attaches DuckLake; `tables` is its schema; `transaction` writes whole or not at all.
2. `ingestion` = `sources` -> `shapes` -> `observations` -> `merge` -> `digests`.
3. `prices` makes panels, `runs` keeps results, `questions` asks with SQL, `answers` writes what came back.
"""

from metabt.lakehouse.answers import QueryResult
from metabt.lakehouse.catalog import attach, check_writable
from metabt.lakehouse.ingestion import IngestReport, ingest
from metabt.lakehouse.prices import dataset_symbols, load_panels, stored_digests
from metabt.lakehouse.questions import connect, query
from metabt.lakehouse.runs import commit_run, find_run, list_runs, load_run, resolve_run, snapshot

__all__ = [
    "IngestReport",
    "QueryResult",
    "attach",
    "check_writable",
    "commit_run",
    "connect",
    "dataset_symbols",
    "find_run",
    "ingest",
    "list_runs",
    "load_panels",
    "load_run",
    "query",
    "resolve_run",
    "snapshot",
    "stored_digests",
]
