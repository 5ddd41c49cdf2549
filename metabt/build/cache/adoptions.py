"""Adoptions: which blocks of a cache were computed by other code, and the proof that this code gives the same bytes.

Each is one file of JSON in a directory of the cache, written whole, after a line with its SHA-256: when it was, and for
each kind of sleeve the code before and after, the blocks that were computed again, and the keys of all that were
adopted. Being named there is the mark of an adopted block. A file that is not whole marks nothing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.shelf import ADOPTED, Shelf

__all__ = ["ADOPTED", "Adoptions", "proofs", "write_proof"]

LOG = logging.getLogger("metabt.cache")


def write_proof(root: Path | Shelf, kinds: list[dict[str, Any]]) -> Path | str:
    """Write what was adopted into the cache at `root`, and return its place; `kinds` are plain values, one each.

    Raises
    ------
    OSError
        When the disk, or the object store, refuses.
    """
    now = datetime.now(UTC)
    body = json.dumps({"at": now.isoformat(timespec="seconds"), "kinds": kinds}, indent=1)
    name = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.json"
    return _shelf(root).note(name, f"{_sha(body)}\n{body}\n")


def proofs(root: Path | Shelf) -> Iterator[Mapping[str, Any]]:
    """Yield what `write_proof` has written, oldest first, with a warning of each file that is not whole."""
    for path, data in _shelf(root).notes():
        try:
            check, _, body = (data or b"").decode("utf-8").partition("\n")
        except UnicodeDecodeError:
            check, body = "", ""
        if check == _sha(body.removesuffix("\n")):
            yield json.loads(body)
        else:
            LOG.warning("cache: '%s' is not what was written; blocks that it names count as any other", path)


@dataclass(frozen=True)
class Adoptions:
    """All that was adopted into a cache."""

    keys: frozenset[str]
    """Keys of the adopted blocks, whether they are still there or not."""
    ways: frozenset[tuple[str, str]]
    """Basis of the keys of a kind of sleeve by the code before, and by the code that has adopted its blocks."""

    @classmethod
    def of(cls, root: Path | Shelf) -> Adoptions:
        """Return what the proofs of a cache say."""
        kinds = [kind for proof in proofs(root) for kind in proof["kinds"]]
        keys = frozenset(key for kind in kinds for key in kind["adopted"])
        return cls(keys, frozenset((kind["before"], kind["now"]) for kind in kinds))


def _shelf(root: Path | Shelf) -> Shelf:
    return FolderShelf(root) if isinstance(root, Path) else root


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
