"""Past snapshots: when a lakehouse says that they were committed, set at will, and snapshots made to expire."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from metabt.lakehouse import attach


def backdate(lake: Path, times: Mapping[int, str]) -> None:
    """Have snapshots committed at these times, as `2026-10-01 12:00`, UTC."""
    with closing(sqlite3.connect(lake / "catalog.sqlite")) as con:
        for number, time in times.items():
            con.execute(
                "UPDATE ducklake_snapshot SET snapshot_time = ? WHERE snapshot_id = ?", (f"{time}:00.000000+00", number)
            )
        con.commit()


def expire(lake: Path, *numbers: int) -> None:
    """Let snapshots expire, as an upkeep does."""
    with attach(lake) as con:
        con.execute(f"CALL ducklake_expire_snapshots('lake', versions => {list(numbers)})")
