"""Root streams: what the ledger keeps of runs, taken from their tables as they are committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from metabt.lakehouse.catalog.schema import insert
from metabt.lakehouse.ledger.stream_rows import STREAMS, GatheredStreams, StreamFacts
from metabt.lakehouse.runs.run_digests import Measured, root_stream
from metabt.lakehouse.runs.run_files import RunFiles, Staged, append_streams
from metabt.values.tables import Table


def stream_facts(measured: Mapping[str, Measured]) -> dict[str, StreamFacts]:
    """Return run_id -> what the ledger says of its root's stream, of runs that have one."""
    return {
        run_id: StreamFacts(*found.span, found.sessions, found.stream)
        for run_id, found in measured.items()
        if found.span is not None and found.stream is not None
    }


def keep_streams(
    con: duckdb.DuckDBPyConnection, wanted: Sequence[tuple[str, str, Mapping[str, Table] | Staged]]
) -> None:
    """Add the streams of some roots to `trial_returns`, within a transaction.

    Parameters
    ----------
    con : connection
        Within the transaction that stores the runs.
    wanted : sequence of (run_id, name of its root, its tables)
        Tables are in memory, or lie as files.
    """
    staged: dict[RunFiles, list[str]] = {}
    held = GatheredStreams()
    for run_id, root, tables in wanted:
        if isinstance(tables, Staged):
            staged.setdefault(tables.files, []).append(run_id)
        else:
            held.add(run_id, root_stream(root, tables))
    for files, run_ids in staged.items():
        append_streams(con, files, run_ids)
    rows = held.taken()
    if rows is not None:
        insert(con, STREAMS, rows)
