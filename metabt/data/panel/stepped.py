"""Stepped: a dataset whose returns a step has passed, as a dataset of its own.

1. Its calendar, closes and volumes are those of the dataset beneath: an asset is tradable where it has a price, and
   trades are valued at that price. Its returns are what the step says of them.
2. A step is called by calendar year, with up to `before` sessions ahead, however much is read at once: bits depend
   neither on the cut nor on the process. One that is `whole` gets all symbols of the dataset, any other one asset at a
   time.
3. What it answers has the same sessions and symbols, and a return only where there was one; NaN takes it away.
4. The digest of a cell is that of the step, and of all that the step reads: the symbol's own observations, or all
   symbols', in the partitions that `before` reaches, and the sessions in between. No price is read for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from metabt.data.dataset import FIELDS, Dataset, Names, Part
from metabt.data.facts import Digests, Facts
from metabt.data.panel.recipes import called
from metabt.data.panel.sheet import Sheet
from metabt.data.prices import Prices
from metabt.data.step import Step
from metabt.errors import DataError, MetabtError
from metabt.numerics.platform import one_thread
from metabt.values.digests import joint_digest

RETURNS = "returns"
"""The field that a step answers with."""


def stepped(beneath: Dataset, step: Step, symbols: Names | None = None) -> Dataset:
    """Return a dataset with a step between its prices and its returns; nothing is read.

    Parameters
    ----------
    beneath : Dataset
        The dataset that the step reads: of a step that is whole, with all its symbols.
    step : Step
        What makes the returns.
    symbols : tuple of str, optional
        Symbols of the new dataset, sorted; None is all.
    """
    known = beneath.facts
    names = known.symbols if symbols is None else symbols
    facts = replace(known, symbols=names, read_digests=partial(_digests, known, step, names), panel=None)
    return over(step, beneath, facts)


def over(step: Step, beneath: Dataset, facts: Facts) -> Dataset:
    """Return the dataset that `stepped` made, with its facts as they are, over another way to read what is beneath."""
    return Dataset(facts, partial(_part, beneath, step), beneath.stored, step, beneath, partial(over, step))


def layers(dataset: Dataset) -> Iterator[Dataset]:
    """Yield those of a dataset and of what is beneath it that have a step, the lowest first."""
    if dataset.beneath is not None:
        yield from layers(dataset.beneath)
    if dataset.step is not None:
        yield dataset


def returns_of(step: Step, prices: Prices, parts: Sequence[slice]) -> np.ndarray:
    """Return what a step makes of some consecutive partitions of prices, which may begin earlier.

    Parameters
    ----------
    step : Step
    prices : Prices
        Of all that the step reads: `before` sessions ahead of the first partition, where there are as many.
    parts : sequence of slice
        Rows of each partition, in time order.

    Returns
    -------
    (n_sessions, n_assets) float64
        Returns in the sessions of the partitions; NaN where there is none.

    Raises
    ------
    DataError
        For an answer that is no sheet of the same sessions and symbols with the field returns; for a return of -1 or
        less, or where the asset has none; for whatever the step raises.
    """
    first = parts[0].start
    found = np.full((parts[-1].stop - first, len(prices.symbols)), np.nan)
    with one_thread():
        for columns in shown_together(step, len(prices.symbols)):
            for own in parts:
                given = slice(max(own.start - step.before, 0), own.stop)
                if prices.observed[own, columns].any():
                    rows = slice(own.start - first, own.stop - first)
                    found[rows, columns] = answer(step, sheet_of(prices, given, columns), own.stop - own.start)
    _check_returns(step, prices.rows(slice(first, parts[-1].stop)), found)
    return found


def shown_together(step: Step, n_assets: int) -> Iterator[slice]:
    """Yield the columns that a step is shown at a time."""
    if step.whole:
        yield slice(0, n_assets)
    else:
        yield from (slice(column, column + 1) for column in range(n_assets))


def sheet_of(prices: Prices, rows: slice, columns: slice) -> Sheet:
    """Return what a step is shown of prices: close, returns and, where there is any, volume."""
    fields = {"close": prices.close, RETURNS: prices.returns}
    if prices.volume is not None:
        fields["volume"] = prices.volume
    # copies: what lies around them must not decide in which order a function's sums are taken
    cut = {name: np.ascontiguousarray(matrix[rows, columns]) for name, matrix in fields.items()}
    return Sheet(prices.dates[rows], prices.symbols[columns], cut)


def answer(step: Step, given: Sheet, own: int) -> np.ndarray:
    """Return what a step says of the last `own` sessions of a sheet, (own, n_assets).

    Raises
    ------
    DataError
        For an answer that cannot be meant, and for whatever the step raises.
    """
    label = str(given.dates[-1].astype("datetime64[Y]"))
    where = f"{given.symbols[0]} in {label}" if len(given.symbols) == 1 else f"{len(given.symbols)} symbols in {label}"
    try:
        found = called(step.function, given, own, label)
    except MetabtError as error:
        raise DataError(f"step '{step.name}': {error}") from error
    except Exception as error:  # foreign code may raise anything: the run ends, and the step is named
        raise DataError(f"step '{step.name}' failed with {where}: {type(error).__name__}: {error}") from error
    if tuple(found.symbols) != given.symbols:
        raise DataError(
            f"step '{step.name}' returned {len(found.symbols)} symbols for {where}, wanted the {len(given.symbols)} "
            "that it was given, in their order; return sheet.derive(returns=matrix)"
        )
    if RETURNS not in found.fields:
        raise DataError(
            f"step '{step.name}' returned {', '.join(found.fields) or 'nothing'} for {where}, wanted the field "
            "returns; return sheet.derive(returns=matrix)"
        )
    return found.fields[RETURNS]


def _check_returns(step: Step, prices: Prices, found: np.ndarray) -> None:
    """Raise DataError for the first return that cannot be; take away those that repeat that there is none."""
    known = prices.observed
    lost = (found == -1) & (prices.returns == -1)  # a delisting may take everything
    impossible = ~np.isnan(found) & ~((found > -1) & (found < np.inf) | lost)
    invented = ~known & ~np.isnan(found) & (found != 0)
    for bad, what in (
        (impossible, "returns are above -1 and finite; NaN takes one away"),
        (invented, "the asset has no return there (no price, or none before it); leave 0 or NaN"),
    ):
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise DataError(
                f"step '{step.name}': {prices.symbols[column]} on {prices.dates[row]}: return {found[row, column]:g}; "
                f"{what} ({int(bad.sum())} such returns in all)"
            )
    found[~known] = np.nan


def _part(beneath: Dataset, step: Step, rows: slice, symbols: Names, fields: Names) -> Part:
    if RETURNS not in fields:  # closes and volumes are those beneath
        return beneath.part(rows, symbols, fields)
    parts = [part for part in beneath.facts.partitions.values() if part.stop > rows.start and part.start < rows.stop]
    first = _first_read(beneath.facts, step, parts[0])
    read = beneath.part(slice(first, rows.stop), beneath.facts.symbols if step.whole else symbols, FIELDS)
    return partial(_read, read, step, tuple(slice(it.start - first, it.stop - first) for it in parts), symbols)


def _read(read: Part, step: Step, parts: tuple[slice, ...], symbols: Names) -> Prices:
    prices = read()
    found = returns_of(step, prices, parts)
    return replace(prices.rows(slice(parts[0].start, None)), stated=found).select(symbols)


def _first_read(known: Facts, step: Step, part: slice) -> int:
    """Return the first row of the partition that a step reaches back to."""
    reached = known.touched(slice(max(part.start - step.before, 0), part.stop))
    return known.partitions[reached[0]].start


def _digests(known: Facts, step: Step, symbols: Names) -> Digests:
    """Return the digests of what a step makes, by cell: of the step, the sessions, and all that it reads."""
    fields = ("close", "volume") if known.has_volume else ("close",)
    shared: dict[str, str] = {}
    reaches = {label: slice(max(part.start - step.before, 0), part.stop) for label, part in known.partitions.items()}
    for label, reach in reaches.items():
        texts = [step.digest, known.calendar_digest(reach)]
        if step.whole:
            texts.append(known.digest_of(known.symbols, reach, fields))
        shared[label] = joint_digest(texts)
    found, wanted = {}, frozenset(symbols)
    for cell, text in known.digests.items():
        symbol, label, field = cell
        if symbol in wanted:
            own = text if step.whole else known.digest_of((symbol,), reaches[label], fields)
            found[cell] = joint_digest([shared[label], own]) if field == "close" else text
    return found
