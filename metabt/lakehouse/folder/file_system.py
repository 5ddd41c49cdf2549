"""File systems: whether a folder lies on one that machines share over a network.

Linux lists what is mounted where, and of which type, in `/proc/self/mountinfo`; a path is on the mount with the longest
part of it, the newest where several cover one place. Elsewhere nothing is known, and nothing is said.
"""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
"""Where the mounts of this process are listed."""
SHARED = re.compile(r"nfs\d*|cifs|smb\w*|ncpfs|9p|afs|ceph|lustre|gpfs|beegfs|gfs2?|ocfs2|fuse\.(?!fuse-overlayfs)\w.*")
"""Types of file systems between machines, or of programs that may reach one: locks and shared memory end at a host."""


def shared_file_system(path: Path) -> str | None:
    """Return the type of the file system that a path lies on, if machines share such; None for a local one."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return None
    place, found, depth = path.resolve(), None, -1
    for line in lines:
        before, _, after = line.partition(" - ")
        mounted = Path(_plain(before.split(" ")[4]))
        if place.is_relative_to(mounted) and len(mounted.parts) >= depth:
            found, depth = after.split(" ")[0], len(mounted.parts)
    return found if found and SHARED.fullmatch(found) else None


def _plain(field: str) -> str:
    """Return a path as it is: blanks and the like are written in octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda digits: chr(int(digits[1], 8)), field)
