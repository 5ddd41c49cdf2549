"""What an object looks like on disk: named sections of bytes, with no byte that a hash or a check does not cover.

1. Line 1 is the magic, the format and the SHA-256 of line 2.
2. Line 2, the header, is JSON: the key, the schema, and each section's name, length and SHA-256.
3. The sections follow, each at a multiple of 64 bytes, so that arrays can be used where they lie; zeros in between.
4. The file ends where the last section does.

A file is sound when its header is the very line that `encode` writes for that content, names the wanted key and
schema and accounts for the file's exact length, when each section has its hash, and when what is between is zero.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple

from metabt.errors import StoreError

MAGIC = b"metabt-object 1 "
"""First bytes of every object; the digit is the version of this format."""
ALIGNMENT = 64
"""Bytes; a section begins at a multiple of it."""
HEAD = 16_384
"""Bytes within which both lines end."""
FIRST = len(MAGIC) + 64 + 1
"""Bytes of line 1."""

_KEY = re.compile(r"[0-9a-f]{64}")


class Fault(Exception):
    """A file is no sound object; the text is the end of a sentence about it."""


class Section(NamedTuple):
    """A named part of an object."""

    data: bytes | memoryview
    """Contiguous bytes; read-only and aligned to 64 bytes where the store returns it."""
    sha256: str
    """SHA-256 of the data, 64 hexadecimal digits."""


@dataclass(frozen=True)
class Header:
    """The header of an object: its key, its schema, and its sections."""

    key: str
    """64 hexadecimal digits."""
    schema: str
    """Kind of object and version of its layout."""
    sections: tuple[tuple[str, int, str], ...]
    """Name, length in bytes and SHA-256 of each section, in the order of the file."""

    @cached_property
    def line(self) -> bytes:
        """Line 2, without its end."""
        content = {"key": self.key, "schema": self.schema, "sections": self.sections}
        return json.dumps(content, separators=(",", ":")).encode("ascii")

    @property
    def end(self) -> int:
        """Bytes of the two lines."""
        return FIRST + len(self.line) + 1

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield where each section begins and ends, in bytes from the start of the file."""
        end = self.end
        for _, length, _ in self.sections:
            start = end + -end % ALIGNMENT
            end = start + length
            yield start, end


def is_key(text: str) -> bool:
    """Return whether `text` is a key: 64 hexadecimal digits."""
    return _KEY.fullmatch(text) is not None


def encode(key: str, schema: str, sections: Mapping[str, Section]) -> list[bytes | memoryview]:
    """Return the pieces of an object's file, in order.

    Raises
    ------
    StoreError
        When the sections' names need more room than a header has.
    """
    views = [memoryview(section.data).cast("B") for section in sections.values()]
    listed = zip(sections, views, sections.values(), strict=True)
    header = Header(key, schema, tuple((name, view.nbytes, section.sha256) for name, view, section in listed))
    if header.end > HEAD:
        raise StoreError(
            f"object {key[:12]}: {len(sections)} sections need a header of {header.end} bytes, "
            f"{HEAD} are possible; put the data into fewer sections"
        )
    digest = sha256(header.line).hexdigest().encode("ascii")
    pieces: list[bytes | memoryview] = [MAGIC + digest + b"\n" + header.line + b"\n"]
    end = header.end
    for (start, stop), view in zip(header.spans(), views, strict=True):
        pieces += [bytes(start - end), view]
        end = stop
    return [piece for piece in pieces if len(piece)]


def decode_header(head: bytes, size: int) -> Header:
    """Return the header of a file of `size` bytes that begins with `head`.

    Raises
    ------
    Fault
        When the file does not begin with a header, or not with one that accounts for its length.
    """
    if not head.startswith(MAGIC):
        raise Fault("does not begin like an object")
    end = head.find(b"\n", FIRST)
    if head[FIRST - 1 : FIRST] != b"\n" or end < 0:
        raise Fault("has no whole header")
    line = head[FIRST:end]
    if sha256(line).hexdigest().encode("ascii") != head[len(MAGIC) : FIRST - 1]:
        raise Fault("has a header whose SHA-256 is not the one stated")
    header = _parsed(line)
    expected = max((stop for _, stop in header.spans()), default=header.end)
    if size != expected:
        raise Fault(f"has {size} bytes instead of {expected}")
    return header


def decode_sections(header: Header, whole: memoryview) -> dict[str, Section]:
    """Return the sections of a file, given whole.

    Raises
    ------
    Fault
        When a section does not have its hash, or bytes between sections are not zero.
    """
    found, end = {}, header.end
    for (name, _, stated), (start, stop) in zip(header.sections, header.spans(), strict=True):
        if whole[end:start] != bytes(start - end):
            raise Fault(f"has bytes before section {name!r} that are not zero")
        if sha256(whole[start:stop]).hexdigest() != stated:
            raise Fault(f"has a section {name!r} whose SHA-256 is not the one stated")
        found[name] = Section(whole[start:stop], stated)
        end = stop
    return found


def _parsed(line: bytes) -> Header:
    try:
        content = json.loads(line)
        header = Header(content["key"], content["schema"], tuple((n, size, h) for n, size, h in content["sections"]))
        names = {name for name, _, _ in header.sections}
        lengths_hold = all(type(length) is int and length >= 0 for _, length, _ in header.sections)
        # a header that says the same in other bytes was not written here
        if lengths_hold and len(names) == len(header.sections) and header.line == line:
            return header
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise Fault("has a header that no store writes")
