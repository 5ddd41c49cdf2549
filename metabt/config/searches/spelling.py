"""Spelling: a plain value as the text of an override that Hydra's grammar reads back as the same value."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from metabt.errors import ConfigError
from metabt.values.arguments import NO_SCALAR, scalar, shown

BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*|\d{4}-\d{2}-\d{2}")
"""Text that needs no quotes: words, names and dates."""
WORDS = frozenset(("null", "true", "false", "nan", "inf"))
"""Words that the grammar reads as something else, in any case."""


def spelled(who: str, value: Any) -> str:
    """Return a value as an override states it.

    Parameters
    ----------
    who : what is set to it, for messages
    value : None, a truth value, a number, text, a date, or a list or mapping of these

    Raises
    ------
    ConfigError
        For anything else.

    Examples
    --------
    >>> spelled("optimizer", {"name": "erc", "max_weight": 0.5}), spelled("name", "a, b"), spelled("lag", None)
    ('{name:erc,max_weight:0.5}', "'a, b'", 'null')
    """
    found = scalar(who, value)
    if found is None or isinstance(found, bool):
        return {None: "null", True: "true", False: "false"}[found]
    if isinstance(found, float) and not math.isfinite(found):
        raise ConfigError(f"{who} is {found}, wanted a finite number")
    if isinstance(found, int | float):
        return repr(found)
    if isinstance(found, str):
        return found if BARE.fullmatch(found) and found.lower() not in WORDS else _quoted(found)
    assert found is NO_SCALAR  # all scalars are above
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_key(who, key)}:{spelled(f'{who}.{key}', it)}" for key, it in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return "[" + ",".join(spelled(who, item) for item in value) + "]"
    raise ConfigError(f"{who} is {shown(value)}, wanted text, a number, a date, a list or a mapping")


def _quoted(text: str) -> str:
    r"""Return text in quotes; a backslash is doubled where it stands before a quote, as the grammar reads it."""
    return "'" + re.sub(r"(\\*)('|$)", lambda it: it[1] * 2 + ("\\'" if it[2] else ""), text) + "'"


def _key(who: str, key: object) -> str:
    if not isinstance(key, str) or not BARE.fullmatch(key):
        raise ConfigError(f"{who} has the key {shown(key)}, wanted a plain word")
    return key
