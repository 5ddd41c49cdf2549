"""Signatures of packs: an HMAC-SHA256 over a pack's name and its signer's, with a key that only the environment has.

A pack's name is the SHA-256 of its index, and the index states the SHA-256 of every section: who signs the name signs
each byte that is verified against it. The signature is a name itself, `<pack>.<signer>.<hmac>`, so that a listing is
all it takes to check any number of them, and nobody can take the place of another's.

Whoever has the key can sign under any name: the name tells honest people apart.
"""

from __future__ import annotations

import getpass
import hmac
import os
import platform
import re
from hashlib import sha256
from typing import NamedTuple, NoReturn

from metabt.errors import ConfigError

KEY = "METABT_CACHE_KEY"
"""Variable of the environment that has the key."""
NAME = "METABT_CACHE_SIGNER"
"""Variable of the environment that names who signs; user@machine where it is not set."""
LEAST = 32
"""Characters of a key at least."""
LONGEST = 60
"""Characters of a signer's name at most."""
WHAT = b"metabt signed pack 1\n"
"""First bytes of what is signed: a signature of this key under anything else is none of a pack."""

_SIGNATURE = re.compile(r"([0-9a-f]{64})\.([A-Za-z0-9_@-]{1,60})\.([0-9a-f]{64})")


class Signature(NamedTuple):
    """A signature that is right."""

    pack: str
    """Name of the pack."""
    signer: str
    """Who has signed it, as they call themselves."""


class Signer:
    """Signs and checks with one key, which it shows to nobody: it is neither printed nor sent."""

    def __init__(self, key: str, name: str) -> None:
        """Take the key, and the name to sign with; characters that a name cannot have become hyphens.

        Raises
        ------
        ConfigError
            For a key that is too short.
        """
        if len(key.strip()) < LEAST:
            raise ConfigError(
                f"{KEY} on {platform.node()} is shorter than {LEAST} characters, so that it could be guessed; make one "
                "with `openssl rand -hex 32` and give it to all who share the cache"
            )
        self._key = key.strip().encode()
        self.name = re.sub(r"[^A-Za-z0-9_@-]", "-", name)[:LONGEST] or "unnamed"

    @classmethod
    def of_environment(cls) -> Signer:
        """Return the signer that the environment of this process has the key of.

        Raises
        ------
        ConfigError
            Where it has none, or one that is too short.
        """
        key = os.environ.get(KEY)
        if not key:
            raise ConfigError(
                f"cache.shared is stated and the environment on {platform.node()} has no {KEY}: nothing that is shared "
                "is used unsigned; set it, on each machine that walks, to the key of those who share (a new one: "
                "`openssl rand -hex 32`), or leave out cache.shared"
            )
        return cls(key, os.environ.get(NAME) or f"{_user()}@{platform.node()}")

    def sign(self, pack: str) -> str:
        """Return the signature of the pack that has a name."""
        return f"{pack}.{self.name}.{self._hmac(pack, self.name)}"

    def checked(self, text: str) -> Signature | None:
        """Return what a signature states, or None where it is none of this key."""
        found = _SIGNATURE.fullmatch(text)
        if found is None or not hmac.compare_digest(self._hmac(found[1], found[2]), found[3]):
            return None
        return Signature(found[1], found[2])

    def __repr__(self) -> str:
        return f"Signer({self.name!r})"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: each process reads the key from its own environment."""
        raise TypeError("a Signer is not sent anywhere; each process makes its own, of its environment")

    def _hmac(self, pack: str, signer: str) -> str:
        return hmac.new(self._key, WHAT + f"{pack}\n{signer}".encode(), sha256).hexdigest()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's number without a name
        return "unnamed"
