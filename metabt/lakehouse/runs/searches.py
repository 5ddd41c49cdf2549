"""Searches: what was searched, how, and with which version of the library that asked; rows are only ever added.

A row stands here from before the first point of a search is walked, so that whoever goes on with it knows whether the
library at hand asks for the same points.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.catalog.schema import insert
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.catalog.transaction import transact
from metabt.lakehouse.runs.askings import can_be_written
from metabt.values.buffers import from_numpy, from_texts


@dataclass(frozen=True)
class SearchRecord:
    """A search, as it is recorded."""

    sweep_id: str
    """Identity of the search and of every asking of it."""
    settings: Mapping[str, Any]
    """How it searches: its sampler, objective, direction, batch and seed."""
    space: Mapping[str, Any]
    """Key -> what it may be set to, as JSON has it."""
    library: str | None
    """Name and version of the library on which the points depend; None where no version changes them."""


@reported
def find_search(con: duckdb.DuckDBPyConnection, sweep_id: str) -> SearchRecord | None:
    """Return a search that is recorded; None where it is not.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    sweep_id : str
        Its whole identity.

    Returns
    -------
    SearchRecord or None

    Raises
    ------
    StoreError
        When the table cannot be read.
    """
    sql = 'SELECT settings, space, library FROM searches WHERE sweep_id = $1 ORDER BY "at" LIMIT 1'
    rows = execute(con, sql, sweep_id).fetchall()
    return SearchRecord(sweep_id, json.loads(rows[0][0]), json.loads(rows[0][1]), rows[0][2]) if rows else None


def record_search(path: str | Path, search: SearchRecord, at: datetime) -> bool:
    """Add a search that is not recorded, and return whether that could be done.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    search : SearchRecord
        What is going to be searched.
    at : datetime
        When it began, UTC.

    Returns
    -------
    bool
        False where the lakehouse cannot be written; then nothing is done.

    Raises
    ------
    StoreError
        When it can be written, and the transaction fails all the same.
    """
    if not can_be_written(path):
        return False
    rows = {
        "sweep_id": from_texts([search.sweep_id]),
        "at": from_numpy(np.array([at], "datetime64[us]")),
        "settings": from_texts([json.dumps(search.settings, sort_keys=True)]),
        "space": from_texts([json.dumps(search.space)]),
        "library": from_texts([search.library]),
    }
    transact(path, lambda con: insert(con, "searches", pa.table(rows)))
    return True
