"""Digests of plain values and arrays: what a result is addressed by.

1. A value becomes canonical JSON: sorted keys, no whitespace, and a tag around all that is no JSON scalar or list, so
   that no two values share a text: `digest` and `joint_digest` are injective up to SHA-256.
2. An array becomes its dtype, shape and bytes.
3. Anything else is refused: what cannot be written down cannot address a result. Code has a digest of its own kind
   (metabt.values.reached_code).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass

import numpy as np


def digest(value: object) -> str:
    """Return the SHA-256 (hex) of a plain value.

    Raises
    ------
    TypeError
        For anything but None, bool, int, float, str, dates, arrays, and lists, tuples, dicts or dataclasses of these.
    """
    text = json.dumps(json_form(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def json_form(value: object) -> object:
    """Return `value` as JSON types of which no other value is made; a list and a tuple of the same items are one value.

    Every object has one key, which says what it is: a mapping is `{"dict": {...}}`, so none of them is taken for a
    float, a date, an array or a dataclass.
    """
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float | np.floating):
        return {"float": float(value).hex()}
    if isinstance(value, np.ndarray):
        return {"array": array_digest(value)}
    if isinstance(value, list | tuple):
        return [json_form(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {"dataclass": [type(value).__name__, {f.name: json_form(getattr(value, f.name)) for f in fields(value)}]}
    if isinstance(value, np.datetime64):
        return {"date": [value.dtype.str, str(value)]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: json_form(item) for key, item in value.items()}}
    raise TypeError(
        f"cannot fingerprint {type(value).__name__} {value!r}; use plain values, or register it as a plug-in"
    )


def joint_digest(texts: Iterable[str]) -> str:
    """Return one SHA-256 (hex) of texts in order, before each its length: faster than `digest` for many digests."""
    return hashlib.sha256("".join([f"{len(text)}:{text}" for text in texts]).encode()).hexdigest()


def array_digest(*arrays: np.ndarray) -> str:
    """Return one SHA-256 (hex) over the dtype, shape and bytes of each array, in order.

    Raises
    ------
    TypeError
        For arrays of objects or of records: their bytes are not what they hold.
    """
    total = hashlib.sha256()
    for array in arrays:
        if array.dtype.kind not in "biufcSUmM":
            raise TypeError(f"cannot fingerprint an array of {array.dtype}; use numbers, flags, dates or text")
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
