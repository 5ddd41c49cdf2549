"""Codec: dataclasses of arrays to Arrow IPC and back, without pickle.

1. A value is a tree of dataclasses, arrays and scalars. Every array becomes a column, all in one row.
2. What is not an array stands in the schema's metadata as JSON, with a reference where an array belongs.
3. Reading builds only the classes listed here; arrays are read-only views of the bytes.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from metabt import block, holdings
from metabt.buffers import from_numpy, to_numpy
from metabt.exposure import Exposure

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
        holdings.Unpaid,
        Exposure,
    )
}
"""What may be stored, by name."""

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
    arrays: list[np.ndarray] = []
    layout = json.dumps(_plain(value, arrays), separators=(",", ":"))
    columns = [_column(array) for array in arrays]
    names = [str(position) for position in range(len(columns))]
    schema = pa.schema(
        [pa.field(name, column.type) for name, column in zip(names, columns, strict=True)], {LAYOUT: layout}
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))
    return sink.getvalue()


def decode(data: bytes | memoryview | pa.Buffer) -> Any:
    """Return the value that `encode` wrote."""
    with pa.ipc.open_stream(data) as reader:
        batch = reader.read_next_batch()
        layout = json.loads(reader.schema.metadata[LAYOUT])
    return _value(layout, batch)


def _plain(value: object, arrays: list[np.ndarray]) -> Any:
    if value is None or isinstance(value, bool | str | int | float):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in STORABLE:
        arrays.append(value)
        return {"array": len(arrays) - 1, "dtype": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, np.datetime64):
        return {"date": int(value.astype("datetime64[D]").astype(np.int64))}
    if isinstance(value, tuple):
        return [_plain(item, arrays) for item in value]
    name = type(value).__name__
    if is_dataclass(value) and CLASSES.get(name) is type(value):
        return {"is": name, **{f.name: _plain(getattr(value, f.name), arrays) for f in fields(value)}}
    raise TypeError(f"cannot store {name} {value!r}; wanted one of {', '.join(CLASSES)}, arrays and plain values")


def _column(array: np.ndarray) -> pa.Array:
    flat = np.ascontiguousarray(array).reshape(-1)
    flat = flat.view(STORED_AS.get(flat.dtype.kind, flat.dtype))
    return pa.LargeListArray.from_arrays(from_numpy(np.array([0, len(flat)])), from_numpy(flat))


def _value(plain: Any, batch: pa.RecordBatch) -> Any:
    if isinstance(plain, list):
        return tuple(_value(item, batch) for item in plain)
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        flat = to_numpy(batch.column(plain["array"]).values)
        return flat.view(plain["dtype"]).reshape(plain["shape"])
    if "date" in plain:
        return np.datetime64(plain["date"], "D")
    return CLASSES[plain["is"]](**{name: _value(item, batch) for name, item in plain.items() if name != "is"})
