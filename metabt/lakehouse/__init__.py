"""Lakehouse: what is stored, prices in and runs out, all of it open to SQL. The only room that imports DuckDB.

1. `catalog/` attaches a lakehouse: where its catalogue is (SQLite or PostgreSQL), its schema, transactions.
2. `ingestion/` takes prices in: files and frames, checked, only what is new written.
3. `prices/` reads prices: what is known of them without reading, panels, digests, snapshots and what changed between
   them. `point_in_time/` has what is dated beside them: actions, memberships, delistings, rates, costs.
4. `runs/` keeps runs, each whole or not at all, and finds them again. `ledger/` keeps everything that was ever tried,
   in one chain; `evidence` says what runs are worth beside it.
5. `sql/` answers questions, read-only, and writes answers to files.
6. `soundness` goes over all that is stored, and says what is damaged.
7. `stored_data` lists datasets and what is odd about them, drops them, and forgets runs; `data_difference` says what
   became of them between two snapshots, `touched_runs` which runs had read it.
8. `maintenance` merges small files and lets snapshots go; `folder/` knows what lies there, `storage/` is the port
   behind which that is a folder or a prefix of an object store.
9. `price_source` turns what a caller passes as prices into a source: frames in memory, or a lakehouse; `dataset_steps`
   puts what was stated of a dataset's steps between its prices and its returns.

Imports: `luck` and the rooms beneath it.
Offers: the names below; each is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metabt.lakehouse.catalog.asking import Asking, now
    from metabt.lakehouse.catalog.attachment import attach, check_writable
    from metabt.lakehouse.catalog.catalog_location import confirm
    from metabt.lakehouse.catalog.damage import Damaged
    from metabt.lakehouse.catalog.statements import execute
    from metabt.lakehouse.ingestion.ingestion import IngestReport, ingest
    from metabt.lakehouse.ledger.family import Family, family
    from metabt.lakehouse.maintenance import Upkeep, upkeep
    from metabt.lakehouse.point_in_time.loading import load_point_in_time
    from metabt.lakehouse.prices.dataset_facts import chosen, dataset_symbols, datasets_with, load_facts
    from metabt.lakehouse.prices.price_panels import load_prices, read_rows
    from metabt.lakehouse.prices.reader import Reader
    from metabt.lakehouse.prices.snapshot_difference import Change, changed_calendars, changed_inputs
    from metabt.lakehouse.prices.snapshots import snapshot
    from metabt.lakehouse.runs.askings import can_be_written, record
    from metabt.lakehouse.runs.commits import commit_run, commit_runs
    from metabt.lakehouse.runs.names import asked_with, resolve_run
    from metabt.lakehouse.runs.run_list import run_list
    from metabt.lakehouse.runs.searches import SearchRecord, find_search, record_search
    from metabt.lakehouse.runs.stored_runs import (
        find_run,
        find_runs,
        list_runs,
        load_run,
        load_table,
        load_tables,
        root_metrics,
        run_row,
    )
    from metabt.lakehouse.soundness import check_files, check_lakehouse
    from metabt.lakehouse.sql.read_only import connect, query
    from metabt.lakehouse.sql.result_set import QueryResult

_EXPORTS = {
    "now": "metabt.lakehouse.catalog.asking",
    "Asking": "metabt.lakehouse.catalog.asking",
    "can_be_written": "metabt.lakehouse.runs.askings",
    "record": "metabt.lakehouse.runs.askings",
    "QueryResult": "metabt.lakehouse.sql.result_set",
    "asked_with": "metabt.lakehouse.runs.names",
    "attach": "metabt.lakehouse.catalog.attachment",
    "check_files": "metabt.lakehouse.soundness",
    "check_lakehouse": "metabt.lakehouse.soundness",
    "check_writable": "metabt.lakehouse.catalog.attachment",
    "commit_run": "metabt.lakehouse.runs.commits",
    "commit_runs": "metabt.lakehouse.runs.commits",
    "chosen": "metabt.lakehouse.prices.dataset_facts",
    "dataset_symbols": "metabt.lakehouse.prices.dataset_facts",
    "datasets_with": "metabt.lakehouse.prices.dataset_facts",
    "load_facts": "metabt.lakehouse.prices.dataset_facts",
    "export": "metabt.lakehouse.sql.exports",
    "Damaged": "metabt.lakehouse.catalog.damage",
    "Change": "metabt.lakehouse.prices.snapshot_difference",
    "changed_calendars": "metabt.lakehouse.prices.snapshot_difference",
    "changed_inputs": "metabt.lakehouse.prices.snapshot_difference",
    "IngestReport": "metabt.lakehouse.ingestion.ingestion",
    "ingest": "metabt.lakehouse.ingestion.ingestion",
    "confirm": "metabt.lakehouse.catalog.catalog_location",
    "load_point_in_time": "metabt.lakehouse.point_in_time.loading",
    "load_prices": "metabt.lakehouse.prices.price_panels",
    "read_rows": "metabt.lakehouse.prices.price_panels",
    "connect": "metabt.lakehouse.sql.read_only",
    "query": "metabt.lakehouse.sql.read_only",
    "Reader": "metabt.lakehouse.prices.reader",
    "Family": "metabt.lakehouse.ledger.family",
    "family": "metabt.lakehouse.ledger.family",
    "find_run": "metabt.lakehouse.runs.stored_runs",
    "find_runs": "metabt.lakehouse.runs.stored_runs",
    "list_runs": "metabt.lakehouse.runs.stored_runs",
    "load_run": "metabt.lakehouse.runs.stored_runs",
    "load_table": "metabt.lakehouse.runs.stored_runs",
    "load_tables": "metabt.lakehouse.runs.stored_runs",
    "resolve_run": "metabt.lakehouse.runs.names",
    "root_metrics": "metabt.lakehouse.runs.stored_runs",
    "run_list": "metabt.lakehouse.runs.run_list",
    "run_row": "metabt.lakehouse.runs.stored_runs",
    "SearchRecord": "metabt.lakehouse.runs.searches",
    "find_search": "metabt.lakehouse.runs.searches",
    "record_search": "metabt.lakehouse.runs.searches",
    "snapshot": "metabt.lakehouse.prices.snapshots",
    "Upkeep": "metabt.lakehouse.maintenance",
    "upkeep": "metabt.lakehouse.maintenance",
    "execute": "metabt.lakehouse.catalog.statements",
}
"""Name -> module, which is imported when the name is first used: a command imports only what it needs."""

__all__ = [
    "Asking",
    "Change",
    "Damaged",
    "Family",
    "IngestReport",
    "QueryResult",
    "Reader",
    "SearchRecord",
    "Upkeep",
    "asked_with",
    "attach",
    "can_be_written",
    "changed_calendars",
    "changed_inputs",
    "check_files",
    "check_lakehouse",
    "check_writable",
    "chosen",
    "commit_run",
    "commit_runs",
    "confirm",
    "connect",
    "dataset_symbols",
    "datasets_with",
    "execute",
    "export",
    "family",
    "find_run",
    "find_runs",
    "find_search",
    "ingest",
    "list_runs",
    "load_facts",
    "load_point_in_time",
    "load_prices",
    "load_run",
    "now",
    "load_table",
    "load_tables",
    "query",
    "read_rows",
    "record",
    "record_search",
    "resolve_run",
    "root_metrics",
    "run_list",
    "run_row",
    "snapshot",
    "upkeep",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'metabt.lakehouse' has no attribute '{name}'")
    return getattr(import_module(_EXPORTS[name]), name)
