"""Codec: dataclasses of arrays to Arrow IPC and back, without pickle.

1. A value is a tree of dataclasses, arrays and scalars. The bytes of all arrays, row by row, are one column: what
   takes the time is the number of columns.
2. What is not an array stands in the schema's metadata as JSON, with type, place and shape where an array belongs.
3. Reading builds only the classes listed here; arrays are read-only views of the bytes.
"""

from __future__ import annotations

import json
from dataclasses import fields
from math import prod
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

NAMES = {cls: tuple(field.name for field in fields(cls)) for cls in CLASSES.values()}
"""Class -> its fields."""

STORABLE = "biufM"
"""Kinds of NumPy types that may be stored: flags, numbers and dates."""

LAYOUT = b"metabt"
"""Key of the schema's metadata."""
COLUMN = "arrays"
"""Name of the column."""
ALIGNED = 8
"""Arrays begin at multiples of so many bytes."""


def encode(value: object) -> pa.Buffer:
    """Return a dataclass as one Arrow IPC stream: equal values give equal bytes.

    Raises
    ------
    TypeError
        For anything but the classes listed here, arrays, text, numbers, dates, None, and tuples of these.
    """
    pieces = _Pieces()
    layout = json.dumps(_plain(value, pieces), separators=(",", ":"))
    data = pa.py_buffer(b"".join(pieces.data))
    column = pa.Array.from_buffers(pa.uint8(), pieces.size, [None, data])
    schema = pa.schema([pa.field(COLUMN, pa.uint8())], {LAYOUT: layout})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays([column], schema=schema))
    return sink.getvalue()


def decode(data: bytes | memoryview | pa.Buffer) -> Any:
    """Return the value that `encode` wrote."""
    with pa.ipc.open_stream(data) as reader:
        batch = reader.read_next_batch()
        layout = json.loads(reader.schema.metadata[LAYOUT])
    flat = np.frombuffer(batch.column(COLUMN).buffers()[1], np.uint8)
    flat.flags.writeable = False
    return _value(layout, flat)


class _Pieces:
    """Bytes of arrays, one after another."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.size = 0

    def add(self, array: np.ndarray) -> int:
        """Add an array; return where it begins."""
        start, data = self.size, array.tobytes()
        padding = -len(data) % ALIGNED
        self.data.append(data)
        if padding:
            self.data.append(bytes(padding))
        self.size += len(data) + padding
        return start


def _plain(value: object, pieces: _Pieces) -> Any:
    cls = type(value)
    if cls is np.ndarray:
        array = cast(np.ndarray, value)
        if array.dtype.kind in STORABLE:
            return {"array": array.dtype.str, "at": pieces.add(array), "shape": array.shape}
    elif value is None or isinstance(value, bool | str | int | float):
        return value
    elif cls is tuple:
        return [_plain(item, pieces) for item in cast(tuple, value)]
    elif cls in NAMES:
        return {"is": cls.__name__, **{name: _plain(getattr(value, name), pieces) for name in NAMES[cls]}}
    elif cls is np.datetime64:
        return {"date": int(cast(np.datetime64, value).astype("datetime64[D]").astype(np.int64))}
    raise TypeError(
        f"cannot store {cls.__name__} {value!r}; wanted one of {', '.join(CLASSES)}, arrays and plain values"
    )


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
