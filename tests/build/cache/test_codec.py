"""The codec: what is read back is what was written, to the bit, and nothing else can be written or read."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from metabt.build.cache.codec import CLASSES, COLUMN, LAYOUT, decode, encode
from metabt.build.cache.disk import SCHEMAS, DiskCache
from metabt.build.cache.object_store import Section
from metabt.build.cache.sealing import seal
from metabt.walk.asset_risk import AssetRisk
from metabt.walk.block import Assets, Block, Carried, Decisions, Endings, Gaps, LeafState, MetaState, Shares
from metabt.walk.costs import Unpaid
from metabt.walk.holdings import Queue

ODD = np.array([[np.nan, -0.0], [np.inf, 5e-324]])
NONE = np.empty((0, 2))
DAYS = np.array(["2021-01-04", "NaT", "1969-12-31"], "datetime64[D]")
ROWS = np.array([0, 2**62], np.int64)
FLAGS = np.array([True, False, True])
GAPS = Gaps(ODD, ODD > 0)
ASSETS = Assets(ODD, NONE, GAPS)
CARRIED = Carried(ROWS, ROWS[::-1], ODD[0], ODD[1], NONE[:, 0])
SHARES = Shares(ODD, ODD, FLAGS, CARRIED)
DECISIONS = Decisions(ROWS, ODD, NONE, ("ok", "fallback:equal", 'ü"\n'), np.array([[1, -4]], np.int8))
STREAMS = dict.fromkeys(("gross", "cost", "net", "turnover", "netting"), ODD[0])
BLOCK = Block(dates=DAYS, begin=2, **STREAMS, traded=FLAGS, closed=ROWS, decisions=DECISIONS, held=ASSETS)
QUEUE = Queue(ROWS, ODD)
LEAF = LeafState.initial(2)
META = MetaState.initial(2, 3)

VALUES = {
    "assets": ASSETS,
    "assets without gaps": replace(ASSETS, gaps=None),
    "block of a leaf": BLOCK,
    "block of a meta sleeve": replace(BLOCK, held=SHARES, dates=DAYS[:0]),
    "carried": CARRIED,
    "decisions": DECISIONS,
    "no decisions": Decisions(ROWS[:0], NONE, NONE, (), np.empty((0, 2), np.int8)),
    "endings": Endings(ROWS, ROWS[::-1], ODD[0]),
    "exposure": AssetRisk(ODD),
    "gaps": GAPS,
    "state of a leaf": replace(LEAF, index=7, session=np.datetime64("2020-02-29"), queue=QUEUE, live=True),
    "first state of a leaf": LEAF,
    "state of a meta sleeve": replace(META, scheduled=np.datetime64("1969-07-20"), unpaid=Unpaid(0.1, -0.0, np.pi)),
    "first state of a meta sleeve": META,
    "queue": QUEUE,
    "empty queue": Queue.empty(3),
    "shares": SHARES,
    "shares alone": replace(SHARES, carried=None),
    "unpaid": Unpaid(1e-300, -0.0, 1 / 3),
}
"""At least one value of every class, with everything that is easily lost."""


def equal(one: object, other: object) -> bool:
    """Return whether two values have the same types and, to the bit, the same content."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    if is_dataclass(one):
        return all(equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    return repr(one) == repr(other)


def arrays_of(value: object) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray):
        yield value
    elif is_dataclass(value):
        for f in fields(value):
            yield from arrays_of(getattr(value, f.name))


def test_every_class_that_may_be_stored_is_tried() -> None:
    assert {type(value).__name__ for value in VALUES.values()} == set(CLASSES)


@pytest.mark.parametrize("name", VALUES)
def test_what_is_read_back_is_what_was_written(name: str) -> None:
    data = encode(VALUES[name])
    assert equal(decode(data), VALUES[name])
    assert equal(decode(bytes(data)), VALUES[name]) and equal(decode(memoryview(data)), VALUES[name])


DTYPES = st.sampled_from(["<f8", "<i8", "|b1", "|i1", "<M8[D]"])
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)


@given(arrays.arrays(DTYPES, SHAPES))
def test_any_array_of_these_types_is_read_back(array: np.ndarray) -> None:
    assert equal(decode(encode(AssetRisk(array))), AssetRisk(array))


@pytest.mark.parametrize("name", VALUES)
def test_equal_values_have_equal_bytes(name: str) -> None:
    value = VALUES[name]
    again = decode(encode(value))
    assert encode(again) == encode(value)
    assert seal({"it": again})[0].digests == seal({"it": value})[0].digests


def naive(value: object, data: list[bytes]) -> Any:
    """Return what the layout says of a value, whose arrays are added to `data`, each filled up to 8 bytes."""
    if isinstance(value, np.ndarray):
        place = sum(map(len, data))
        data.append(value.tobytes() + bytes(-value.nbytes % 8))
        return {"array": value.dtype.str, "at": place, "shape": list(value.shape)}
    if isinstance(value, np.datetime64):
        return {"date": (value - np.datetime64("1970-01-01", "D")).astype(int).item()}
    if is_dataclass(value):
        return {"is": type(value).__name__} | {f.name: naive(getattr(value, f.name), data) for f in fields(value)}
    return [naive(item, data) for item in value] if isinstance(value, tuple) else value


def as_arrow_writes(value: object) -> bytes:
    """Return the stream of one column that Arrow writes, with the layout beside it."""
    data: list[bytes] = []
    layout = json.dumps(naive(value, data), separators=(",", ":"))
    column = pa.array(np.frombuffer(b"".join(data), np.uint8))
    schema = pa.schema([pa.field("arrays", pa.uint8())], {"metabt": layout})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch([column], schema=schema))
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("name", VALUES)
def test_bytes_are_those_that_arrow_writes(name: str) -> None:
    assert encode(VALUES[name]) == as_arrow_writes(VALUES[name])


TEXTS = st.lists(st.text(max_size=20)).map(tuple)
NUMBERS = st.one_of(st.floats(), st.integers(), st.booleans(), st.none(), st.text())


@given(arrays.arrays(DTYPES, SHAPES), TEXTS, NUMBERS)
def test_bytes_of_any_content_are_those_that_arrow_writes(array: np.ndarray, status: Any, number: Any) -> None:
    value = Decisions(array, array.T, ODD[:, :1], status, (Unpaid(number), number, array, *status))  # type: ignore[arg-type]
    assert encode(value) == as_arrow_writes(value)


def test_how_an_array_lies_in_memory_is_not_stored() -> None:
    array = np.arange(6.0).reshape(2, 3)
    strided = np.repeat(array, 2, axis=1)[:, ::2]
    layouts = [encode(AssetRisk(it)) for it in (array, np.asfortranarray(array), strided)]
    assert layouts[0] == layouts[1] == layouts[2]


def test_different_values_have_different_bytes() -> None:
    zero = np.zeros((2, 3))
    others = [zero, -zero, zero.T, zero.astype(np.int64), zero + 5e-324, zero[:1], np.full((2, 3), np.nan)]
    data = {bytes(encode(AssetRisk(it))) for it in others} | {bytes(encode(it)) for it in VALUES.values()}
    assert len(data) == len(others) + len(VALUES)


@pytest.mark.parametrize("name", VALUES)
def test_what_is_read_back_cannot_be_changed(name: str) -> None:
    found = list(arrays_of(decode(bytes(encode(VALUES[name])))))
    assert len(found) == len(list(arrays_of(VALUES[name])))
    for array in found:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@dataclass(frozen=True)
class Stranger:
    """A class that the codec has never heard of."""

    shares: np.ndarray


class Impostor(AssetRisk):
    """A class of its own that looks like a known one."""


Impostor.__name__ = "Exposure"

FOREIGN = {  # what the types rule out, and what must be refused all the same
    "another class": Stranger(ODD),
    "a class of the same name": Impostor(ODD),
    "an object": object(),
    "a function": len,
    "a list": AssetRisk([1.0]),  # type: ignore[arg-type]  # it is refused
    "a mapping": AssetRisk({"shares": ODD}),  # type: ignore[arg-type]  # it is refused
    "bytes": AssetRisk(b"1"),  # type: ignore[arg-type]  # it is refused
    "a number of NumPy": AssetRisk(np.int64(1)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_known_is_not_written(name: str) -> None:
    with pytest.raises(TypeError, match="cannot store"):
        encode(FOREIGN[name])


@pytest.mark.parametrize("dtype", [object, "<U3", "S3", complex])
def test_an_array_of_another_type_is_not_written(dtype: object) -> None:
    with pytest.raises((TypeError, pa.ArrowException)):
        encode(AssetRisk(np.zeros(2, dtype)))  # type: ignore[call-overload]


def with_layout(layout: object) -> pa.Buffer:
    """Return the bytes of an exposure that claim to be something else."""
    column = pa.array([1, 2], pa.uint8())
    schema = pa.schema([pa.field(COLUMN, column.type)], {LAYOUT: json.dumps(layout)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch([column], schema=schema))
    return sink.getvalue()


@pytest.mark.parametrize("name", ["Popen", "os.system", "subprocess.Popen", "Stranger", "__import__", "builtins.eval"])
def test_no_other_class_is_ever_built(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        decode(with_layout({"is": name, "args": ["true"]}))


@pytest.mark.parametrize("array", [{"at": 1, "shape": [2]}, {"at": -1, "shape": [1]}, {"at": 2, "shape": [1]}])
def test_no_byte_outside_of_the_object_is_read(array: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        decode(with_layout({"is": "AssetRisk", "shares": {"array": "|u1", **array}}))


@pytest.mark.parametrize("name", VALUES)
def test_no_object_is_a_pickle(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for call in ("load", "loads", "dump", "dumps"):
        monkeypatch.setattr(pickle, call, lambda *args, **kwargs: pytest.fail("pickled"))
    assert equal(decode(encode(VALUES[name])), VALUES[name])


def test_a_pickle_is_no_object() -> None:
    with pytest.raises(OSError, match="Invalid IPC stream"):
        decode(pickle.dumps(AssetRisk(ODD)))


def test_an_object_that_holds_something_else_is_computed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key, junk = "ab" * 32, b"not arrow"
    with DiskCache(tmp_path / ".cache") as cache:
        cache.store.put(key, SCHEMAS["block"], {"block": Section(junk, sha256(junk).hexdigest())})
        cache.flush()
        assert cache.get(key, "block") is None
    assert "holds no block" in caplog.text
