"""Whoever has a lakehouse attached is seen by an upkeep, in another process and in this one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from metabt.lakehouse import attach
from metabt.lakehouse.storage.presence import alone

READER = """
import sys
from metabt.lakehouse import attach
con = attach(sys.argv[1], read_only=True)
print("in", flush=True)
sys.stdin.read()
"""


def nobody_else(lake: Path) -> bool:
    with alone(lake) as found:
        return found


def test_a_reader_is_seen_until_it_is_gone(fresh: Path) -> None:
    assert nobody_else(fresh)
    con = attach(fresh, read_only=True)
    assert not nobody_else(fresh)
    rows = con.execute("FROM range(5000)")
    assert rows.fetchone() == (0,) and not nobody_else(fresh) and len(rows.fetchall()) == 4999
    con.close()
    assert nobody_else(fresh)
    con = attach(fresh, read_only=True)
    del con, rows
    assert nobody_else(fresh)


def test_a_reader_in_another_process_is_seen_until_it_is_killed(fresh: Path) -> None:
    arguments = [sys.executable, "-c", READER, str(fresh)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "in\n"
        assert not nobody_else(fresh)
        other.kill()
    assert nobody_else(fresh)


def test_nothing_is_written_to_be_seen(fresh: Path) -> None:
    before = sorted(path.name for path in fresh.iterdir())
    with attach(fresh, read_only=True):
        there = sorted(path.name for path in fresh.iterdir())
    assert [name for name in there if not name.endswith(("-shm", "-wal"))] == [
        name for name in before if not name.endswith(("-shm", "-wal"))
    ]
