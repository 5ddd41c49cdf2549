"""Single flight: of several processes or threads that want the same object, one computes it and the others wait.

1. Entering a claim locks `locks/ab`, with ab the first two digits of the key: an advisory lock of the operating
   system, which dies with its process. Keys that share a file wait for each other, which costs time and no result.
2. Having entered, a caller looks again: the object may have been published meanwhile.
3. A `put` inside the claim takes the lock over and releases it once the object is published. Without one, leaving
   the claim releases it.

Nothing that publishes ever waits for a claim, so a process may leave many claims behind whose objects are still in
the queue. A thread inside a claim must not enter another: two that do so in opposite order would wait for ever.
Where files cannot be locked, or a lock is held for two minutes, work may be done twice, with the same result. Lock
files are never removed: a process that waits for a removed file would hold a lock that no other process sees.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from metabt.build.cache.background_writer import REASONS

LOCKS = "locks"
"""Directory of the lock files, inside a store."""
LOCK_SECONDS = 120.0
"""Seconds that a claim waits for the one before it; then it computes what that may be computing, too."""


class Claim:
    """The right to compute the object of one key, for as long as the `with` block or until its put is published."""

    def __init__(self, claims: Claims, key: str, *, locked: bool) -> None:
        self.key = key
        self.locked = locked
        """Whether others are kept out."""
        self._claims = claims
        self._file: int | None = None
        self._handed_over = False

    def __enter__(self) -> Claim:
        """Wait until no other process or thread is inside of the claim."""
        self._claims.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the claim, unless a put has taken it over."""
        self._claims.leave(self)
        if not self._handed_over:
            self.release()

    def lock(self, path: Path) -> bool:
        """Wait for the lock on a file; False if another holds it for LOCK_SECONDS, OSError where there are no locks."""
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            is_locked = _flocked(file, time.monotonic() + LOCK_SECONDS)
        except BaseException:
            os.close(file)
            raise
        if is_locked:
            self._file = file
        else:
            os.close(file)
        return is_locked

    def hand_over(self) -> Callable[[], None]:
        """Return the function that releases the claim; leaving the `with` block no longer does."""
        self._handed_over = True
        return self.release

    def release(self) -> None:
        """Unlock the file, so that another process or thread may enter."""
        file, self._file = self._file, None
        if file is not None:
            try:
                # closing alone would not do where a forked child has inherited the file
                fcntl.flock(file, fcntl.LOCK_UN)
            finally:
                os.close(file)


class Claims:
    """The claims that the threads of this process are inside of."""

    def __init__(self, root: Path, warn: Callable[[str], None]) -> None:
        self._directory = root / LOCKS
        self._warn = warn
        self._works = True
        self._inside: dict[str, Claim] = {}
        self._thread = threading.local()

    def enter(self, claim: Claim) -> None:
        """Lock the claim's file, where files can be locked."""
        entered = getattr(self._thread, "key", None)
        if entered is not None:
            raise RuntimeError(f"claim on {claim.key[:12]} inside the claim on {entered[:12]}; leave that one first")
        if self._works and claim.locked:
            self._lock(claim)
        self._thread.key = claim.key
        self._inside[claim.key] = claim

    def leave(self, claim: Claim) -> None:
        """Forget a claim."""
        self._thread.key = None
        if self._inside.get(claim.key) is claim:
            del self._inside[claim.key]

    def after_put(self, key: str) -> Callable[[], None]:
        """Return the function to call once the object is published or given up: it releases the claim, if any."""
        claim = self._inside.pop(key, None)
        return claim.hand_over() if claim else _nothing

    def _lock(self, claim: Claim) -> None:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not claim.lock(path := self._directory / claim.key[:2]):
                self._warn(
                    f"cache '{self._directory.parent}': '{path}' has been locked by another process for "
                    f"{LOCK_SECONDS:.0f} s; its block is computed here as well, with the same result; if that process "
                    "hangs, end it"
                )
        except OSError as error:
            self._works = False
            if error.errno in REASONS:
                return  # a disk that refuses to be written is reported by the first put
            self._warn(
                f"cache '{self._directory.parent}': files cannot be locked ({error.strerror}); "
                "processes that run at the same time may compute the same twice, with the same result"
            )


def _flocked(file: int, until: float) -> bool:
    """Lock a file, asking ever less often, at most until some time of the monotonic clock."""
    pause = 0.001
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


def _nothing() -> None:
    """Do nothing."""
