"""Trust: notes in a cache of one's own of what came from a shared one, and of who has signed what was not so.

1. `mark` notes a pack, its signer and its keys before the first of its blocks is put into the cache.
2. `distrust` notes a signer of whose blocks one was computed with other bytes, and takes all marked blocks of theirs
   out of the cache: they are computed again.
3. Whoever opens the cache later finds both: a signer who has lost trust stays without it until the note is removed.

Notes lie beside the proofs of adoptions, in the same form.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from metabt.build.cache.adoptions import noted, write_note
from metabt.build.cache.object_store import ObjectStore

LOG = logging.getLogger("metabt.cache")


class Trust:
    """What one cache knows of those who share."""

    def __init__(self, store: ObjectStore, shared: str) -> None:
        """Read the notes of a store about what is shared at an address."""
        self._store, self._shared = store, shared
        self._lock = threading.Lock()
        self._marked: dict[tuple[str, str], Sequence[str]] = {}
        self.distrusted: dict[str, str] = {}
        """Signer -> place of the note that says so."""
        cleared: set[str] = set()
        for place, note in noted(store.shelf):
            if "taken" in note:
                self._marked[note["taken"]["pack"], note["taken"]["signer"]] = note["taken"]["keys"]
            if note.get("distrusted", {}).get("shared") == shared:
                self.distrusted[note["distrusted"]["signer"]] = str(place)
            cleared.add(note.get("cleared", ""))
        for signer, place in self.distrusted.items():
            self._go_on_without(signer, place, is_cleared=_name(place) in cleared)

    def mark(self, pack: str, signer: str, keys: Sequence[bytes]) -> bool:
        """Note that blocks of a pack are about to be put; return False where that cannot be written."""
        with self._lock:
            if (pack, signer) in self._marked:
                return True
            what = {"pack": pack, "signer": signer, "keys": [key.hex() for key in keys]}
            try:
                write_note(self._store.shelf, {"taken": what})
            except OSError:
                return False
            self._marked[pack, signer] = what["keys"]
            return True

    def distrust(self, signer: str, pack: str, key: str) -> Path | str:
        """Note that a block of a signer's was wrong, take out what came from them, and return the note's place."""
        with self._lock:
            told = {"shared": self._shared, "signer": signer, "pack": pack, "key": key}
            try:
                place = write_note(self._store.shelf, {"distrusted": told})
            except OSError as error:
                place = f"(no note could be written: {error.strerror or error})"
            self.distrusted[signer] = str(place)
            self._forget(signer)
            return place

    def _go_on_without(self, signer: str, place: str, *, is_cleared: bool) -> None:
        LOG.warning(
            "shared cache '%s': nothing signed by '%s' is used, of which a block was wrong: '%s' says which; remove "
            "that file once the signer's packs are gone from there",
            self._shared,
            signer,
            place,
        )
        if not is_cleared:  # other processes may have put some since they were taken out
            self._forget(signer)
            with suppress(OSError):
                write_note(self._store.shelf, {"cleared": _name(place)})

    def _forget(self, signer: str) -> None:
        marked = [key for (_, other), keys in self._marked.items() if other == signer for key in keys]
        self._store.forget(marked, f"came from '{self._shared}', signed by '{signer}' of whose blocks one was wrong")


def _name(place: str) -> str:
    return place.replace("\\", "/").rpartition("/")[2]
