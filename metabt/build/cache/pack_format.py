"""What a pack looks like on disk: many objects in one file, with no byte that a digest or a check does not cover.

1. Line 1 is the magic, the format and the length of the index. The pack's name is the SHA-256 of its index.
2. The index begins with a line of JSON: the kinds of objects (schema, names of sections), how many objects there are
   and how many sections. Columns follow, little-endian: keys (32 bytes each, ascending), kinds (4), and of all
   sections, object by object, lengths (8) and SHA-256 (32).
3. The sections follow in that order, each at a multiple of 64 bytes, so that arrays can be used where they lie; zeros
   in between.
4. The file ends where the last section does.

A pack is sound when its index has the SHA-256 that names it, is the very one that `pack_pieces` writes for that content
and accounts for the file's exact length; an object in it, when each section has its SHA-256 and what is before is zero.
"""

from __future__ import annotations

import json
import re
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

FAMILY = b"metabt-pack "
"""First bytes of a pack of any format."""
MAGIC = FAMILY + b"1 "
"""First bytes of a pack of this format; the digit is its version."""
ALIGNMENT = 64
"""Bytes; a section begins at a multiple of it."""
DIGITS = 12
"""Digits of the length of an index."""
FIRST = len(MAGIC) + DIGITS + 1
"""Bytes of line 1."""
ENTRY, PART = 36, 40
"""Bytes of an object's key and kind in the index, and of a section's length and SHA-256."""

_KEY = re.compile(r"[0-9a-f]{64}")


class Fault(Exception):
    """A file is no sound pack, or holds no sound object; the text is the end of a sentence about it."""


class Foreign(Exception):
    """A file is a pack of another format; the text is the end of a sentence about it."""


class Section(NamedTuple):
    """A named part of an object."""

    data: bytes | memoryview
    """Contiguous bytes; read-only and aligned to 64 bytes where the store returns it."""
    sha256: str
    """SHA-256 of the data, 64 hexadecimal digits."""


class Stored(NamedTuple):
    """An object as it is put."""

    schema: str
    """Kind of object and version of its layout."""
    sections: Mapping[str, Section]
    """Its sections by name, in order."""


@dataclass(frozen=True)
class Index:
    """The index of a pack: what is in it, and where."""

    kinds: tuple[tuple[str, tuple[str, ...]], ...]
    """Schema and names of sections of each kind of object."""
    keys: Sequence[bytes]
    """Keys of the objects, 32 bytes each, ascending."""
    kind_of: Sequence[int]
    """Position in `kinds` of each object."""
    lengths: Sequence[int]
    """Bytes of each section, object by object."""
    digests: bytes
    """SHA-256 of each section, 32 bytes each."""

    def encoded(self) -> bytes:
        """Return its bytes in a pack."""
        return b"".join([self._line, *self.keys, _bytes("I", self.kind_of), _bytes("Q", self.lengths), self.digests])

    @cached_property
    def end(self) -> int:
        """Bytes of line 1 and the index."""
        return FIRST + len(self._line) + ENTRY * len(self.keys) + PART * len(self.lengths)

    @cached_property
    def stops(self) -> Sequence[int]:
        """Where each section ends, in bytes from the start of the file."""
        return list(accumulate(self.lengths, lambda end, length: end + -end % ALIGNMENT + length, initial=self.end))[1:]

    @cached_property
    def firsts(self) -> Sequence[int]:
        """Positions of each object's first section; one more than objects, the last is the number of sections."""
        counts = [len(names) for _, names in self.kinds]
        return array("Q", accumulate((counts[kind] for kind in self.kind_of), initial=0))

    @property
    def size(self) -> int:
        """Bytes of the whole pack."""
        return self.stops[-1] if self.lengths else self.end

    def row(self, key: bytes) -> int | None:
        """Return which object has a key, or None."""
        row = bisect_left(self.keys, key)
        return row if row < len(self.keys) and self.keys[row] == key else None

    def schema(self, row: int) -> str:
        """Return the schema of an object."""
        return self.kinds[self.kind_of[row]][0]

    def stated(self, row: int) -> dict[str, str]:
        """Return the SHA-256 of each section of an object, by name."""
        first = self.firsts[row]
        names = self.kinds[self.kind_of[row]][1]
        return {name: self.digests[32 * at : 32 * at + 32].hex() for at, name in enumerate(names, first)}

    def span(self, row: int) -> tuple[int, int]:
        """Return where an object begins, what is before its first section included, and where it ends."""
        first, after = self.firsts[row], self.firsts[row + 1]
        return self._before(first), self._before(after)

    def sections(self, row: int, whole: memoryview, begin: int) -> dict[str, Section]:
        """Return the sections of an object, verified.

        Parameters
        ----------
        row : int
            Which object.
        whole : memoryview
            Bytes of the pack that hold it.
        begin : int
            Where they begin in the pack.

        Raises
        ------
        Fault
            When a section does not have its SHA-256, or bytes before it are not zero.
        """
        found, end = {}, self.span(row)[0]
        for at, (name, stated) in enumerate(self.stated(row).items(), self.firsts[row]):
            start, stop = self.stops[at] - self.lengths[at], self.stops[at]
            if whole[end - begin : start - begin] != bytes(start - end):
                raise Fault(f"has bytes before section {name!r} that are not zero")
            data = whole[start - begin : stop - begin]
            if sha256(data).hexdigest() != stated:
                raise Fault(f"has a section {name!r} whose SHA-256 is not the one stated")
            found[name], end = Section(data, stated), stop
        return found

    def sizes(self) -> list[int]:
        """Return the bytes of each object; the first one's include what belongs to none, so that the sum is `size`."""
        counts = [ENTRY + PART * len(names) for _, names in self.kinds]
        spans = pairwise(self._before(first) for first in self.firsts)
        found = [stop - start + counts[kind] for (start, stop), kind in zip(spans, self.kind_of, strict=True)]
        return [found[0] + self.size - sum(found), *found[1:]] if found else []

    @cached_property
    def _line(self) -> bytes:
        kinds = [[schema, list(names)] for schema, names in self.kinds]
        head = {"kinds": kinds, "objects": len(self.keys), "sections": len(self.lengths)}
        return json.dumps(head, separators=(",", ":")).encode("ascii") + b"\n"

    def _before(self, section: int) -> int:
        return self.stops[section - 1] if section else self.end


def is_key(text: str) -> bool:
    """Return whether `text` is a key, or the name of a pack: 64 hexadecimal digits."""
    return _KEY.fullmatch(text) is not None


def pack_pieces(objects: Mapping[bytes, Stored]) -> tuple[str, Index, Iterator[bytes | memoryview]]:
    """Return the name, the index and the pieces of the file of a pack, in order, of objects by their keys."""
    ordered = sorted(objects.items())
    kinds = list(dict.fromkeys((it.schema, tuple(it.sections)) for _, it in ordered))
    places = {kind: place for place, kind in enumerate(kinds)}
    sections = [section for _, it in ordered for section in it.sections.values()]
    index = Index(
        kinds=tuple(kinds),
        keys=[key for key, _ in ordered],
        kind_of=array("I", [places[it.schema, tuple(it.sections)] for _, it in ordered]),
        lengths=array("Q", [memoryview(section.data).nbytes for section in sections]),
        digests=bytes.fromhex("".join(section.sha256 for section in sections)),
    )
    encoded = index.encoded()
    return sha256(encoded).hexdigest(), index, _pieces(index, encoded, sections)


def index_length(first: bytes) -> int:
    """Return the length of the index of a file that begins with line 1.

    Raises
    ------
    Fault
        When it does not begin like a pack.
    Foreign
        When it begins like one of another format.
    """
    digits = first[len(MAGIC) : FIRST - 1]
    if first[:FIRST].startswith(MAGIC):
        if len(first) >= FIRST and digits.isdigit() and first[FIRST - 1 : FIRST] == b"\n":
            return int(digits)
        raise Fault("has no whole first line")
    if first.startswith(FAMILY):
        version = first[len(FAMILY) : len(MAGIC) + DIGITS].split(b" ")[0].decode("ascii", "replace")
        if version.isdigit() and version != "1":
            raise Foreign(f"has the format {version}, wanted 1")
    raise Fault("does not begin like a pack")


def decode_index(name: str, encoded: bytes, size: int) -> Index:
    """Return the index of a pack of `size` bytes that has a name.

    Raises
    ------
    Fault
        When it is not the index that the name stands for, or does not account for the pack's length.
    """
    stated = sha256(encoded).hexdigest()
    if stated != name:
        raise Fault(f"has an index whose SHA-256 is {stated[:12]}..., not its name")
    index = _parsed(encoded)
    if index is None:
        raise Fault("has an index that no store writes")
    if index.size != size:
        raise Fault(f"has {size} bytes instead of {index.size}")
    return index


def _pieces(index: Index, encoded: bytes, sections: Sequence[Section]) -> Iterator[bytes | memoryview]:
    yield MAGIC + b"%0*d\n" % (DIGITS, len(encoded)) + encoded
    end = index.end
    for section, length, stop in zip(sections, index.lengths, index.stops, strict=True):
        if start := stop - length - end:
            yield bytes(start)
        if length:
            yield memoryview(section.data).cast("B")
        end = stop


def _parsed(encoded: bytes) -> Index | None:
    line, _, rest = encoded.partition(b"\n")
    try:
        head = json.loads(line)
        n_objects, n_sections = head["objects"], head["sections"]
        kinds = tuple((schema, tuple(names)) for schema, names in head["kinds"])
        if len(rest) != ENTRY * n_objects + PART * n_sections:
            return None
        key_end = 32 * n_objects
        kind_end, length_end = key_end + 4 * n_objects, key_end + 4 * n_objects + 8 * n_sections
        keys = [rest[at : at + 32] for at in range(0, key_end, 32)]
        kind_of, lengths = _array("I", rest[key_end:kind_end]), _array("Q", rest[kind_end:length_end])
        index = Index(kinds, keys, kind_of, lengths, rest[length_end:])
        # an index that says the same in other bytes was not written here
        return index if _is_whole(index) and index.encoded() == encoded else None
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError, MemoryError):
        return None


def _is_whole(index: Index) -> bool:
    """Return whether keys ascend and each object has its sections."""
    texts = all(_is_texts([schema, *names]) and len(set(names)) == len(names) for schema, names in index.kinds)
    in_order = all(one < other for one, other in pairwise(index.keys))
    kinds = set(index.kind_of) == set(range(len(index.kinds)))
    return texts and in_order and kinds and index.firsts[-1] == len(index.lengths)


def _is_texts(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _array(kind: str, data: bytes) -> array[int]:
    numbers = array(kind, data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _bytes(kind: str, numbers: Sequence[int]) -> bytes:
    return _array(kind, array(kind, numbers).tobytes()).tobytes()
