"""Several files as one source: all of them are read and checked before anything is stored.

1. A folder is the files in it. Where a file holds the bars of one asset, its name is the symbol, unless it is stated.
2. Such files that share no date look like one asset cut in pieces: the symbol is asked for.
3. Rows of all files come together; two values for one symbol and date are refused, wherever they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from metabt.errors import DataError
from metabt.lakehouse.ingestion.column_layout import read_observations
from metabt.lakehouse.ingestion.columns import listed
from metabt.lakehouse.ingestion.observations import Observations, cleaned
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.readers.frames import is_frame
from metabt.lakehouse.ingestion.readers.sources import files_of, source_name, stem_of
from metabt.values.tables import Coded, concat

Progress = Callable[[int, int, str], None]
"""Called with the number of files or rows that are done, of all of them, and the name of the file or dataset."""


@dataclass(frozen=True)
class Parts:
    """What there is to read."""

    sources: list[object]
    """Files, or a frame."""
    name: str
    """What they are called in messages and in `ingests`."""
    left_out: tuple[str, ...] = ()
    """Names of what lies in the folders and is not read."""
    from_folder: bool = False
    """Whether there is more than one, or a folder was named: names of files may be symbols."""


def parts_of(source: object) -> Parts:
    """Return the files or the frame that a source is.

    Raises
    ------
    DataError
        For an empty list, or a folder without files of prices.
    """
    several = isinstance(source, Sequence) and not isinstance(source, str | bytes) and not is_frame(source)
    given: list[object] = list(source) if isinstance(source, Sequence) and several else [source]
    if several and not all(isinstance(item, str | Path) for item in given):
        raise DataError("a list may hold paths of files alone; hand over one frame, or the paths")
    if not given:
        raise DataError("no file is named; hand over at least one")
    sources: list[object] = []
    left_out: list[str] = []
    for item in given:
        folder = Path(item).expanduser() if isinstance(item, str | Path) else None
        if folder is None or not folder.is_dir():
            sources.append(item)
            continue
        files, others = files_of(folder)
        sources += files
        left_out += others
    name = source_name(given[0]) + (f" and {len(given) - 1} more" if len(given) > 1 else "")
    return Parts(sources, name, tuple(left_out), sources != given or len(sources) > 1)


def read_parts(parts: Parts, options: Options, progress: Progress | None = None) -> Observations:
    """Return the checked observations of all files.

    Raises
    ------
    DataError
        For anything that must not be stored; it names the file.
    """
    if not parts.from_folder:
        return read_observations(parts.sources[0], options)
    found = []
    for place, source in enumerate(parts.sources, 1):
        found.append(_read(Path(str(source)), options))
        if progress is not None:
            progress(place, len(parts.sources), Path(str(source)).name)
    stems = [stem_of(Path(str(source))) for source in parts.sources]
    named = [(stem, rows) for stem, rows in zip(stems, found, strict=True) if rows.symbols.values == (stem,)]
    _refuse_pieces(named, options)
    notes = [f"left out of the folder: {listed(list(parts.left_out))}"] if parts.left_out else []
    if named and options.symbol_name is None:
        notes.append(f"symbols are the names of files: {listed([stem for stem, _ in named])}")
    return _together(found, tuple(notes))


def _read(path: Path, options: Options) -> Observations:
    try:
        return read_observations(path, options.within(stem_of(path)))
    except DataError as error:
        raise DataError(str(error) if f"'{path}'" in str(error) else f"'{path}': {error}") from error


def _refuse_pieces(named: list[tuple[str, Observations]], options: Options) -> None:
    if options.symbol_name is not None or len(named) < 2:
        return
    spans = sorted((rows.dates.min(), rows.dates.max(), stem) for stem, rows in named)
    if all(before[1] < after[0] for before, after in zip(spans, spans[1:], strict=False)):
        pieces = listed([stem for _, _, stem in spans])
        raise DataError(
            f"the files {pieces} are of one asset each, and no two of them share a date: they look like one asset cut "
            f"in pieces; say {options.say(symbol_name='NAME')}, or ingest them one by one, each with its own"
        )


def _together(found: list[Observations], notes: tuple[str, ...]) -> Observations:
    """Return the rows of all parts, checked for repeats and conflicts between them."""
    if len(found) == 1:
        return _noted(found[0], notes)
    values = tuple(dict.fromkeys(symbol for rows in found for symbol in rows.symbols.values))
    places = {symbol: place for place, symbol in enumerate(values)}
    codes = [np.array([places[s] for s in rows.symbols.values], np.int32)[rows.symbols.codes] for rows in found]
    kinds = [kind for kind in ("close", "open", "high", "low", "volume") if any(kind in rows.fields for rows in found)]
    fields = {
        kind: np.concatenate([rows.fields.get(kind, np.full(len(rows), np.nan)) for rows in found]) for kind in kinds
    }
    calendars = [rows.calendar for rows in found if rows.calendar is not None]
    whole = cleaned(
        Observations(
            np.concatenate([rows.dates for rows in found]),
            np.concatenate([rows.clock for rows in found]),
            Coded(np.concatenate(codes), values),
            fields,
            sum(len(rows) for rows in found),
            calendar=np.unique(np.concatenate(calendars)) if calendars else None,
            actions=concat([rows.actions for rows in found if rows.actions is not None]) or None,
            beside=next((rows.beside for rows in found if rows.beside), None),
        )
    )
    said = tuple(dict.fromkeys(note for rows in found for note in rows.notes))
    return _noted(
        _counted(whole, sum(r.rows_read for r in found), sum(r.empty for r in found), sum(r.duplicates for r in found)),
        said + notes,
    )


def _counted(rows: Observations, rows_read: int, empty: int, duplicates: int) -> Observations:
    return replace(rows, rows_read=rows_read, empty=empty, duplicates=rows.duplicates + duplicates, notes=())


def _noted(rows: Observations, notes: tuple[str, ...]) -> Observations:
    return replace(rows, notes=tuple(dict.fromkeys((*rows.notes, *notes))))
