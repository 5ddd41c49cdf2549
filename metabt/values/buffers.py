"""Buffers: NumPy arrays and texts as Arrow arrays and back, by the bytes that both understand.

1. `from_numpy`: numbers and dates share their bytes, flags are packed to bits; what is missing is marked in a bitmap.
2. `from_texts`: where each text begins, and the bytes of all of them one after another.
3. `to_numpy`: the inverse of 1; a NULL is NaN or NaT, and where a type has neither, 0.

pyarrow's own `pa.array` and `to_numpy` import pandas, only to see whether a value is one of its: a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

NUMPY = {
    pa.date32(): "M8[D]",
    pa.timestamp("us"): "M8[us]",
    pa.float64(): "f8",
    pa.float32(): "f4",
    pa.float16(): "f2",
    **{getattr(pa, f"{sign}int{8 * size}")(): f"{sign or 'i'}{size}" for sign in ("", "u") for size in (1, 2, 4, 8)},
}
"""Arrow's type -> NumPy's, of the same bytes unless it is a date; flags aside."""
ARROW = {np.dtype(name): kind for kind, name in NUMPY.items()}
"""NumPy's type -> Arrow's."""
SHORT = 2**31 - 1
"""Bytes that the texts of one array may have where their places are counted in 32 bits."""


def from_numpy(values: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Return flags, numbers or dates as Arrow, NULL where they are `missing` or NaT.

    Parameters
    ----------
    values : (n_rows,) of a type in `ARROW`, or bool
    missing : (n_rows,) bool

    Raises
    ------
    TypeError
        For another type.
    """
    kind = values.dtype.kind
    if kind == "M" and missing is None:
        missing = np.isnat(values)
    valid = None if missing is None or not missing.any() else pa.py_buffer(_packed(~missing))
    if kind == "b":
        return pa.Array.from_buffers(pa.bool_(), len(values), [valid, pa.py_buffer(_packed(values))])
    if values.dtype not in ARROW:
        raise TypeError(f"no column for NumPy's {values.dtype}; wanted bool or one of {', '.join(map(str, ARROW))}")
    type_ = ARROW[values.dtype]
    stored = values.astype(np.int64).astype(np.int32) if type_ == pa.date32() else values
    data = pa.py_buffer(np.ascontiguousarray(stored).view(np.uint8))
    return pa.Array.from_buffers(type_, len(values), [valid, data])


def from_texts(texts: Sequence[str | None], *, large: bool = False) -> pa.Array:
    """Return texts as an Arrow array, (n_texts,): `string`, or `large_string` beyond `SHORT` bytes; None is NULL.

    `large` has it be a `large_string` whatever its size, as the parts of one stream have one type.
    """
    encoded = [b"" if text is None else text.encode() for text in texts]
    starts = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(item) for item in encoded], out=starts[1:])
    is_large = large or starts[-1] > SHORT
    starts = starts if is_large else starts.astype(np.int32)
    missing = np.array([text is None for text in texts], np.bool_)
    valid = pa.py_buffer(_packed(~missing)) if missing.any() else None
    return pa.Array.from_buffers(
        pa.large_string() if is_large else pa.string(),
        len(encoded),
        [valid, pa.py_buffer(starts.view(np.uint8)), pa.py_buffer(b"".join(encoded))],
    )


def to_numpy(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return flags, numbers or dates as NumPy, read-only: the bytes are shared where both lay them out alike."""
    array = _joined(column) if isinstance(column, pa.ChunkedArray) else column
    valid, data = array.buffers()
    rows = slice(array.offset, array.offset + len(array))
    if array.type == pa.bool_():
        values = _unpacked(data, rows)
    elif array.type == pa.date32():
        values = _shared(data, np.int32, rows).astype(np.int64).view(NUMPY[array.type])
    else:
        values = _shared(data, NUMPY[array.type], rows)
    if array.null_count:
        missing = ~_unpacked(valid, rows)
        values = values.copy()
        values[missing] = {"f": np.nan, "M": np.datetime64("NaT")}.get(values.dtype.kind, 0)
    values.flags.writeable = False
    return values


def _joined(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks else pa.nulls(0, column.type)  # of none it asks pandas


def _packed(flags: np.ndarray) -> np.ndarray:
    return np.packbits(flags, bitorder="little")


def _unpacked(data: pa.Buffer | None, rows: slice) -> np.ndarray:
    bits = _shared(data, np.uint8, slice(0, (rows.stop + 7) // 8))
    return np.unpackbits(bits, count=rows.stop, bitorder="little")[rows].view(np.bool_)


def _shared(data: pa.Buffer | None, dtype: object, rows: slice) -> np.ndarray:
    if data is None or not rows.stop:
        return np.zeros(0, dtype)  # type: ignore[call-overload]  # whatever NumPy takes
    return np.frombuffer(data, dtype, count=rows.stop)[rows]  # type: ignore[call-overload]  # the same
