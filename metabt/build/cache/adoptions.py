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

__all__ = ["ADOPTED", "Adoptions", "noted", "proofs", "write_note", "write_proof"]

LOG = logging.getLogger("metabt.cache")


def write_proof(root: Path | Shelf, kinds: list[dict[str, Any]]) -> Path | str:
    """Write what was adopted into the cache at `root`, and return its place; `kinds` are plain values, one each.

    Raises
    ------
    OSError
        When the disk, or the object store, refuses.
    """
    return write_note(root, {"kinds": kinds})


def write_note(root: Path | Shelf, what: Mapping[str, Any]) -> Path | str:
    """Write a note of plain values on how blocks came into the cache at `root`, and return its place.

    Raises
    ------
    OSError
        When the disk, or the object store, refuses.
    """
    now = datetime.now(UTC)
    body = json.dumps({"at": now.isoformat(timespec="seconds"), **what}, indent=1)
    name = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.json"
    return _shelf(root).note(name, f"{_sha(body)}\n{body}\n")


def proofs(root: Path | Shelf) -> Iterator[Mapping[str, Any]]:
    """Yield what `write_proof` has written, oldest first, with a warning of each file that is not whole."""
    return (note for _, note in noted(root) if "kinds" in note)


def noted(root: Path | Shelf) -> Iterator[tuple[Path | str, Mapping[str, Any]]]:
    """Yield place and values of each note, oldest first, with a warning of each file that is not whole."""
    for path, data in _shelf(root).notes():
        try:
            check, _, body = (data or b"").decode("utf-8").partition("\n")
        except UnicodeDecodeError:
            check, body = "", ""
        if check == _sha(body.removesuffix("\n")):
            yield path, json.loads(body)
        else:
            LOG.warning("cache: '%s' is not what was written; blocks that it names count as any other", path)


@dataclass(frozen=True)
class Adoptions:
    """All that was adopted into a cache."""

    keys: frozenset[str]
    """Keys of the adopted blocks, and of those taken from a shared cache, whether they are still there or not."""
    ways: frozenset[tuple[str, str]]
    """Basis of the keys of a kind of sleeve by the code before, and by the code that has adopted its blocks."""

    @classmethod
    def of(cls, root: Path | Shelf) -> Adoptions:
        """Return what the proofs of a cache say."""
        notes = [note for _, note in noted(root)]
        kinds = [kind for note in notes for kind in note.get("kinds", ())]
        taken = [key for note in notes for key in note.get("taken", {}).get("keys", ())]
        keys = frozenset([*taken, *(key for kind in kinds for key in kind["adopted"])])
        return cls(keys, frozenset((kind["before"], kind["now"]) for kind in kinds))


def _shelf(root: Path | Shelf) -> Shelf:
    return FolderShelf(root) if isinstance(root, Path) else root


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
