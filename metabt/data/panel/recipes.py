"""Recipes: how one partition of a panel is computed, as a value that another process can call.

1. `FromPrices` reads whole partitions, with the prices that assets enter them with, and cuts afterwards: the returns
   of a cut are those of the whole.
2. `Mapped` calls a function with up to `before` sessions ahead of the partition, and the partition. It never gets a
   later session, and what it returns is trimmed to the partition.
3. `Picked` and `Trimmed` leave columns and rows out of what a function returned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from metabt.data.panel.sheet import Sheet, join_sheets
from metabt.data.prices import Prices
from metabt.errors import DataError
from metabt.numerics.platform import one_thread

Recipe = Callable[[], Sheet]
"""Returns one partition."""
Function = Callable[[Sheet], Sheet]
"""A user's function: takes a sheet, and returns one with a row for each row that it was given."""


@dataclass(frozen=True)
class FromPrices:
    """A partition of prices."""

    read: Callable[[], Prices]
    """Returns the whole partitions that hold the rows."""
    rows: slice
    """Sessions wanted, counted from the first that is read."""
    fields: tuple[str, ...]
    """Which of close, returns and volume are wanted."""

    def __call__(self) -> Sheet:
        """Read, cut and keep the wanted fields."""
        prices = self.read().rows(self.rows)
        return Sheet(prices.dates, prices.symbols, {name: getattr(prices, name) for name in self.fields})


@dataclass(frozen=True)
class Held:
    """A partition that is in memory."""

    sheet: Sheet
    """The partition."""

    def __call__(self) -> Sheet:
        """Return the partition."""
        return self.sheet


@dataclass(frozen=True)
class Mapped:
    """The answer of a function to a partition and some sessions before it."""

    function: Function
    """Given a sheet, returns one of the same sessions."""
    parts: tuple[Recipe, ...]
    """Earlier partitions as far back as needed, and the partition itself, last."""
    before: int
    """Sessions ahead of the partition that the function sees, at most."""
    label: str
    """The partition's label."""

    def __call__(self) -> Sheet:
        """Follow the recipes, call the function and trim what it returns.

        Raises
        ------
        DataError
            For an answer that is no sheet, or has other sessions than it was given.
        """
        sheets = [part() for part in self.parts]
        own = len(sheets[-1].dates)
        whole = join_sheets(sheets)
        given = whole.rows(slice(max(len(whole.dates) - own - self.before, 0), None))
        with one_thread():
            answer = self.function(given)
        self._check(answer, given, own)
        return answer.rows(slice(len(given.dates) - own, None))

    def _check(self, answer: object, given: Sheet, own: int) -> None:
        name = getattr(self.function, "__qualname__", repr(self.function))
        if not isinstance(answer, Sheet):
            raise DataError(
                f"function '{name}' returned a {type(answer).__name__} for partition {self.label}, wanted a Sheet; "
                "return sheet.derive(name=matrix)"
            )
        if answer.dates.tobytes() != given.dates.tobytes():
            history = len(given.dates) - own
            raise DataError(
                f"function '{name}' returned {len(answer.dates)} sessions for partition {self.label}, wanted the "
                f"{len(given.dates)} that it was given ({history} before the partition and its own {own}); "
                "return a row for each, NaN where nothing is known"
            )


@dataclass(frozen=True)
class Picked:
    """Some columns of a partition."""

    part: Recipe
    """Where they are from."""
    symbols: tuple[str, ...] | None
    """Which symbols; None is all."""
    fields: tuple[str, ...] | None
    """Which fields; None is all."""

    def __call__(self) -> Sheet:
        """Leave the other columns out."""
        return self.part().pick(self.symbols, self.fields)


@dataclass(frozen=True)
class Trimmed:
    """Some rows of a partition."""

    part: Recipe
    """Where they are from."""
    rows: slice
    """Sessions wanted, counted from the partition's first."""

    def __call__(self) -> Sheet:
        """Leave the other rows out."""
        return self.part().rows(self.rows)
