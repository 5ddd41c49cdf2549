"""Single flight: of several processes or threads that want the same object, one computes it and the others wait.

1. Entering a claim locks one byte of the file `claims`, whose place is made of the key's first 15 digits: an advisory
   lock of the operating system, which dies with its process. Whoever has to wait for it is told first, so that what it
   holds itself is published: nobody waits for somebody who waits.
2. Having entered, a caller looks again: the object may have been published meanwhile.
3. A `put` inside the claim takes the lock over and releases it once the object is published. Without one, leaving
   the claim releases it.

The threads of a store share its locks: one that is held for a put waits for no thread of the same store, which finds
the object before it is published. A thread inside a claim must not enter another: two that do so in opposite order
would wait for ever. Where files cannot be locked, as in an object store, or a lock is held for two minutes, work may be
done twice, with the same result. The file is never removed: a process that waits for a removed file would hold a lock
that no other process sees.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from metabt.build.cache.folder.syscalls import REASONS

CLAIMS = "claims"
"""File of which bytes are locked, inside a store."""
LOCK_SECONDS = 120.0
"""Seconds that a claim waits for the one before it; then it computes what that may be computing, too."""
SET_LOCK = getattr(fcntl, "F_OFD_SETLK", fcntl.F_SETLK)
"""The call that locks: of the opened file, or of the process where the system knows no other."""


class Claim:
    """The right to compute the object of one key, for as long as the `with` block or until its put is published."""

    def __init__(self, claims: Claims, key: str, *, locked: bool) -> None:
        self.key = key
        self.locked = locked
        """Whether others are kept out."""
        self.held = False
        """Whether its lock is held."""
        self._claims = claims
        self._handed_over = False

    def __enter__(self) -> Claim:
        """Wait until no other process or thread is inside of the claim."""
        self._claims.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the claim, unless a put has taken it over."""
        self._claims.leave(self, release=not self._handed_over)

    def hand_over(self) -> Callable[[], None]:
        """Return the function that releases the claim; leaving the `with` block no longer does."""
        self._handed_over = True
        return (lambda: self._claims.release(self.key)) if self.held else _nothing


class Claims:
    """The claims that the threads of this process are inside of, and the locks that are held for them and for puts."""

    def __init__(self, root: Path | None, warn: Callable[[str], None], waiting: Callable[[], None]) -> None:
        """Take the store's directory, or None where only threads of this process are to be kept out.

        `waiting()` is called before and after one of its threads waits for others.
        """
        self._path = (root or Path()) / CLAIMS
        self._warn, self._waiting = warn, waiting
        self._works = root is not None
        self._file: int | None = None
        self._held: dict[str, int] = {}
        self._inside: dict[str, Claim] = {}
        self._changed = threading.Condition()
        self._thread = threading.local()

    def enter(self, claim: Claim) -> None:
        """Lock the claim's byte, where files can be locked."""
        entered = getattr(self._thread, "key", None)
        if entered is not None:
            raise RuntimeError(f"claim on {claim.key[:12]} inside the claim on {entered[:12]}; leave that one first")
        until = time.monotonic() + LOCK_SECONDS
        with self._changed:
            while claim.key in self._inside and time.monotonic() < until:
                self._changed.wait(until - time.monotonic())
            self._inside[claim.key] = claim
        try:
            if self._works and claim.locked:
                self._lock(claim, until)
        except BaseException:
            self.leave(claim, release=False)
            raise
        self._thread.key = claim.key

    def leave(self, claim: Claim, *, release: bool) -> None:
        """Forget a claim, and release it unless a put has taken it over."""
        self._thread.key = None
        with self._changed:
            if self._inside.get(claim.key) is claim:
                del self._inside[claim.key]
                self._changed.notify_all()
        if release and claim.held:
            self.release(claim.key)

    def after_put(self, key: str) -> Callable[[], None]:
        """Return the function to call once the object is published or given up: it releases the claim, if any."""
        with self._changed:
            claim = self._inside.get(key)
            if claim is None or claim._handed_over:
                return _nothing
            return claim.hand_over()

    def release(self, key: str) -> None:
        """Let go of a lock once; when nothing in this process holds it any more it is unlocked."""
        with self._changed:
            if key not in self._held:
                return
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]
                if self._file is not None:
                    fcntl.fcntl(self._file, SET_LOCK, _request(fcntl.F_UNLCK, key))

    def close(self) -> None:
        """Close the file, unless a lock is held."""
        with self._changed:
            if self._file is not None and not self._held:
                os.close(self._file)
                self._file = None

    def _lock(self, claim: Claim, until: float) -> None:
        try:
            claim.held = self._taken(claim.key)
            if claim.held:
                return
            self._waiting()
            try:
                claim.held = self._wait(claim.key, until)
                if not claim.held:
                    self._warn(
                        f"cache '{self._path.parent}': the block {claim.key[:12]} has been claimed by another process "
                        f"for {LOCK_SECONDS:.0f} s; it is computed here as well, with the same result; if that process "
                        "hangs, end it"
                    )
            finally:
                self._waiting()
        except OSError as error:
            self._works = False
            if error.errno in REASONS:
                return  # a disk that refuses to be written is reported by the first put
            self._warn(
                f"cache '{self._path.parent}': files cannot be locked ({error.strerror}); "
                "processes that run at the same time may compute the same twice, with the same result"
            )

    def _wait(self, key: str, until: float) -> bool:
        """Lock a key's byte, asking ever less often, at most until some time of the monotonic clock."""
        pause = 0.001
        while time.monotonic() < until:
            time.sleep(pause)
            if self._taken(key):
                return True
            pause = min(2 * pause, 0.05)
        return False

    def _taken(self, key: str) -> bool:
        """Lock a key's byte if nobody else has it; return whether this store has it."""
        with self._changed:
            if key not in self._held:
                try:
                    fcntl.fcntl(self._opened(), SET_LOCK, _request(fcntl.F_WRLCK, key))
                except OSError as error:
                    if error.errno in (errno.EAGAIN, errno.EACCES):
                        return False
                    raise
            self._held[key] = self._held.get(key, 0) + 1
            return True

    def _opened(self) -> int:
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        return self._file


def _request(kind: int, key: str) -> bytes:
    """Return what the operating system is asked: to lock or unlock one byte."""
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, int(key[:15], 16), 1, 0)


def _nothing() -> None:
    """Do nothing."""
