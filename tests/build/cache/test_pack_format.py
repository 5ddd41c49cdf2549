"""The format of a pack, written once more byte by byte, and what its index says of every object."""

from __future__ import annotations

import json
import struct
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.build.cache.pack_format import (
    Fault,
    Index,
    Section,
    Stored,
    decode_index,
    index_length,
    is_key,
    pack_pieces,
)
from tests.build.cache.stores import key_of
from tests.shared.laws import examples

SECTIONS = st.dictionaries(st.sampled_from(["block", "state", "more"]), st.binary(max_size=200), max_size=3)
OBJECTS = st.lists(st.tuples(st.sampled_from(["test 1", "test 2"]), SECTIONS), min_size=1, max_size=7)
Objects = list[tuple[str, dict[str, bytes]]]


def stored(objects: Objects) -> dict[bytes, Stored]:
    """Return objects by keys that are in no order."""
    return {
        bytes.fromhex(key_of(number)): Stored(
            schema, {name: Section(data, sha256(data).hexdigest()) for name, data in parts.items()}
        )
        for number, (schema, parts) in enumerate(objects)
    }


def written(objects: Objects) -> tuple[bytes, bytes, list[tuple[bytes, int, int, int]]]:
    """Return the index and the whole file of a pack, and of each object its key, begin, end and own bytes."""
    ordered = sorted((bytes.fromhex(key_of(number)), *it) for number, it in enumerate(objects))
    kinds: list[tuple[str, list[str]]] = []
    for _, schema, parts in ordered:
        if (schema, list(parts)) not in kinds:
            kinds.append((schema, list(parts)))
    n_sections = sum(len(parts) for _, _, parts in ordered)
    head = {"kinds": [list(kind) for kind in kinds], "objects": len(ordered), "sections": n_sections}
    index = json.dumps(head, separators=(",", ":")).encode() + b"\n" + b"".join(key for key, _, _ in ordered)
    index += b"".join(struct.pack("<I", kinds.index((schema, list(parts)))) for _, schema, parts in ordered)
    data = [it for _, _, parts in ordered for it in parts.values()]
    index += b"".join(struct.pack("<Q", len(it)) for it in data) + b"".join(sha256(it).digest() for it in data)
    whole = b"metabt-pack 1 " + str(len(index)).zfill(12).encode() + b"\n" + index
    places = []
    for key, _, parts in ordered:
        begin = len(whole)
        for it in parts.values():
            while len(whole) % 64:
                whole += b"\0"
            whole += it
        # in the index: its key, its kind, and of each section the length and the digest
        places.append((key, begin, len(whole), len(whole) - begin + 32 + 4 + len(parts) * (8 + 32)))
    return index, whole, places


@given(OBJECTS)
@examples(40)
def test_a_pack_is_what_the_format_says(objects: Objects) -> None:
    """What belongs to no object, the first line and the head of the index, is counted with the first one."""
    encoded, whole, places = written(objects)
    name, index, pieces = pack_pieces(stored(objects))
    assert b"".join(pieces) == whole and index.encoded() == encoded and name == sha256(encoded).hexdigest()
    assert index_length(whole[:27]) == len(encoded) and index.end == 27 + len(encoded) and index.size == len(whole)
    assert [*index.keys] == [key for key, _, _, _ in places]
    assert [index.span(row) for row in range(len(places))] == [(begin, end) for _, begin, end, _ in places]
    first, *others = (own for _, _, _, own in places)
    assert index.sizes()[1:] == others and index.sizes()[0] == len(whole) - sum(others) >= first
    read = decode_index(name, encoded, len(whole))
    put = stored(objects)
    for row, (key, begin, end, _) in enumerate(places):
        assert read.row(key) == row == index.row(key) and read.schema(row) == put[key].schema
        assert read.stated(row) == {part: it.sha256 for part, it in put[key].sections.items()}
        found = read.sections(row, memoryview(whole)[begin:end], begin)
        assert {part: (bytes(it.data), it.sha256) for part, it in found.items()} == put[key].sections
        assert list(found) == list(put[key].sections)
    for other in (bytes(32), b"\xff" * 32, places[0][0][:-1] + bytes([places[0][0][-1] ^ 1])):
        assert read.row(other) is None


def test_an_index_of_nothing_has_no_size_of_objects() -> None:
    _, index, pieces = pack_pieces({})
    assert index.sizes() == [] and index.size == index.end == len(b"".join(pieces))


def test_every_byte_before_a_section_is_looked_at() -> None:
    objects: Objects = [("test 1", {"block": b"x" * 70, "state": b"y"}), ("test 1", {"block": b"", "state": b"z" * 3})]
    encoded, whole, places = written(objects)
    index = decode_index(sha256(encoded).hexdigest(), encoded, len(whole))
    for row, (_, begin, end, _) in enumerate(places):
        for at in range(begin, end):
            spoilt = bytearray(whole[begin:end])
            spoilt[at - begin] ^= 4
            with pytest.raises(Fault):
                index.sections(row, memoryview(spoilt), begin)
        # whoever hands over more of the file than the object says where that begins
        assert index.sections(row, memoryview(whole), 0) == index.sections(row, memoryview(whole)[begin:end], begin)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [(key_of("a"), True), (key_of("a")[:-1], False), (key_of("a") + "0", False), (key_of("a")[:-1] + "A", False)],
)
def test_a_key_has_64_hexadecimal_digits_in_lower_case(text: str, is_one: bool) -> None:
    assert is_key(text) is is_one and not is_key(f" {text}") and not is_key(f"{text}\n")


def test_sections_of_one_kind_end_where_the_next_begins() -> None:
    index = Index((("s", ("a", "b")),), [bytes(32)], [0], [1, 64], bytes(64))
    first = -(-index.end // 64) * 64
    assert index.stops == [first + 1, first + 64 + 64] and list(index.firsts) == [0, 2]
