"""Columns: what every reader hands over, whatever it read."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

Name = str | tuple[str, str]
"""A column's name; where columns have two levels, such as a field and a symbol, a pair."""
Columns = list[tuple[Name, pa.Array]]
"""Names and cells, in the order of the source."""


@dataclass(frozen=True)
class Table:
    """A source as named columns."""

    columns: Columns
    """Names and cells."""
    notes: tuple[str, ...] = ()
    """What was chosen or left out while reading, in sentences."""
    continental: bool = False
    """Cells are text that no comma separates, as where a comma is the decimal sign."""


def shown(name: Name) -> str:
    """Return a column's name as text, for messages."""
    return name if isinstance(name, str) else "/".join(part for part in name if part)


def flat(columns: Columns) -> list[tuple[str, pa.Array]]:
    """Return the columns under names of one level."""
    return [(shown(name), column) for name, column in columns]


def listed(names: list[str], most: int = 6) -> str:
    """Return names for a message, the first few of them."""
    return ", ".join(repr(name) for name in names[:most]) + (f" and {len(names) - most} more" * (len(names) > most))
