"""Codec: dataclasses of arrays to Arrow IPC and back, without pickle.

1. A value is a tree of dataclasses, arrays and scalars. The bytes of all arrays, row by row, are one column: what
   takes the time is the number of columns.
2. What is not an array stands in the schema's metadata as JSON, with type, place and shape where an array belongs.
3. What Arrow puts around the layout and the column depends on their lengths alone: it is asked for once by length, and
   a stream is one copy of its parts.
4. Reading builds only the classes listed here; arrays are read-only views of the bytes.
"""

from __future__ import annotations

import json
from dataclasses import fields
from functools import lru_cache
from itertools import chain, repeat
from math import isfinite, prod
from typing import Any, cast

import numpy as np
import pyarrow as pa

from metabt.walk import block, costs, holdings
from metabt.walk.asset_risk import AssetRisk

CLASSES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        block.Assets,
        block.Block,
        block.Carried,
        block.Decisions,
        block.Endings,
        block.Gaps,
        block.LeafState,
        block.MetaState,
        block.Shares,
        holdings.Queue,
        costs.Unpaid,
        AssetRisk,
    )
}
"""Name -> class that may be stored."""

HEADS = {
    cls: (f'{{"is":"{name}"', [(f',"{field.name}":', field.name) for field in fields(cls)])
    for name, cls in CLASSES.items()
}
"""Class -> how its text begins, and its fields with the text ahead of each."""

STORABLE = "biufM"
"""Kinds of NumPy types that may be stored: flags, numbers and dates."""

LAYOUT = b"metabt"
"""Key of the schema's metadata."""
COLUMN = "arrays"
"""Name of the column."""
ALIGNED = 8
"""Arrays begin at multiples of so many bytes."""
BLANK = b"\x7f"
"""Stands for a byte of a layout, in which it does not occur."""
END = b"\xff\xff\xff\xff\0\0\0\0"
"""End of a stream."""
MOST = 2**12
"""Messages that are kept, by the length of what they are about."""

DAY = np.dtype("datetime64[D]")

_JSON = json.JSONEncoder()


def encode(value: object) -> bytes:
    """Return a dataclass as one Arrow IPC stream: equal values give equal bytes.

    Raises
    ------
    TypeError
        For anything but the classes listed here, arrays, text, numbers, dates, None, and tuples of these.
    """
    stream = _Parts()
    stream.add(value)
    layout = "".join(stream.texts).encode("ascii")
    before, after = _schema_around(len(layout))
    return b"".join([before, layout, after, _batch_before(stream.size), *stream.data, END])


def decode(data: bytes | memoryview | pa.Buffer) -> Any:
    """Return the value that `encode` wrote."""
    with pa.ipc.open_stream(data) as reader:
        batch = reader.read_next_batch()
        layout = json.loads(reader.schema.metadata[LAYOUT])
    flat = np.frombuffer(batch.column(COLUMN).buffers()[1], np.uint8)
    flat.flags.writeable = False
    return _value(layout, flat)


class _Parts:
    """The layout of a value, as `json.dumps` writes it without blanks, and its arrays, which are copied once."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.data: list[Any] = []
        self.size = 0

    def add(self, value: object) -> None:
        """Add a value, and all in it."""
        cls = type(value)
        if cls is np.ndarray:
            self._add_array(cast(np.ndarray, value))
        elif cls in HEADS:
            head, names = HEADS[cls]
            self.texts.append(head)
            for text, name in names:
                self.texts.append(text)
                item = getattr(value, name)
                self._add_array(item) if type(item) is np.ndarray else self.add(item)
            self.texts.append("}")
        elif cls is tuple:
            self._add_items(cast(tuple, value))
        else:
            self.texts.append(_plain(value))

    def _add_items(self, items: tuple[Any, ...]) -> None:
        if set(map(type, items)) == {str}:
            self.texts.append(_texts(items))
            return
        for text, item in zip(chain("[", repeat(",")), items, strict=False):
            self.texts.append(text)
            self.add(item)
        self.texts.append("]" if items else "[]")

    def _add_array(self, array: np.ndarray) -> None:
        before, after, padding = _array_around(array.dtype, array.shape)
        self.texts.append(f"{before}{self.size}{after}")
        self.data.append(array if array.flags.c_contiguous else array.tobytes())
        self.size += array.nbytes
        if padding:
            self.data.append(padding)
            self.size += len(padding)


@lru_cache(maxsize=MOST)
def _array_around(dtype: np.dtype, shape: tuple[int, ...]) -> tuple[str, str, bytes]:
    """Return the text of an array before and after the place where it begins, and what its bytes are filled up with."""
    if dtype.kind not in STORABLE:
        raise TypeError(f"cannot store an array of {dtype}; wanted flags, numbers or dates")
    before, after = f'{{"array":"{dtype.str}","at":', f',"shape":[{",".join(map(str, shape))}]}}'
    return before, after, bytes(-prod(shape) * dtype.itemsize % ALIGNED)


def _plain(value: object) -> str:
    """Return the text of a text, a number, a date or None."""
    cls = type(value)
    if value is None:
        return "null"
    if cls is bool:
        return "true" if value else "false"
    if cls is int or (cls is float and isfinite(cast(float, value))):
        return repr(value)
    if isinstance(value, str | int | float):
        return _JSON.encode(value)
    if cls is np.datetime64:
        return f'{{"date":{cast(np.datetime64, value).astype(DAY).astype(np.int64)}}}'
    raise TypeError(
        f"cannot store {cls.__name__} {value!r}; wanted one of {', '.join(CLASSES)}, arrays and plain values"
    )


@lru_cache(maxsize=MOST)
def _texts(values: tuple[str, ...]) -> str:
    """Return the text of texts: those of a block's decisions are mostly those of others."""
    return f"[{','.join(map(_JSON.encode, values))}]"


@lru_cache(maxsize=MOST)
def _schema_around(length: int) -> tuple[bytes, bytes]:
    """Return the message of a schema before and after a layout of `length` bytes."""
    layout = BLANK * length
    before, _, after = _stream(layout, None)[: -len(END)].partition(layout)
    return before, after


@lru_cache(maxsize=MOST)
def _batch_before(size: int) -> bytes:
    """Return the message of a batch before its `size` bytes, a multiple of `ALIGNED`."""
    begin = len(_stream(b"", None)) - len(END)
    whole = _stream(b"", bytes(size))
    return whole[begin : len(whole) - len(END) - size]


def _stream(layout: bytes, data: bytes | None) -> bytes:
    """Return the stream of a layout and, unless it is None, of one batch, as Arrow writes it."""
    schema = pa.schema([pa.field(COLUMN, pa.uint8())], {LAYOUT: layout})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        if data is not None:
            column = pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)])
            writer.write_batch(pa.RecordBatch.from_arrays([column], schema=schema))
    return sink.getvalue().to_pybytes()


def _value(plain: Any, flat: np.ndarray) -> Any:
    if isinstance(plain, list):
        return tuple(_value(item, flat) for item in plain)
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        start, shape, dtype = plain["at"], plain["shape"], np.dtype(plain["array"])
        return flat[start : start + prod(shape) * dtype.itemsize].view(dtype).reshape(shape)
    if "date" in plain:
        return np.datetime64(plain["date"], "D")
    return CLASSES[plain["is"]](**{name: _value(item, flat) for name, item in plain.items() if name != "is"})
