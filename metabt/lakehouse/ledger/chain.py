"""Chain: rows of the table `ledger`, each with the hash of the one before.

`hash = SHA-256(ordinal, at, who, kind, key, content, previous)`, each with its length before it

1. `append` goes on from the head: the last row or, where rows were cut off, the last one that a stored run names.
2. `read_chain` compares every row with its hash and the one before, and with the heads that stored runs recorded. It
   returns the rows and says where they first are not those that were written; a cut tail shows while a run that was
   stored later remains.
3. A broken chain is named and refuses nothing: what a row says is used, and whoever counts trials says so.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from metabt.lakehouse.catalog.connection_loss import UNREADABLE, is_outage, reported
from metabt.lakehouse.catalog.damage import Damaged
from metabt.lakehouse.catalog.schema import SCHEMA, insert
from metabt.values.buffers import from_numpy, from_texts
from metabt.values.digests import joint_digest

NOTHING = "0" * 64
"""What stands for the hash before the first row."""
COLUMNS = tuple(SCHEMA["ledger"])
"""Columns of the table, in order."""
EPOCH, MICROSECOND = datetime(1970, 1, 1), timedelta(microseconds=1)
HEAD = 'SELECT ordinal, "hash" FROM ledger ORDER BY ordinal DESC LIMIT 1'
NAMED = (
    "SELECT CAST(split_part(ledger_head, ':', 1) AS BIGINT) AS ordinal, split_part(ledger_head, ':', 2) AS head, "
    "min(run_id) AS run_id FROM runs WHERE ledger_head IS NOT NULL GROUP BY ALL ORDER BY ordinal"
)
"""The heads that stored runs recorded, and a run of each."""
MEANS = (
    "what was tried may be more than the ledger shows; restore it from a copy. Runs go on, and rankings say that the "
    "chain is broken"
)
"""What a broken chain means, and the cure."""


class DamagedLedger(Damaged):
    """Rows of the ledger cannot be read."""


@dataclass(frozen=True)
class Entry:
    """What a new row says."""

    kind: str
    """What happened, such as `trial`."""
    key: str
    """What it happened to: the key of a trial."""
    content: Mapping[str, Any]
    """All else, as JSON."""
    at: datetime
    """When, UTC."""


@dataclass(frozen=True)
class Link:
    """A row of the ledger as it is stored."""

    ordinal: int
    """Its number, from 1."""
    at: datetime
    """When, UTC."""
    who: str
    """Name of the user's account."""
    kind: str
    """What happened."""
    key: str
    """What it happened to."""
    content: str
    """JSON."""
    previous: str
    """Hash of the row before."""
    hash: str
    """Its own."""

    @property
    def expected(self) -> str:
        """What its hash has to be."""
        time = str((self.at - EPOCH) // MICROSECOND)
        return joint_digest([str(self.ordinal), time, self.who, self.kind, self.key, self.content, self.previous])


@dataclass(frozen=True)
class Chain:
    """The whole ledger."""

    links: tuple[Link, ...]
    """Its rows, in order."""
    fault: str | None
    """Where it first is not what was written, what that means and the cure; None where it is sound."""


def append(con: duckdb.DuckDBPyConnection, entries: Sequence[Entry]) -> list[int]:
    """Add rows within a transaction, and return their numbers.

    Raises
    ------
    DamagedLedger
        When the last row cannot be read.
    """
    if not entries:
        return []
    ordinal, previous = head(con)
    links, own = [], who()
    for place, entry in enumerate(entries, ordinal + 1):
        content = json.dumps(entry.content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        link = Link(place, entry.at, own, entry.kind, entry.key, content, previous, "")
        previous = link.expected
        links.append(Link(place, entry.at, own, entry.kind, entry.key, content, link.previous, previous))
    insert(con, "ledger", rows_of(links))
    return [link.ordinal for link in links]


def head(con: duckdb.DuckDBPyConnection) -> tuple[int, str]:
    """Return number and hash of the last row there was, also where a stored run alone knows of it.

    Raises
    ------
    DamagedLedger
        When it cannot be read.
    """
    own = fetched(con, HEAD)
    named = fetched(con, f"SELECT ordinal, head FROM ({NAMED}) ORDER BY ordinal DESC LIMIT 1")
    return max([(0, NOTHING), *named, *own], key=lambda it: it[0])


def head_text(con: duckdb.DuckDBPyConnection) -> str:
    """Return the head as a run records it: its number, a colon and its hash."""
    ordinal, text = head(con)
    return f"{ordinal}:{text}"


def fetched(con: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    """Return the rows of a question about the ledger; DamagedLedger where they cannot be read."""
    try:
        return con.execute(sql).fetchall()
    except (duckdb.Error, *UNREADABLE) as error:
        if is_outage(str(error)):
            raise
        reason = str(error).partition("\n")[0]
        raise DamagedLedger(
            f"the ledger of trials cannot be read ({reason}); the next `metabt backtest` takes damaged files out, and "
            "`metabt check` names the rows that are missing then"
        ) from error


@reported
def read_chain(con: duckdb.DuckDBPyConnection) -> Chain:
    """Return all rows of the ledger, and where they first are not those that were written.

    Parameters
    ----------
    con : connection
        An attached lakehouse.

    Returns
    -------
    Chain

    Raises
    ------
    DamagedLedger
        When rows cannot be read at all.
    """
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    links = [Link(*row) for row in fetched(con, f"SELECT {names} FROM ledger ORDER BY ordinal")]
    found = _broken(links) or _cut(links, fetched(con, NAMED))
    return Chain(tuple(links), None if found is None else f"the ledger of trials is broken {found}: {MEANS}")


def _broken(links: Sequence[Link]) -> str | None:
    before = NOTHING
    for place, link in enumerate(links, 1):
        if link.ordinal != place:
            what = "is missing" if link.ordinal > place else "is there twice"
            return f"at row {min(place, link.ordinal)}, which {what}"
        if link.hash != link.expected:
            return f"at row {place}, a {link.kind} of {link.at:%Y-%m-%d}, which was changed"
        if link.previous != before:
            return f"between rows {place - 1} and {place}: one of them was changed, or written anew"
        before = link.hash
    return None


def _cut(links: Sequence[Link], named: Sequence[tuple[int, str, str]]) -> str | None:
    for ordinal, text, run_id in named:
        if ordinal > len(links):
            return f"after row {len(links)}: run {run_id[:12]} was stored when it had {ordinal}"
        if ordinal and links[ordinal - 1].hash != text:
            return f"at row {ordinal} or before: run {run_id[:12]} recorded another one"
    return None


def who() -> str:
    """Return the name of the user's account; empty where it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def rows_of(links: Sequence[Link]) -> pa.Table:
    """Return rows as the table `ledger` has them."""

    def texts(name: str) -> pa.Array:
        return from_texts([getattr(link, name) for link in links])

    return pa.table(
        {
            "ordinal": from_numpy(np.array([link.ordinal for link in links])),
            "at": from_numpy(np.array([link.at for link in links], "datetime64[us]")),
            **{name: texts(name) for name in COLUMNS[2:]},
        }
    )
