"""Record: the inputs of a stored run as it recorded them, read back without the code that made it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from metabt.errors import StoreError

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Record:
    """One stored run that did not fail, without its tables."""

    run_id: str
    """Its identity."""
    portfolio: str
    """Name and path of its root."""
    snapshot: int
    """Number of the snapshot of the lakehouse that it read."""
    keep: str
    """`all` or `summary`: which of its tables are stored."""
    started_at: datetime
    """UTC."""
    config: Mapping[str, Any]
    """portfolio (the resolved tree, names and all), end, flat, data (digests by dataset); benchmark, if any."""
    versions: Mapping[str, Any]
    """format, code, modules, libraries, plugins, platform."""
    row: Mapping[str, Any]
    """Its row in `runs`, as it is stored."""

    @property
    def short(self) -> str:
        """Beginning of its identity, as lists show it."""
        return self.run_id[:12]

    @cached_property
    def wanted(self) -> dict[str, tuple[str, ...]]:
        """Dataset -> symbols that its leaves may hold, sorted."""
        found: dict[str, set[str]] = {}
        for leaf in _leaves(self.config["portfolio"]):
            found.setdefault(leaf["dataset"], set()).update(leaf["universe"])
        return {name: tuple(sorted(found[name])) for name in sorted(found)}

    @property
    def benchmark(self) -> str | None:
        """`DATASET:SYMBOL` that its sleeves are measured against; None where there is none."""
        return self.config["benchmark"]["name"] if "benchmark" in self.config else None

    @property
    def currency(self) -> str | None:
        """Currency of its tree; None where it states none."""
        return self.config["portfolio"].get("currency")

    @property
    def shape(self) -> bool | None:
        """Value of `is_meta_backtest` with which it runs again: False for a flat run, else None."""
        return False if self.config["flat"] else None


def read_record(connection: duckdb.DuckDBPyConnection, run_id: str) -> Record:
    """Return the record of a run.

    Raises
    ------
    StoreError
        For a run that is not there, or that failed.
    """
    from metabt.lakehouse import run_row

    row: dict[str, Any] = run_row(connection, run_id)
    if row["status"] != "ok":
        raise StoreError(
            f"run {run_id[:12]} failed ({row['error']}), so nothing of it is stored; name one that did not"
        )
    return Record(
        run_id=run_id,
        portfolio=row["portfolio"],
        snapshot=row["snapshot"],
        keep=row["keep"],
        started_at=row["started_at"],
        config=json.loads(row["config"]),
        versions=json.loads(row["versions"]),
        row=row,
    )


def _leaves(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "children" not in node:
        yield node
    for child in node.get("children", ()):
        yield from _leaves(child)
