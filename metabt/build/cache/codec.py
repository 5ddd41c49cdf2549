"""Codec: dataclasses of arrays to Arrow IPC and back, without pickle.

1. A value is a tree of dataclasses, arrays and scalars. Arrays of one type become one column, end to end in one row:
   what takes the time in reading is the number of columns.
2. What is not an array stands in the schema's metadata as JSON, with a reference where an array belongs.
3. Reading builds only the classes listed here; arrays are read-only views of the bytes.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa

from metabt.values.buffers import from_numpy, to_numpy
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

STORED_AS = {"b": "u1", "M": "i8"}
"""Kind of a NumPy type -> the type its bytes are stored as, where Arrow lays it out otherwise."""

STORABLE = "biufM"
"""Kinds of NumPy types that may be stored: flags, numbers and dates."""

LAYOUT = b"metabt"
"""Key of the schema's metadata."""


def encode(value: object) -> pa.Buffer:
    """Return a dataclass as one Arrow IPC stream: equal values give equal bytes.

    Raises
    ------
    TypeError
        For anything but the classes listed here, arrays, text, numbers, dates, None, and tuples of these.
    """
    arrays: dict[str, list[np.ndarray]] = {}
    layout = json.dumps(_plain(value, arrays), separators=(",", ":"))
    columns = {dtype: _column(np.concatenate(flat)) for dtype, flat in arrays.items()}
    schema = pa.schema([pa.field(dtype, column.type) for dtype, column in columns.items()], {LAYOUT: layout})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch(list(columns.values()), schema=schema))
    return sink.getvalue()


def decode(data: bytes | memoryview | pa.Buffer) -> Any:
    """Return the value that `encode` wrote."""
    with pa.ipc.open_stream(data) as reader:
        batch = reader.read_next_batch()
        layout = json.loads(reader.schema.metadata[LAYOUT])
    names = batch.schema.names
    return _value(layout, {name: _flat(column, name) for name, column in zip(names, batch.columns, strict=True)})


def _plain(value: object, arrays: dict[str, list[np.ndarray]]) -> Any:
    if value is None or isinstance(value, bool | str | int | float):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in STORABLE:
        before = arrays.setdefault(value.dtype.str, [])
        start = sum(len(flat) for flat in before)
        before.append(np.ascontiguousarray(value).reshape(-1))
        return {"array": value.dtype.str, "from": start, "shape": list(value.shape)}
    if isinstance(value, np.datetime64):
        return {"date": int(value.astype("datetime64[D]").astype(np.int64))}
    if isinstance(value, tuple):
        return [_plain(item, arrays) for item in value]
    name = type(value).__name__
    if is_dataclass(value) and CLASSES.get(name) is type(value):
        return {"is": name, **{f.name: _plain(getattr(value, f.name), arrays) for f in fields(value)}}
    raise TypeError(f"cannot store {name} {value!r}; wanted one of {', '.join(CLASSES)}, arrays and plain values")


def _column(flat: np.ndarray) -> pa.Array:
    flat = flat.view(STORED_AS.get(flat.dtype.kind, flat.dtype))
    return pa.LargeListArray.from_arrays(from_numpy(np.array([0, len(flat)])), from_numpy(flat))


def _flat(column: pa.Array, dtype: str) -> np.ndarray:
    return to_numpy(column.values).view(dtype)


def _value(plain: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(plain, list):
        return tuple(_value(item, arrays) for item in plain)
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        start, shape = plain["from"], plain["shape"]
        return arrays[plain["array"]][start : start + prod(shape)].reshape(shape)
    if "date" in plain:
        return np.datetime64(plain["date"], "D")
    return CLASSES[plain["is"]](**{name: _value(item, arrays) for name, item in plain.items() if name != "is"})
