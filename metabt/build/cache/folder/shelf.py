"""A folder as a shelf: packs are files, published by a link, of which a look at the directory's time tells."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from metabt.build.cache.folder.publishing import is_temporary, links_work, publish
from metabt.build.cache.folder.reading import (
    PackFile,
    earlier_objects,
    keep_aside,
    listing,
    opened,
    pack_names,
    pack_path,
    set_aside,
)
from metabt.build.cache.folder.syscalls import REASONS, Disk
from metabt.build.cache.folder.times import last_uses, write_uses
from metabt.build.cache.shelf import ADOPTED, PACKS, QUARANTINE, SIGNATURES, USED, Bad

RECENT = 0.05
"""Seconds within which a directory may have changed once more without its time telling."""


class FolderShelf:
    """The packs in a directory, which is made when something is put."""

    readers = 1
    mends = True

    def __init__(self, root: Path, disk: Disk | None = None, warn: Callable[[str], None] | None = None) -> None:
        """Take the directory; `warn(text)` is called once where its file system has no hard links."""
        self.at = self.locks = root
        self._disk, self._warn = disk or Disk(), warn
        self._links: bool | None = None

    def state(self) -> tuple[int, int] | None:
        """Return time and number of the directory of packs; None where there is none, or it has just changed.

        Raises
        ------
        Bad
            When it is something else.
        """
        try:
            status = os.stat(f"{self.at}/{PACKS}", follow_symlinks=False)
        except OSError:
            return None
        if not stat.S_ISDIR(status.st_mode):
            raise Bad("is not a directory", self.at / PACKS)
        # a change within the clock's tick would not be told from this one
        recent = time.time_ns() - status.st_mtime_ns < RECENT * 1e9
        return None if recent else (status.st_mtime_ns, status.st_ino)

    def names(self) -> Iterator[tuple[str, int]]:
        """Yield what is named like a pack, whatever it is, with its bytes, in the order of the names."""
        return ((name, status.st_size) for name, status in pack_names(self.at))

    def opened(self, name: str, first: tuple[int, int]) -> AbstractContextManager[PackFile]:
        """Open the file of a pack."""
        return opened(self.at, name)

    def put(self, name: str, pieces: Iterable[bytes | memoryview]) -> bool:
        """Publish a pack by a link, or a change of names; return False where another writer was first."""
        return publish(self._disk, self.at / PACKS, name, pieces, links=self._has_links())

    def remove(self, name: str) -> None:
        """Remove a pack and the times of its objects; another process may have been faster."""
        for path in (pack_path(self.at, name), self.at / USED / name):
            with suppress(FileNotFoundError):
                path.unlink()

    def set_aside(self, bad: Bad) -> Path | None:
        """Move what is bad into the quarantine and return its new place; None where it is no longer there."""
        return set_aside(self.at, Path(bad.path), bad.seen)

    def keep_aside(self, key: str, data: bytes | memoryview) -> None:
        """Write the bytes of a bad object of a pack into the quarantine."""
        keep_aside(self.at, key, data)

    def litter(self) -> Iterator[tuple[str, float]]:
        """Yield temporary files, their publication under way or crashed, and times and signatures of no pack."""
        names = {name for name, _ in listing(self.at / PACKS)}
        for place in ("", f"{PACKS}/", f"{SIGNATURES}/"):
            for name, status in listing(self.at / place):
                if is_temporary(name):
                    yield f"{place}{name}", status.st_mtime
        yield from ((f"{USED}/{name}", at.st_mtime) for name, at in listing(self.at / USED) if name not in names)
        for name, status in listing(self.at / SIGNATURES):
            if not is_temporary(name) and name.partition(".")[0] not in names:
                yield f"{SIGNATURES}/{name}", status.st_mtime

    def aside(self) -> Iterator[tuple[str, float]]:
        """Yield what is in the quarantine, with when it was moved there."""
        return ((f"{QUARANTINE}/{name}", status.st_ctime) for name, status in listing(self.at / QUARANTINE))

    def earlier(self) -> Iterator[int]:
        """Yield the bytes of each object of an earlier format, which had a file each."""
        return (status.st_size for status in earlier_objects(self.at))

    def clear(self, name: str) -> None:
        """Remove what is litter, or in the quarantine, be it a file, a link or a directory."""
        path = self.at / name
        with suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def uses(self, name: str, n_objects: int, published: float) -> Sequence[float]:
        """Return when each object of a pack was last used, seconds since the epoch."""
        return last_uses(self.at, name, n_objects, published)

    def write_uses(self, name: str, times: Sequence[float]) -> None:
        """Write when objects of a pack were last used; of those with 0 what is there stays."""
        write_uses(self.at, name, times)

    def note(self, name: str, text: str) -> Path:
        """Write a note under another name, and give it its own."""
        path = self.at / ADOPTED / name
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".tmp")
        with scratch.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.rename(path)
        return path

    def notes(self) -> Iterator[tuple[Path, bytes | None]]:
        """Yield the notes."""
        for path in sorted((self.at / ADOPTED).glob("*.json")):
            data = None
            with suppress(OSError):
                data = path.read_bytes()
            yield path, data

    def sign(self, signature: str) -> None:
        """Publish an empty file of that name."""
        publish(self._disk, self.at / SIGNATURES, signature, (), links=self._has_links())

    def signatures(self) -> Iterator[str]:
        """Yield the names of these files."""
        return (name for name, _ in listing(self.at / SIGNATURES))

    def place(self, name: str) -> Path:
        """Return the path of a pack's file."""
        return pack_path(self.at, name)

    def cure(self, error: OSError) -> str:
        """Return what a refusal of the disk means, and how to mend it."""
        return REASONS.get(error.errno or errno.EIO, "the disk refuses; see the system's log")

    def _has_links(self) -> bool:
        if self._links is None:
            self._links = links_work(self._disk, self.at)
            if not self._links and self._warn:
                self._warn(
                    f"cache '{self.at}': its file system has no hard links; packs are renamed into place "
                    "instead, which is as safe"
                )
        return self._links
