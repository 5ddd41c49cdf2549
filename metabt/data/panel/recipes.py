"""Recipes: how one partition of a panel is computed, as a value that another process can call.

A recipe is a `functools.partial` of one of the functions here:

1. `cut` reads whole partitions, with the prices that assets enter them with, and cuts afterwards: the returns of a cut
   are those of the whole.
2. `mapped` calls a function with up to `before` sessions ahead of the partition, and the partition. It never gets a
   later session, and what it returns is trimmed to the partition.
   `called` is that one call.
3. `picked` and `trimmed` leave columns and rows out of what a function returned.
4. `kept` is a partition that is in memory.
"""

from __future__ import annotations

from collections.abc import Callable

from metabt.data.dataset import Names, Part
from metabt.data.panel.sheet import Sheet, join_sheets
from metabt.errors import DataError
from metabt.numerics.platform import one_thread

Recipe = Callable[[], Sheet]
"""Returns one partition."""
Function = Callable[[Sheet], Sheet]
"""A user's function: takes a sheet, and returns one with a row for each row that it was given."""


def cut(read: Part, rows: slice, fields: Names) -> Sheet:
    """Return `rows` of the whole partitions that `read` returns, counted from their first session, and some fields."""
    prices = read().rows(rows)
    return Sheet(prices.dates, prices.symbols, {name: getattr(prices, name) for name in fields})


def kept(sheet: Sheet) -> Sheet:
    """Return a partition that is in memory."""
    return sheet


def mapped(function: Function, parts: tuple[Recipe, ...], before: int, label: str) -> Sheet:
    """Call the recipes of the sheets that a function needs, call the function, and trim what it returns.

    Parameters
    ----------
    function : given a sheet, returns one of the same sessions
    parts : earlier partitions as far back as needed, and the partition itself, last
    before : sessions ahead of the partition that the function sees, at most
    label : the partition's label

    Raises
    ------
    DataError
        For an answer that is no sheet, or has other sessions than it was given.
    """
    sheets = [part() for part in parts]
    own = len(sheets[-1].dates)
    whole = join_sheets(sheets)
    with one_thread():
        return called(function, whole.rows(slice(max(len(whole.dates) - own - before, 0), None)), own, label)


def called(function: Function, given: Sheet, own: int, label: str) -> Sheet:
    """Call a function with a sheet, and return what it says of the last `own` sessions.

    Raises
    ------
    DataError
        For an answer that is no sheet, or has other sessions than it was given.
    """
    answer = function(given)
    _check(function, answer, given, own, label)
    return answer.rows(slice(len(given.dates) - own, None))


def picked(part: Recipe, symbols: Names | None, fields: Names | None) -> Sheet:
    """Return some columns of a partition; None is all."""
    return part().pick(symbols, fields)


def trimmed(part: Recipe, rows: slice) -> Sheet:
    """Return some rows of a partition, counted from its first."""
    return part().rows(rows)


def _check(function: Function, answer: object, given: Sheet, own: int, label: str) -> None:
    name = getattr(function, "__qualname__", repr(function))
    if not isinstance(answer, Sheet):
        raise DataError(
            f"function '{name}' returned a {type(answer).__name__} for partition {label}, wanted a Sheet; "
            "return sheet.derive(name=matrix)"
        )
    if answer.dates.tobytes() != given.dates.tobytes():
        history = len(given.dates) - own
        raise DataError(
            f"function '{name}' returned {len(answer.dates)} sessions for partition {label}, wanted the "
            f"{len(given.dates)} that it was given ({history} before the partition and its own {own}); "
            "return a row for each, NaN where nothing is known"
        )
