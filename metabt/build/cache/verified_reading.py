"""Read packs without trusting them.

1. `read_index` reads the index alone: it is the one that the pack's name stands for, and accounts for the pack's
   length, so that no more is read than is there.
2. `read_object` reads one object by its place, once, and verifies that.
"""

from __future__ import annotations

import ctypes
from hashlib import sha256

from metabt.build.cache.pack_format import (
    ALIGNMENT,
    DIGITS,
    FIRST,
    Fault,
    Foreign,
    Index,
    Section,
    decode_index,
    index_length,
)
from metabt.build.cache.shelf import Bad, OpenPack, Shelf

HEAD = 2**18
"""Bytes that the index of a pack mostly has at most."""


def read_index(shelf: Shelf, name: str) -> tuple[Index, float]:
    """Return the index of a pack, and when the pack was published, seconds since the epoch.

    Raises
    ------
    FileNotFoundError
        When there is no such pack.
    Bad
        When what is there must not be used.
    Foreign
        When it is a pack of another format.
    """
    with shelf.opened(name, (0, HEAD)) as pack:
        try:
            return _index(pack, name), pack.published
        except Fault as fault:
            raise Bad(str(fault), shelf.place(name), pack.seen) from fault


def read_object(shelf: Shelf, name: str, index: Index, row: int) -> tuple[dict[str, Section], float]:
    """Return the sections of an object of a pack, every byte verified, and when the pack was published.

    Raises
    ------
    FileNotFoundError
        When there is no such pack any more.
    Bad
        When what is there is not the pack that the index is of.
    Fault
        When that object is not sound.
    """
    begin, end = index.span(row)
    with shelf.opened(name, (begin, end)) as pack:
        if pack.size != index.size:
            raise Bad(f"has {pack.size} bytes instead of {index.size}", shelf.place(name), pack.seen)
        return index.sections(row, pack.read(begin, end), begin), pack.published


def room(begin: int, end: int) -> memoryview:
    """Return writable memory for some bytes of a pack, in which multiples of ALIGNMENT there are such here."""
    skip = begin % ALIGNMENT
    return _aligned(skip + end - begin)[skip:]


def _aligned(size: int) -> memoryview:
    """Return `size` writable bytes that begin at a multiple of `ALIGNMENT` in memory."""
    whole = bytearray(size + ALIGNMENT)
    skip = -ctypes.addressof(ctypes.c_char.from_buffer(whole)) % ALIGNMENT
    return memoryview(whole)[skip : skip + size]


def _index(pack: OpenPack, name: str) -> Index:
    first = bytes(pack.read(0, min(FIRST, pack.size)))
    try:
        return decode_index(name, _encoded(pack, index_length(first)), pack.size)
    except Foreign as foreign:
        digits = first[-DIGITS - 1 : -1]
        length = int(digits) if digits.isdigit() else pack.size
        if FIRST + length <= pack.size and sha256(_encoded(pack, length)).hexdigest() == name:
            raise Fault(f"{foreign}, and has an index of this one") from foreign  # a bit of the format has flipped
        raise


def _encoded(pack: OpenPack, length: int) -> bytes:
    if FIRST + length > pack.size:
        raise Fault("has no whole index")
    return bytes(pack.read(FIRST, FIRST + length))
