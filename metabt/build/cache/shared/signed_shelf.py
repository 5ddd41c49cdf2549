"""A shelf of which those packs alone are seen that are signed with one key, and by nobody who has lost trust.

1. `names` lists packs, then signatures: a signature is put before its pack, so that none comes too late.
2. `put` signs a pack, and publishes it.
3. What others have put is left as it is: what is bad is not used here, and neither moved nor mended.
4. What is not used is counted by its reason, and said once.
"""

from __future__ import annotations

import errno
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

from metabt.build.cache.shared.signature import Signature, Signer
from metabt.build.cache.shelf import Bad, OpenPack, Shelf

UNSIGNED, FOREIGN, DISTRUSTED, DAMAGED = (
    "unsigned",
    "signed with another key",
    "signed by who is not trusted",
    "damaged",
)
"""Why a pack is not used."""


class SignedShelf:
    """The packs of another shelf that may be used."""

    locks = None
    mends = False

    def __init__(
        self, shelf: Shelf, signer: Signer, warn: Callable[[str], None], distrusted: Mapping[str, str]
    ) -> None:
        """Take the shelf; `distrusted` has signers that are not believed, and may grow."""
        self.at, self.readers = shelf.at, shelf.readers
        self._shelf, self._signer, self._warn, self._distrusted = shelf, signer, warn, distrusted
        self._checked: dict[str, Signature | None] = {}
        self._signers: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._damaged: set[str] = set()
        self._said = False
        self._lock = threading.Lock()

    @property
    def refused(self) -> dict[str, int]:
        """Why packs were not used -> how many."""
        with self._lock:
            return dict(Counter(self._refused.values()))

    def signer(self, pack: str) -> str:
        """Return who has signed a pack that was seen."""
        return self._signers.get(pack, self._signer.name)

    def state(self) -> object:
        """Return what differs once packs have come or gone, or somebody has lost trust."""
        state = self._shelf.state()
        return None if state is None else (state, len(self._distrusted), len(self._damaged))

    def names(self) -> Iterator[tuple[str, int]]:
        """Yield the packs that may be used, with their bytes, in the order of the names."""
        there = list(self._shelf.names())
        signers: dict[str, list[str]] = {}
        touched: set[str] = set()
        for text in self._shelf.signatures() if there else ():
            touched.add(text.partition(".")[0])
            if text not in self._checked:
                self._checked[text] = self._signer.checked(text)
            if (found := self._checked[text]) is not None:
                signers.setdefault(found.pack, []).append(found.signer)
        with self._lock:
            usable = [it for it in there if self._is_usable(it[0], signers.get(it[0], ()), it[0] in touched)]
        self._say()
        return iter(usable)

    def opened(self, name: str, first: tuple[int, int]) -> AbstractContextManager[OpenPack]:
        """Open a pack."""
        return self._shelf.opened(name, first)

    def put(self, name: str, pieces: Iterable[bytes | memoryview]) -> bool:
        """Sign a pack and publish it; return False where another writer was first."""
        self._shelf.sign(self._signer.sign(name))
        return self._shelf.put(name, pieces)

    def set_aside(self, bad: Bad) -> Path | str | None:
        """Leave what is bad where it is, and never show it again."""
        with self._lock:
            name = str(bad.path).rpartition("/")[2]
            self._damaged.add(name)
            self._refused[name] = DAMAGED
            self._said = True  # whoever sets aside tells
        self._refuse()

    def uses(self, name: str, n_objects: int, published: float) -> Sequence[float]:
        """Return when each object of a pack was last used, seconds since the epoch."""
        return self._shelf.uses(name, n_objects, published)

    def write_uses(self, name: str, times: Sequence[float]) -> None:
        """Write when objects of a pack were last used."""
        self._shelf.write_uses(name, times)

    def place(self, name: str) -> Path | str:
        """Return where a pack is."""
        return self._shelf.place(name)

    def cure(self, error: OSError) -> str:
        """Return what a refusal means, and how to mend it."""
        return self._shelf.cure(error)

    def sign(self, signature: str) -> None:
        """Put a signature."""
        self._shelf.sign(signature)

    def signatures(self) -> Iterable[str]:
        """Return all signatures, whether they are right or not."""
        return self._shelf.signatures()

    def remove(self, name: str) -> None:
        """Refuse."""
        self._refuse()

    def keep_aside(self, key: str, data: bytes | memoryview) -> None:
        """Refuse."""
        self._refuse()

    def litter(self) -> Iterable[tuple[str, float]]:
        """Return nothing: it is for those who keep the store to tidy it."""
        return ()

    def aside(self) -> Iterable[tuple[str, float]]:
        """Return nothing."""
        return ()

    def earlier(self) -> Iterable[int]:
        """Return nothing."""
        return ()

    def clear(self, name: str) -> None:
        """Refuse."""
        self._refuse()

    def note(self, name: str, text: str) -> Path | str:
        """Refuse: notes are kept in a cache of one's own."""
        self._refuse()

    def notes(self) -> Iterable[tuple[Path | str, bytes | None]]:
        """Return nothing: notes of others are not believed."""
        return ()

    def _is_usable(self, pack: str, signers: Iterable[str], is_touched: bool) -> bool:
        if pack in self._damaged:
            return False
        trusted = sorted(it for it in signers if it not in self._distrusted)
        if trusted:
            self._signers[pack] = trusted[0]
            self._refused.pop(pack, None)
            return True
        self._refused[pack] = DISTRUSTED if signers else FOREIGN if is_touched else UNSIGNED
        return False

    def _say(self) -> None:
        refused = self.refused
        if refused and not self._said:
            self._said = True
            reasons = ", ".join(f"{count} {why}" for why, count in sorted(refused.items()))
            self._warn(
                f"shared cache '{self.at}': {sum(refused.values())} of its packs are not used ({reasons}); what is in "
                "them is computed here. Those who share need the same key, and who may write there is up to its owner"
            )

    def _refuse(self) -> NoReturn:
        raise OSError(errno.EROFS, "what is shared is left as it is")
