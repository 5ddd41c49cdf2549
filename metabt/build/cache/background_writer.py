"""Publish behind the caller's back, and stop writing when the disk refuses.

1. `submit` queues an object for a small pool of threads; an fsync waits for the disk, not for Python. The queue is
   bounded, so that a slow disk slows the caller down instead of filling the memory.
2. The first object finds out whether the file system has hard links.
3. The first refusal (disk full, read-only, ...) is told once; from then on nothing is written.
4. Whatever happens to an object, what was to be done after it is done: a claim is released.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from metabt.build.cache.publishing import links_work, publish
from metabt.build.cache.syscalls import Disk

THREADS = 4
"""Objects that are published at the same time: an fsync is mostly waiting, and several share one."""
QUEUE = 64
"""Objects that may wait or be in the making."""
REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "the limit of this process on a file's size is reached (RLIMIT_FSIZE); raise it with `ulimit -f`",
    errno.EROFS: "the file system is read-only; mount it writable",
    errno.EACCES: "permission is denied; restore write permission",
    errno.EPERM: "permission is denied; restore write permission",
}
"""Why a disk refuses -> what it means and how to mend it."""


class Background:
    """Publishes the objects of one store, as long as its disk lets it."""

    def __init__(self, root: Path, warn: Callable[[str], None], tell: Callable[[str], None], disk: Disk) -> None:
        """Start nothing yet; `tell` hears 'published' or 'lost' for each object."""
        self.writes = True
        """Whether the disk has not refused yet."""
        self._root, self._warn, self._tell, self._disk = root, warn, tell, disk
        self._room = threading.BoundedSemaphore(QUEUE)
        self._lock = threading.Lock()
        self._links: bool | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._open: set[Future[None]] = set()

    def submit(
        self, key: str, pieces: Sequence[bytes | memoryview], take_over: Callable[[], Callable[[], None]]
    ) -> None:
        """Queue an object, waiting for room; what `take_over` then returns is called when it is published or given up.

        An interruption while waiting leaves everything with the caller.
        """
        self._room.acquire()
        after = take_over()
        try:
            with self._lock:
                self._pool = self._pool or ThreadPoolExecutor(THREADS, "metabt-publisher")
                task = self._pool.submit(self._publish, key, pieces, after)
                self._open.add(task)
        except BaseException:
            after()
            self._room.release()
            raise
        task.add_done_callback(self._settle)

    def flush(self) -> None:
        """Wait until everything queued is published or given up."""
        with self._lock:
            tasks = list(self._open)
        for task in wait(tasks).done:
            task.result()

    def close(self) -> None:
        """Flush, and end the threads."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
        self.flush()

    def _publish(self, key: str, pieces: Sequence[bytes | memoryview], after: Callable[[], None]) -> None:
        try:
            if self.writes:
                new = publish(self._disk, self._root, key, pieces, links=self._has_links())
                self._tell("published" if new else "lost")
        except OSError as error:
            self._stop(error)
        finally:
            after()
            self._room.release()

    def _settle(self, task: Future[None]) -> None:
        # one that failed for another reason than the disk stays, and is raised by the next flush
        if task.exception() is None:
            with self._lock:
                self._open.discard(task)

    def _has_links(self) -> bool:
        with self._lock:
            if self._links is None:
                self._links = links_work(self._disk, self._root)
                if not self._links:
                    self._warn(
                        f"cache '{self._root}': its file system has no hard links; objects are renamed into place "
                        "instead, which is as safe"
                    )
            return self._links

    def _stop(self, error: OSError) -> None:
        with self._lock:
            told, self.writes = not self.writes, False
        if not told:
            reason = REASONS.get(error.errno or 0, "the disk refuses; see the system's log")
            self._warn(
                f"cache '{self._root}': nothing more is written ({os.strerror(error.errno or 0)}): {reason}. "
                "What is computed from here on is not kept; what is stored is still used"
            )
