"""Ages and sizes as people write them: `30d`, `12h`, `10G`, `500MB`."""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction

from metabt.errors import ConfigError

MINUTES = {"m": 1, "h": 60, "d": 1_440, "w": 10_080}
"""Unit of an age -> minutes."""
POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
"""Unit of a size -> power of 1024."""

_AGE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?([mhdw])")
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([KMGT]?)(?:i?B)?", re.IGNORECASE)


def parse_age(text: str) -> timedelta:
    """Return the age that `text` names, such as `30d`.

    Raises
    ------
    ConfigError
        When it names none.
    """
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"'{text}' is no age: a number and one of m (minutes), h (hours), d (days) or w (weeks) are wanted, "
            "such as 30d"
        )
    return timedelta(minutes=float(match[1]) * MINUTES[match[2]])


def parse_size(text: str) -> int:
    """Return the bytes that `text` names, such as `10G`, in powers of 1024.

    Raises
    ------
    ConfigError
        When it names none.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"'{text}' is no size: a number and one of K, M, G or T (powers of 1024 bytes) are wanted, such as 10G"
        )
    return int(Fraction(match[1]) * 1024 ** POWERS[match[2].upper()])
