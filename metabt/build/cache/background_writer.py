"""Publish objects on threads; after the disk's first refusal nothing is written for the rest of the process.

1. `submit` queues an object for THREADS threads; an fsync waits for the disk, not for Python. At most QUEUE objects are
   queued or being written: a slow disk slows the caller down instead of filling the memory.
2. The first object finds out whether the file system has hard links.
3. The first OSError (disk full, read-only, ...) is reported once, by one warning.
4. Whether an object is published or given up, what has to follow it is called: a claim is released.
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
"""Number of objects that are published at the same time: an fsync is mostly waiting, and several share one."""
QUEUE = 64
"""Largest number of objects that are queued or being written."""
REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "the limit of this process on a file's size is reached (RLIMIT_FSIZE); raise it with `ulimit -f`",
    errno.EROFS: "the file system is read-only; mount it writable",
    errno.EACCES: "permission is denied; restore write permission",
    errno.EPERM: "permission is denied; restore write permission",
}
"""Error number of a refusal -> what it means and how to mend it."""


class Background:
    """Publishes the objects of one store on threads, until its disk refuses one."""

    def __init__(self, root: Path, warn: Callable[[str], None], tell: Callable[[str], None], disk: Disk) -> None:
        """Take the store's directory and its disk; threads start with the first `submit`.

        `warn(text)` is called once where the file system has no hard links, and once when the disk refuses an object.
        `tell(event)` is called for each object that was written: 'published', or 'lost' where another process was
        first. Both are called on threads.
        """
        self.writes = True
        """False once the disk has refused an object; then `submit` gives every object up."""
        self._root, self._warn, self._tell, self._disk = root, warn, tell, disk
        self._room = threading.BoundedSemaphore(QUEUE)
        self._lock = threading.Lock()
        self._links: bool | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._open: set[Future[None]] = set()

    def submit(
        self, key: str, pieces: Sequence[bytes | memoryview], take_over: Callable[[], Callable[[], None]]
    ) -> None:
        """Queue an object; this blocks while QUEUE others are queued or being written.

        Parameters
        ----------
        key : str
            What it is addressed by.
        pieces : sequence of bytes
            Its file, piece by piece; they must not change until it is published.
        take_over : callable
            Called once there is room. What it returns is called when the object is published or given up. An
            interruption before that leaves the claim with the caller.
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
        """Wait until everything queued is published or given up; an error that is not the disk's is raised here."""
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
