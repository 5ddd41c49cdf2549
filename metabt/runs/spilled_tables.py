"""Spilled tables: tables of finished runs, out of memory until the one commit at the end.

They lie in one file beside the lakehouse, which has no name from the beginning: whatever ends the process, the system
takes it back, and nothing is left that somebody would have to find and remove.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metabt.errors import StoreError
from metabt.values.tables import Coded, Column, Table

ALIGNED = 8
"""Bytes at whose multiples a column begins."""


@dataclass(frozen=True)
class _Place:
    """Where the numbers, or the codes, of one column lie within its table."""

    dtype: np.dtype
    """Their type."""
    bytes: slice
    """Their bytes."""
    values: tuple[str, ...] | None
    """The distinct texts of a column of codes; None of another one."""


@dataclass(frozen=True)
class _Extent:
    """Where one table lies."""

    offset: int
    """First byte in the file."""
    size: int
    """Bytes from there to the end of its last column."""
    columns: Mapping[str, _Place]
    """Its columns."""


class Spill:
    """A file of tables."""

    def __init__(self, folder: Path) -> None:
        """Use a file without a name on the disk of `folder`; it is made when something is first kept."""
        self._folder, self._size = folder, 0
        self._file: int | None = None

    def keep(self, tables: Mapping[str, Table]) -> Mapping[str, Table]:
        """Write tables to the file, and return them as what reads them back, one each time it is asked for.

        Raises
        ------
        StoreError
            If the disk has no room for them.
        """
        extents: dict[str, _Extent] = {}
        parts: list[np.ndarray] = []
        offset = self._size
        for name, table in tables.items():
            columns, size = {}, 0
            for column, values in table.items():
                plain = np.ascontiguousarray(values.codes if isinstance(values, Coded) else values)
                texts = values.values if isinstance(values, Coded) else None
                columns[column] = _Place(plain.dtype, slice(size, size + plain.nbytes), texts)
                parts += [plain.view(np.uint8), np.zeros(-plain.nbytes % ALIGNED, np.uint8)]
                size += plain.nbytes + len(parts[-1])
            extents[name] = _Extent(offset, size, columns)
            offset += size
        self._write(np.concatenate(parts) if parts else np.empty(0, np.uint8))
        return _Spilled(self, extents)

    def read(self, extent: _Extent) -> Table:
        """Return the table that was kept at a place."""
        data = np.empty(extent.size, np.uint8)
        done = 0
        while done < extent.size:
            assert self._file is not None  # something was kept
            n_read = os.preadv(self._file, [data[done:].data], extent.offset + done)
            if not n_read:
                raise StoreError(f"tables of finished runs, kept in '{self._folder}', were cut short; run it again")
            done += n_read
        return {name: _column(data, place) for name, place in extent.columns.items()}

    def close(self) -> None:
        """Give the room back; nothing can be read any more."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, data: np.ndarray) -> None:
        try:
            if self._file is None:
                with tempfile.TemporaryFile(dir=self._folder) as made:
                    self._file = os.dup(made.fileno())
            left = data.data
            while left:
                written = os.pwrite(self._file, left, self._size)
                self._size, left = self._size + written, left[written:]
        except OSError as error:
            raise StoreError(
                f"tables of finished runs cannot be kept in '{self._folder}' until they are stored: {error.strerror}; "
                "free room there, or run fewer configurations at once: blocks are kept, and the rest goes on from them"
            ) from error


def _column(data: np.ndarray, place: _Place) -> Column:
    plain = data[place.bytes].view(place.dtype)
    return plain if place.values is None else Coded(plain, place.values)


class _Spilled(Mapping[str, Table]):
    """Tables of one run, each read when it is asked for."""

    def __init__(self, spill: Spill, extents: Mapping[str, _Extent]) -> None:
        self._spill, self._extents = spill, extents

    def __getitem__(self, name: str) -> Table:
        return self._spill.read(self._extents[name])

    def __contains__(self, name: object) -> bool:
        return name in self._extents

    def __iter__(self) -> Iterator[str]:
        return iter(self._extents)

    def __len__(self) -> int:
        return len(self._extents)
