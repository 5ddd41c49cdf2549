"""Limits: an answer is computed on a thread, and the main one watches clock, memory and signals.

1. DuckDB is told how much memory it may take; what it takes beyond that, for texts, the process's size shows.
2. Only waiting counts against the clock, not what is done with the rows.
3. Whatever ends the waiting, a limit, Ctrl-C or SIGTERM, interrupts DuckDB. A computation that does not listen is left
   behind: its thread ends with the process.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import duckdb

from metabt.errors import StoreError

SECONDS = 60.0
"""Seconds that are waited for an answer, unless the caller says otherwise."""
POLL = 0.05
"""Seconds between two looks at the process's size."""
FLOOR = 50_000_000
"""Bytes without which DuckDB can do nothing."""
GRACE = 2.0
"""Seconds in which DuckDB has to stop once it was interrupted."""
GROUPS = Path("/sys/fs/cgroup")
"""Where Linux has the limits of groups of processes."""
PROCESS = Path("/proc/self")
"""Where Linux describes this process."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Limits:
    """How long an answer may take, and how much memory."""

    seconds: float = SECONDS
    """Seconds that are waited for it."""
    memory: int | None = None
    """Bytes that the process may take; None is half of what there is."""

    @property
    def most(self) -> int:
        """Bytes that the process may take."""
        return available() // 2 if self.memory is None else self.memory

    @property
    def for_duckdb(self) -> int:
        """Bytes that DuckDB may take before it puts what it sorts and joins into files."""
        return max((self.most - size()) // 2, FLOOR)


def available() -> int:
    """Return the bytes of memory of this machine, or of the group of processes that this one belongs to."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_group_limits()])


def _group_limits() -> Iterator[int]:
    with suppress(OSError):
        for line in (PROCESS / "cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            place = GROUPS / kinds if kinds else GROUPS
            for folder in (place, *(place / part for part in _beneath(path))):
                for name in ("memory.max", "memory.limit_in_bytes"):
                    with suppress(OSError, ValueError):
                        yield int((folder / name).read_text())


def _beneath(path: str) -> Iterator[str]:
    """Yield a group's path and those of the groups that it is in; their limits hold too."""
    parts = [part for part in path.split("/") if part]
    for end in range(1, len(parts) + 1):
        yield "/".join(parts[:end])


@contextmanager
def held_to(limits: Limits) -> Iterator[None]:
    """Have the system refuse this whole process, within the block, more than the limits allow beyond what it has."""
    before = _refuse_beyond(limits.most)
    try:
        yield
    finally:
        if before is not None:  # children of this process would have it too
            import resource

            resource.setrlimit(resource.RLIMIT_AS, before)


def _refuse_beyond(most: int) -> tuple[int, int] | None:
    """Return the system's limits of before; None where it has none that can be set."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        pages = int((PROCESS / "statm").read_text().split()[0])
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + most, before[1]))
        return before
    return None


def size() -> int:
    """Return the bytes of memory that this process has; 0 where that is not known."""
    with suppress(OSError):
        return int((PROCESS / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def watched(con: duckdb.DuckDBPyConnection, compute: Callable[[], Iterator[Item]], limits: Limits) -> Iterator[Item]:
    """Yield what `compute()` yields, which runs on a thread and asks `con`.

    Raises
    ------
    StoreError
        When it takes longer, or more memory, than `limits` allow.
    """
    ready: queue.Queue[tuple[bool, object]] = queue.Queue(1)
    over = threading.Event()

    def work() -> None:
        try:
            for item in compute():
                if not _put(ready, over, (True, item)):
                    return
            _put(ready, over, (False, None))
        except BaseException as error:
            _put(ready, over, (False, error))

    thread = threading.Thread(target=work, name="metabt answer", daemon=True)
    thread.start()
    left = limits.seconds
    try:
        while True:
            began = time.monotonic()
            more, item = _taken(ready, left, limits)
            left -= time.monotonic() - began
            if not more:
                if item is None:
                    return
                assert isinstance(item, BaseException)
                raise item
            yield item  # type: ignore[misc]
    finally:
        over.set()
        _stop(con, thread)


def running(con: duckdb.DuckDBPyConnection) -> bool:
    """Return whether a computation was left behind on `con`, which must then not be closed."""
    return id(con) in _LEFT


_LEFT: dict[int, duckdb.DuckDBPyConnection] = {}
"""Connections on which DuckDB does not listen; kept, for closing them would wait."""


def left_behind() -> bool:
    """Return whether any computation was left behind, which an orderly end of the process would wait for."""
    return bool(_LEFT)


def _put(ready: queue.Queue[tuple[bool, object]], over: threading.Event, item: tuple[bool, object]) -> bool:
    """Hand an item on, unless nobody wants it any more."""
    while not over.is_set():
        with suppress(queue.Full):
            ready.put(item, timeout=POLL)
            return True
    return False


def _taken(ready: queue.Queue[tuple[bool, object]], left: float, limits: Limits) -> tuple[bool, object]:
    until, most = time.monotonic() + left, limits.most
    while True:
        with suppress(queue.Empty):
            return ready.get(timeout=POLL)
        if size() > most:
            raise StoreError(too_large(limits))
        if time.monotonic() > until:
            raise StoreError(
                f"SQL: no answer within {limits.seconds:g} s; ask for less, or allow more with --timeout SECONDS"
            )


def too_large(limits: Limits) -> str:
    """Return the message for an answer that takes too much memory."""
    return (
        f"SQL: the answer takes more than {_bytes(limits.most)} of memory; ask for less, or allow more with "
        "--memory SIZE, such as 8G"
    )


def _bytes(number: int) -> str:
    return f"{number / 1e9:.3g} GB" if number >= 1e9 else f"{number / 1e6:.3g} MB"


def _stop(con: duckdb.DuckDBPyConnection, thread: threading.Thread) -> None:
    until = time.monotonic() + GRACE
    while thread.is_alive() and time.monotonic() < until:
        con.interrupt()
        thread.join(POLL)
    if thread.is_alive():
        _LEFT[id(con)] = con
