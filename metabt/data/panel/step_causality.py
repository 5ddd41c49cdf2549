"""Step causality: whether what a step says of a session depends on later ones, or on more history than it asked for.

1. Take away every session behind T: what the step says of T's partition up to T must be what it said before, to the
   bit. So a row that looks ahead is found at any T in between, and a step that answers by chance everywhere.
2. Show it T and the `before` sessions ahead of it alone: what it says of T must be what it said before, but for
   rounding. So its answer is that on the whole history, wherever partitions begin.
3. Few assets are looked at in every session; of many, where a cleaning would act: at their largest returns and right
   before them, in their gaps, and in others spread from the first to the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from metabt.data.dataset import FIELDS, Dataset
from metabt.data.panel.stepped import answer, returns_of, sheet_of, shown_together
from metabt.data.prices import Prices
from metabt.data.step import Step
from metabt.errors import DataError
from metabt.numerics.platform import one_thread

CALLS = 16_000
"""Sessions that are looked at, of all assets together, about."""
LEAST = 16
"""Sessions that are looked at of an asset at least."""
AT_ONCE = 64
"""Symbols whose prices are held at a time, of a step that is shown each by itself."""
ROUNDING = 1e-9
"""Part of (1 + a return) by which a return may differ where the step is shown other history."""


@dataclass(frozen=True, order=True)
class Moved:
    """A return that is another one when other sessions are shown."""

    behind: bool
    """Whether earlier sessions were taken away, else later ones: what looks ahead is told first."""
    session: np.datetime64
    symbol: str
    value: float
    other: float


def check_step(dataset: Dataset) -> None:
    """Raise DataError where a dataset's step looks ahead, or further back than it says.

    Parameters
    ----------
    dataset : Dataset
        One with a step; prices of its symbols, or of all that the step reads, are read.

    Raises
    ------
    DataError
        With the first session and asset whose return moved, as far as was looked; and as `returns_of` does.
    """
    step, beneath = dataset.step, dataset.beneath
    assert step is not None and beneath is not None  # it is asked of datasets with a step
    symbols = beneath.facts.symbols if step.whole else dataset.facts.symbols
    size = len(symbols) if step.whole else AT_ONCE
    n_cuts = max(CALLS // (1 if step.whole else len(symbols)), LEAST)
    if step.whole:
        n_cuts = max(n_cuts // len(symbols), LEAST)  # each takes as long as all symbols do
    found = []
    for start in range(0, len(symbols), size):
        some = symbols[start : start + size]
        prices = beneath.part(slice(0, len(beneath.facts.dates)), some, FIELDS)()
        found += list(_moved(step, prices, tuple(beneath.facts.partitions.values()), n_cuts))
    if found:
        raise DataError(_told(step, dataset.facts.name, min(found)))


def _moved(step: Step, prices: Prices, parts: tuple[slice, ...], n_cuts: int) -> Iterator[Moved]:
    """Yield the first return that moves in each group of assets that is shown together."""
    whole = returns_of(step, prices, parts)
    with one_thread():
        for columns in shown_together(step, len(prices.symbols)):
            rows = _looked_at(prices, columns, n_cuts)
            found = list(_moved_at(step, prices, parts, columns, rows, whole))
            if found and len(rows) < len(prices.dates):  # which is the first is worth a longer look
                first = int(np.searchsorted(prices.dates, min(found).session))
                found += _moved_at(step, prices, parts, columns, np.arange(first + 1), whole)
            if found:
                yield min(found)


def _moved_at(
    step: Step, prices: Prices, parts: tuple[slice, ...], columns: slice, rows: np.ndarray, whole: np.ndarray
) -> Iterator[Moved]:
    """Yield the first return that moves for each of some sessions that are the last, or the first, to be shown."""
    starts = np.array([part.start for part in parts])
    for row in rows.tolist():
        start = int(starts[np.searchsorted(starts, row, side="right") - 1])
        own = slice(start, row + 1)
        shown = slice(max(start - step.before, 0), row + 1)
        alone = _answered(step, prices, shown, own, columns)
        yield from _first(prices, own, columns, whole, alone, 0.0, behind=False)
        if row - step.before > shown.start:  # else it has just been shown so
            last = slice(row, row + 1)
            alone = _answered(step, prices, slice(row - step.before, row + 1), last, columns)
            yield from _first(prices, last, columns, whole, alone, ROUNDING, behind=True)


def _answered(step: Step, prices: Prices, shown: slice, own: slice, columns: slice) -> np.ndarray:
    found = answer(step, sheet_of(prices, shown, columns), own.stop - own.start).copy()
    found[~prices.observed[own, columns]] = np.nan
    return found


def _first(
    prices: Prices, own: slice, columns: slice, whole: np.ndarray, alone: np.ndarray, rounding: float, *, behind: bool
) -> Iterator[Moved]:
    """Yield the first of some returns that is another one, if any is."""
    before = whole[own, columns]
    same = (before == alone) | (np.isnan(before) & np.isnan(alone))
    if rounding:
        same |= np.abs(before - alone) <= rounding * (1 + np.abs(before))
    if not same.all():
        row, column = np.argwhere(~same)[0]
        symbol = prices.symbols[columns][column]
        yield Moved(behind, prices.dates[own][row], symbol, float(before[row, column]), float(alone[row, column]))


def _looked_at(prices: Prices, columns: slice, n_cuts: int) -> np.ndarray:
    """Return sessions to look at, increasing: all, or those where returns are largest, gaps, and others spread."""
    n_rows = len(prices.dates)
    if n_cuts >= n_rows:
        return np.arange(n_rows)
    sizes = np.abs(prices.returns[:, columns]).max(axis=1)
    observed = prices.priced[:, columns].all(axis=1)
    largest = np.argsort(-sizes, kind="stable")[: n_cuts // 8]
    largest = np.concatenate([largest, np.maximum(largest - 1, 0)])  # who knows one beforehand shows it the day before
    gaps = np.flatnonzero(~observed)
    gaps = gaps[np.linspace(0, len(gaps) - 1, min(len(gaps), n_cuts // 4), dtype=int)] if len(gaps) else gaps
    spread = np.linspace(0, n_rows - 1, n_cuts - len(largest) - len(gaps), dtype=int)
    return np.unique(np.concatenate([largest, gaps, spread]))


def _told(step: Step, dataset: str, moved: Moved) -> str:
    who = f"dataset '{dataset}': step '{step.name}'"
    what = f"its return of {moved.symbol} on {moved.session} is {moved.value:g}, and {moved.other:g} when"
    if not moved.behind:
        return (
            f"{who} looks ahead: {what} later sessions are taken away; "
            "let each row of its answer depend on that row and earlier ones alone"
        )
    return (
        f"{who} needs more than the {step.before} sessions of history that it asks for: {what} it is shown no more; "
        "state a larger `before`, or look back less"
    )
