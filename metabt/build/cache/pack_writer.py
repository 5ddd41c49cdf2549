"""Write packs on a thread; after the disk's first refusal nothing is written for the rest of the process.

1. `add` puts objects into the open pack. A pack is handed over to the thread when it has PACK bytes, after SECONDS,
   when a thread is about to wait for somebody else's claim, at a partition's end if it has MANY objects, and by
   `flush`.
2. At most QUEUE packs wait or are being written: a slow disk slows the caller down instead of filling the memory.
3. The first OSError (disk full, read-only, ...) is reported once, by one warning.
4. Whether a pack is published or given up, what has to follow each object is called: a claim is released. Until then
   its objects are found here.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence, Set
from typing import NamedTuple

from metabt.build.cache.pack_format import Index, Stored, pack_pieces
from metabt.build.cache.shelf import Shelf

PACK = 2**25
"""Bytes of sections at which a pack is full."""
SECONDS = 2.0
"""Seconds after which an open pack is published."""
MANY = 100
"""Objects at which a pack is published at the end of a partition; smaller ones go with the next one."""
QUEUE = 2
"""Largest number of packs that are waiting or being written."""


class Put(NamedTuple):
    """An object that is put."""

    key: bytes
    """What it is addressed by."""
    stored: Stored
    """What is put; its bytes must not change until they are published."""
    take_over: Callable[[], Callable[[], None]]
    """Called once there is room. What it returns is called when the object is published or given up. An interruption
    before that leaves the claim with the caller."""


class Pack:
    """Objects that are going to be published together."""

    def __init__(self) -> None:
        self.objects: dict[bytes, Stored] = {}
        """Key -> object."""
        self.after: list[Callable[[], None]] = []
        """What is called once they are published or given up."""
        self.bytes = 0
        """Bytes of their sections."""
        self.due = time.monotonic() + SECONDS
        """When it is published at the latest, by the monotonic clock."""


class PackWriter:
    """Publishes the packs of one store on a thread, until its disk refuses one."""

    def __init__(
        self,
        shelf: Shelf,
        warn: Callable[[str], None],
        tell: Callable[[str, int], None],
        known: Callable[[Iterable[bytes]], Set[bytes]],
        published: Callable[[str, Index], None],
    ) -> None:
        """Take the store's shelf; the thread starts with the first `add`.

        `warn(text)` is called once when the shelf refuses a pack. `tell(event, n)` is called with the number of
        objects that were 'published', or 'lost' because others were first. `known(keys)` returns those of objects that
        are published already, `published(name, index)` takes notice of a new pack. All are called on the thread.
        """
        self.writes = True
        """False once the disk has refused a pack; then `add` gives every object up."""
        self._shelf = shelf
        self._warn, self._tell, self._known, self._published = warn, tell, known, published
        self._changed = threading.Condition()
        self._open: Pack | None = None
        self._queue: deque[Pack] = deque()
        self._writing: Pack | None = None
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._ending = False
        self._process = os.getpid()

    def add(self, puts: Sequence[Put]) -> None:
        """Put objects into the open pack, all into one; this blocks while QUEUE others are waiting or being written."""
        with self._changed:
            self._begin()
            self._changed.wait_for(lambda: len(self._queue) + (self._writing is not None) < QUEUE or not self.writes)
            for put in puts:
                self._add(put)
            if self._open and self._open.bytes >= PACK:
                self._hand_over()

    def _add(self, put: Put) -> None:
        after = put.take_over()
        if not self.writes or self.pending(put.key):
            if self.writes:
                self._tell("lost", 1)
            after()
            return
        pack = self._open = self._open or Pack()
        pack.objects[put.key] = put.stored
        pack.after.append(after)
        pack.bytes += sum(memoryview(section.data).nbytes for section in put.stored.sections.values())
        if len(pack.objects) == 1:
            self._changed.notify_all()  # the thread has to know when it is due

    def pending(self, key: bytes) -> Stored | None:
        """Return an object that is not published yet."""
        with self._changed:
            for pack in (self._open, *self._queue, self._writing):
                if pack is not None and key in pack.objects:
                    return pack.objects[key]
        return None

    def hand_over(self, least: int = 1) -> None:
        """Have the open pack published if it has at `least` so many objects, without waiting for it."""
        with self._changed:
            if self._open and len(self._open.objects) >= least:
                self._hand_over()

    def flush(self) -> None:
        """Wait until everything added is published or given up; an error that is not the disk's is raised here."""
        with self._changed:
            self.hand_over()
            self._changed.wait_for(lambda: not self._queue and self._writing is None)
            error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """Flush, and end the thread; from the thread itself, or a forked child that has none, without waiting."""
        if os.getpid() != self._process:
            return
        if threading.current_thread() is self._thread:
            with self._changed:
                self.hand_over()
                self._thread, self._ending = None, True
            return
        try:
            self.flush()
        finally:
            with self._changed:
                thread, self._thread, self._ending = self._thread, None, True
                self._changed.notify_all()
            if thread is not None:
                thread.join()
            self._ending = False

    def _begin(self) -> None:
        if self._thread is None and self.writes:
            thread = threading.Thread(target=self._work, name="metabt-publisher", daemon=True)
            thread.start()
            self._thread = thread

    def _hand_over(self) -> None:
        assert self._open is not None
        self._queue.append(self._open)
        self._open = None
        self._changed.notify_all()

    def _work(self) -> None:
        while (pack := self._next()) is not None:
            try:
                self._write(pack)
            finally:
                for after in pack.after:
                    after()
                with self._changed:
                    self._writing = None
                    self._changed.notify_all()

    def _next(self) -> Pack | None:
        """Return the pack to be written next, once there is one; None when the thread is to end."""
        with self._changed:
            while not self._queue:
                if self._ending:
                    return None
                left = None if self._open is None else self._open.due - time.monotonic()
                if left is not None and left <= 0:
                    self._hand_over()
                else:
                    self._changed.wait(left)
            self._writing = self._queue.popleft()
            return self._writing

    def _write(self, pack: Pack) -> None:
        if not self.writes:
            return
        try:
            known = self._known(pack.objects)
            new = {key: stored for key, stored in pack.objects.items() if key not in known}
            self._tell("lost", len(pack.objects) - len(new))
            if new:
                name, index, pieces = pack_pieces(new)
                new_here = self._shelf.put(name, pieces)
                self._tell("published" if new_here else "lost", len(new))
                self._published(name, index)
        except OSError as error:
            self._stop(error)
        except BaseException as error:  # what is not the disk's is raised by the next flush
            self._error = error

    def _stop(self, error: OSError) -> None:
        self.writes = False
        self._warn(
            f"cache '{self._shelf.at}': nothing more is written ({error.strerror or error}): "
            f"{self._shelf.cure(error)}. What is computed from here on is not kept; what is stored is still used"
        )
