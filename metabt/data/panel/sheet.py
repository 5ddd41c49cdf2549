"""Sheet: some consecutive sessions of a panel in memory, a matrix for every field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metabt.errors import ConfigError, DataError, nearest
from metabt.values.arguments import shown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Sheet:
    """Sessions x assets in memory, a matrix for every field; the arrays it is given become read-only."""

    dates: np.ndarray
    """(n_sessions,) datetime64[D], strictly increasing."""
    symbols: tuple[str, ...]
    """(n_assets,) each once."""
    fields: Mapping[str, np.ndarray]
    """Name -> (n_sessions, n_assets) float64, NaN where nothing is known."""

    def __post_init__(self) -> None:
        """Check names and shapes.

        Raises
        ------
        DataError
            For a matrix of another shape or type, or a symbol that is there twice.
        """
        if not isinstance(self.dates, np.ndarray) or self.dates.dtype.kind != "M":
            raise DataError(f"sheet: dates are {shown(self.dates)}, wanted an array: np.array(dates, 'datetime64[D]')")
        if not isinstance(self.symbols, list | tuple) or not isinstance(self.fields, Mapping):
            raise DataError(
                f"sheet: symbols are {shown(self.symbols)} and fields {shown(self.fields)}, "
                "wanted a tuple of texts and a mapping of name to matrix"
            )
        if len(set(self.symbols)) != len(self.symbols):
            raise DataError(f"sheet of {len(self.symbols)} symbols: one is there twice; name each column differently")
        shape = (len(self.dates), len(self.symbols))
        for name, matrix in self.fields.items():
            if not isinstance(matrix, np.ndarray) or matrix.shape != shape or matrix.dtype != np.float64:
                raise DataError(
                    f"field '{name}' is {_described(matrix)}, wanted (sessions, symbols) = {shape} of float64; "
                    "keep a row for every session, and convert with .astype(float)"
                )
        for array in (self.dates, *self.fields.values()):
            array.flags.writeable = False

    def __repr__(self) -> str:
        dates = self.dates.astype("datetime64[D]")
        period = f"{dates[0]} .. {dates[-1]}: " if len(dates) else ""
        return (
            f"Sheet({period}{len(dates):,} sessions; symbols: {len(self.symbols):,}; fields: {', '.join(self.fields)})"
        )

    def __getitem__(self, field: str) -> np.ndarray:
        """Return the matrix of a field.

        Parameters
        ----------
        field : str
            Its name.

        Returns
        -------
        (n_sessions, n_assets) float64
            Read-only; NaN where nothing is known.

        Raises
        ------
        ConfigError
            For a field that is not there.
        """
        return self.fields[known(field, self.fields, "field")]

    def derive(self, **fields: np.ndarray) -> Sheet:
        """Return a sheet of the same sessions and symbols with other fields.

        Parameters
        ----------
        **fields : (n_sessions, n_assets) float64
            The fields of the new sheet, each under its name; the old ones are not taken along. The arrays become
            read-only.

        Returns
        -------
        Sheet

        Raises
        ------
        DataError
            For a matrix of another shape or type.
        """
        return Sheet(self.dates, self.symbols, fields)

    def rows(self, rows: slice) -> Sheet:
        """Return some consecutive sessions alone.

        Parameters
        ----------
        rows : slice
            Positions of sessions, of step 1.

        Returns
        -------
        Sheet
            Views of the arrays, no copies.
        """
        return Sheet(self.dates[rows], self.symbols, {name: matrix[rows] for name, matrix in self.fields.items()})

    def pick(self, symbols: Sequence[str] | None, fields: Sequence[str] | None) -> Sheet:
        """Return some symbols and some fields alone, in the order given.

        Parameters
        ----------
        symbols : sequence of str, optional
            Each once; None is all.
        fields : sequence of str, optional
            None is all.

        Returns
        -------
        Sheet
            The same sessions.

        Raises
        ------
        ConfigError
            For a symbol or a field that is not there.
        DataError
            For a symbol that is chosen twice.
        """
        picked = {known(name, self.fields, "field"): self.fields[name] for name in fields or self.fields}
        if symbols is None:
            return Sheet(self.dates, self.symbols, picked)
        columns = [self.symbols.index(known(symbol, self.symbols, "symbol")) for symbol in symbols]
        return Sheet(self.dates, tuple(symbols), {name: matrix[:, columns] for name, matrix in picked.items()})

    def to_pandas(self, field: str | None = None) -> pd.DataFrame:
        """Return one field as a frame.

        Parameters
        ----------
        field : str, optional
            Name of the field; None is the only one there is.

        Returns
        -------
        DataFrame
            Index `date`: the sessions, datetime64. Columns `symbol`, float64, NaN where nothing is known.

        Raises
        ------
        ConfigError
            For a field that is not there, or none named where there are several.
        """
        from metabt.values.frames import wide_frame

        if field is None and len(self.fields) != 1:
            raise ConfigError(f"a frame holds one field, and there are {', '.join(self.fields)}; name one")
        return wide_frame(self.dates, self.symbols, self[field or next(iter(self.fields))])


def join_sheets(sheets: Sequence[Sheet]) -> Sheet:
    """Return consecutive sheets, in time order, as one.

    Raises
    ------
    DataError
        For sheets of different symbols or fields.
    """
    first = sheets[0]
    for sheet in sheets:
        if (sheet.symbols, list(sheet.fields)) != (first.symbols, list(first.fields)):
            raise DataError(
                f"partition from {sheet.dates[0]}: {_columns(sheet)}, and from {first.dates[0]}: {_columns(first)}; "
                "a function must return the same symbols and fields for every partition"
            )
    fields = {name: np.concatenate([sheet.fields[name] for sheet in sheets]) for name in first.fields}
    return Sheet(np.concatenate([sheet.dates for sheet in sheets]), first.symbols, fields)


def known(name: str, names: Iterable[str], kind: str) -> str:
    """Return `name` if it is among `names`.

    Raises
    ------
    ConfigError
        Otherwise, with the nearest one.
    """
    if name not in names:
        raise ConfigError(f"panel has no {kind} '{name}'{nearest(name, names)}")
    return name


def _described(matrix: object) -> str:
    return f"{matrix.shape} of {matrix.dtype}" if isinstance(matrix, np.ndarray) else f"a {type(matrix).__name__}"


def _columns(sheet: Sheet) -> str:
    return f"{len(sheet.symbols)} symbols of {', '.join(sheet.fields)}"
