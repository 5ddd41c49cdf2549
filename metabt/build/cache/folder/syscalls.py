"""The calls that change a disk, one method each, so that a test can refuse one or end the process before it.

`directory` is a descriptor and names are within it: what is written lands in the directory that was opened, even
where another of that name has taken its place.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags with which a file is made: it must not exist, not even as a link."""
MANY = 1024
"""Pieces that one call can write."""
REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "the limit of this process on a file's size is reached (RLIMIT_FSIZE); raise it with `ulimit -f`",
    errno.EROFS: "the file system is read-only; mount it writable",
    errno.EACCES: "permission is denied; restore write permission",
    errno.EPERM: "permission is denied; restore write permission",
}
"""Error number of a refusal -> what it means and how to mend it."""


class Disk:
    """The disk: each method is one call of the operating system."""

    def mkdir(self, path: Path) -> None:
        """Make a directory that only its owner can enter."""
        os.mkdir(path, 0o700)

    def create(self, name: str, directory: int) -> int:
        """Make a file that only its owner can read, and return its descriptor."""
        return os.open(name, NEW, 0o600, dir_fd=directory)

    def write(self, file: int, pieces: Sequence[bytes | memoryview]) -> int:
        """Write some of at most MANY pieces, one after another, and return how many bytes."""
        return os.writev(file, pieces)

    def fsync(self, file: int) -> None:
        """Wait until a file's bytes are on the disk."""
        os.fsync(file)

    def link(self, source: str, target: str, directory: int) -> None:
        """Give a file a second name, or raise FileExistsError."""
        os.link(source, target, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)

    def rename(self, source: str, target: str, directory: int) -> None:
        """Give a file another name, which is taken from any other file."""
        os.rename(source, target, src_dir_fd=directory, dst_dir_fd=directory)

    def unlink(self, name: str, directory: int) -> None:
        """Remove a name."""
        os.unlink(name, dir_fd=directory)

    def fsync_dir(self, directory: int) -> None:
        """Wait until a directory's names are on the disk."""
        os.fsync(directory)
