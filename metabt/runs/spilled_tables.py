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


@dataclass(frozen=True)
class _Place:
    """Where the numbers, or the codes, of one column lie."""

    dtype: np.dtype
    """Their type."""
    length: int
    """How many there are."""
    offset: int
    """First byte in the file."""
    values: tuple[str, ...] | None
    """The distinct texts of a column of codes; None of another one."""


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
        places: dict[str, dict[str, _Place]] = {}
        parts: list[np.ndarray] = []
        offset = self._size
        for name, table in tables.items():
            places[name] = {}
            for column, values in table.items():
                plain = np.ascontiguousarray(values.codes if isinstance(values, Coded) else values)
                texts = values.values if isinstance(values, Coded) else None
                places[name][column] = _Place(plain.dtype, len(plain), offset, texts)
                parts.append(plain.view(np.uint8))
                offset += plain.nbytes
        self._write(np.concatenate(parts) if parts else np.empty(0, np.uint8))
        return _Spilled(self, places)

    def read(self, place: _Place) -> Column:
        """Return the column that was kept at a place."""
        plain = np.empty(place.length, place.dtype)
        if place.length:
            assert self._file is not None  # something was kept
            if os.preadv(self._file, [plain.view(np.uint8).data], place.offset) != plain.nbytes:
                raise StoreError(f"tables of finished runs, kept in '{self._folder}', were cut short; run it again")
        return plain if place.values is None else Coded(plain, place.values)

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


class _Spilled(Mapping[str, Table]):
    """Tables of one run, each read when it is asked for."""

    def __init__(self, spill: Spill, places: dict[str, dict[str, _Place]]) -> None:
        self._spill, self._places = spill, places

    def __getitem__(self, name: str) -> Table:
        return {column: self._spill.read(place) for column, place in self._places[name].items()}

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
