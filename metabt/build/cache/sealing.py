"""Sealing: the parts of an object as bytes, and the digests that later keys build on."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from metabt.build.cache.codec import encode
from metabt.build.ports import Sealed


def seal(parts: Mapping[str, object]) -> tuple[Sealed, dict[str, bytes]]:
    """Return the parts with their digests, and the bytes of each part, of which the digest is the SHA-256."""
    data = {name: encode(value) for name, value in parts.items()}
    return Sealed(parts, {name: sha256(buffer).hexdigest() for name, buffer in data.items()}), data
