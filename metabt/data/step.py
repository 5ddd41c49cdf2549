"""Step: what makes a dataset's returns of its prices, as a value that another process can call.

A step is called with a partition and up to `before` sessions ahead of it, as `Panel.map_overlap` calls a function. By
default it is shown one asset at a time, so that no other can change a bit of its returns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """One step between the prices of a dataset and whoever reads its returns."""

    name: str
    """What configuration calls it."""
    function: Callable[[Any], Any]
    """Takes a Sheet of close, returns and, where there is any, volume; returns one with the field returns. It is
    pickled."""
    before: int
    """Sessions ahead of a partition that it sees, at most."""
    whole: bool
    """Whether it is shown all symbols of the dataset together; else each by itself."""
    digest: str
    """Digest of its code, its parameters, and how it is called."""
    text: str
    """Its name, parameters and how it is called, for people."""
    packages: tuple[tuple[str, str], ...] = ()
    """(package, version) of what it comes from, sorted; of files a digest."""
