"""Handed over: what is dated beside prices in memory, as frames or files of the same columns.

They pass the same reading and the same rules as tables that are ingested; a table has all its rows at once, so that
none of them comes late.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from metabt.data.point_in_time.hedging import is_hedge
from metabt.data.point_in_time.lives import Lives
from metabt.data.point_in_time.signals import NO_SIGNALS
from metabt.data.point_in_time.tables import COLUMNS, DatedTable, PointInTime
from metabt.errors import ConfigError, DataError, nearest
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.readers.frames import is_frame
from metabt.lakehouse.ingestion.readers.sources import read_table
from metabt.lakehouse.ingestion.tables.change_lists import Changes
from metabt.lakehouse.ingestion.tables.table_layout import laid_out
from metabt.lakehouse.point_in_time.coherence import check_together
from metabt.lakehouse.point_in_time.merging import merged
from metabt.lakehouse.point_in_time.rules import check_rows, tidied
from metabt.values.arguments import shown
from metabt.values.tables import concat

SIGNALS = "signals"


def tables_of_frames(
    tables: Any, adjusted: Any, symbols: Mapping[str, tuple[str, ...]], signals: Any = None
) -> dict[str, PointInTime]:
    """Return what is dated beside the prices of some datasets, by dataset.

    Parameters
    ----------
    tables : mapping or None
        Table -> frame, path or DatedTable, of the only dataset; or dataset -> such a mapping.
    adjusted : bool or mapping
        Whether prices are adjusted for splits and distributions already, of all datasets or by dataset.
    symbols : mapping
        Dataset -> the symbols of its prices.
    signals : mapping, optional
        Signal -> frame or path, of the only dataset; or dataset -> such a mapping.

    Raises
    ------
    ConfigError
        For a dataset or a table that is not there, none named where there are several, or anything else than a flag.
    DataError
        For rows that would not be ingested.
    """
    found = {}
    by_dataset, flags = _by_dataset(tables, tuple(symbols)), _flags(adjusted, tuple(symbols))
    outside = _outside(signals, tuple(symbols))
    for name, own in symbols.items():
        held = {table: _table(name, table, each) for table, each in by_dataset.get(name, {}).items()}
        if name in outside:
            held[SIGNALS] = _signals(name, outside[name], held.get(SIGNALS))
        held = {table: each for table, each in held.items() if len(each)}
        if flags[name] and "actions" in held:
            raise DataError(
                f"dataset '{name}' has actions, and its prices are stated to be adjusted for them, so they would count "
                "twice; hand over raw closes with adjusted=False, or leave actions out"
            )
        for each in held.values():
            _check_assets(name, each, own, held.get("assets"))
        found[name] = PointInTime(held, flags[name])
    return found


def _by_dataset(tables: Any, names: tuple[str, ...]) -> dict[str, Mapping[str, Any]]:
    if tables is None:
        return {}
    if not isinstance(tables, Mapping):
        raise ConfigError(f"tables is {shown(tables)}, wanted a mapping such as {{'members': frame}}")
    if tables and set(tables) <= set(COLUMNS) and len(names) == 1:
        return {names[0]: tables}
    for name, own in tables.items():
        if name in COLUMNS and name not in names:
            raise ConfigError(
                f"tables has '{name}', and there are {len(names)} datasets; say of which: "
                f"tables={{{names[0]!r}: {{{name!r}: ...}}}}"
            )
        if name not in names:
            known = (*names, *COLUMNS) if len(names) == 1 else names
            raise ConfigError(f"tables names no dataset or table '{name}' of these prices{nearest(str(name), known)}")
        if not isinstance(own, Mapping):
            raise ConfigError(
                f"tables of dataset '{name}' is {shown(own)}, wanted a mapping such as {{'members': frame}}"
            )
        for table in own:
            if table not in COLUMNS:
                raise ConfigError(f"dataset '{name}' has no table '{table}'{nearest(str(table), COLUMNS)}")
    return dict(tables)


def _outside(signals: Any, names: tuple[str, ...]) -> dict[str, Mapping[str, Any]]:
    """Return dataset -> signal -> what was handed over."""
    if signals is None:
        return {}
    if not isinstance(signals, Mapping) or is_frame(signals):
        raise ConfigError(f"signals is {shown(signals)}, wanted a mapping such as {{'mine': frame}}")
    nested = {key for key, each in signals.items() if isinstance(each, Mapping) and not is_frame(each)}
    if not nested and len(names) == 1:
        return {names[0]: signals}
    for key in signals:
        if key not in nested:
            raise ConfigError(
                f"signals has '{key}', and there are {len(names)} datasets; say of which: "
                f"signals={{{names[0]!r}: {{{key!r}: ...}}}}"
            )
        if key not in names:
            raise ConfigError(f"signals names no dataset '{key}' of these prices{nearest(str(key), names)}")
    return dict(signals)


def _signals(dataset: str, given: Mapping[str, Any], stated: DatedTable | None) -> DatedTable:
    """Return the table of some signals, each a frame of its own, and of those that a table has beside them."""
    parts = [] if stated is None else [stated]
    for name, each in given.items():
        if not isinstance(name, str) or not name.strip():
            raise ConfigError(f"dataset '{dataset}': a signal is called {name!r}, wanted text")
        if stated is not None and name in stated.first_texts:
            raise ConfigError(f"dataset '{dataset}': signal '{name}' is in tables and in signals; state it once")
        parts.append(_table(dataset, SIGNALS, each, name))
    return DatedTable.of(SIGNALS, concat([part.columns for part in parts])) if parts else NO_SIGNALS


def _flags(adjusted: Any, names: tuple[str, ...]) -> dict[str, bool]:
    stated = adjusted if isinstance(adjusted, Mapping) else dict.fromkeys(names, adjusted)
    for name, flag in stated.items():
        if name not in names:
            raise ConfigError(f"adjusted names no dataset '{name}' of these prices{nearest(str(name), names)}")
        if not isinstance(flag, bool):
            raise ConfigError(f"adjusted of dataset '{name}' is {shown(flag)}, wanted True or False")
    return {name: stated.get(name, True) for name in names}


def _table(dataset: str, name: str, given: Any, signal: str | None = None) -> DatedTable:
    if isinstance(given, DatedTable):
        if given.name != name:
            raise ConfigError(f"dataset '{dataset}': the table '{given.name}' was handed over as '{name}'")
        return given
    options = Options(face="memory", name=signal)
    who = f"table '{name}'" if signal is None else f"signal '{signal}'"
    try:
        rows = laid_out(name, read_table(given, options), options)
        if isinstance(rows, Changes):
            rows = rows.memberships(None)
        rows = tidied(rows)
        check_rows(rows)
        found = merged(None, rows, date.max, whole=True)
        check_together(found)
    except DataError as error:
        raise DataError(f"dataset '{dataset}', {who}: {error}") from error
    return found.table


def _check_assets(dataset: str, table: DatedTable, symbols: tuple[str, ...], assets: DatedTable | None) -> None:
    """Raise DataError where a table speaks of none of a dataset's assets, or a signal of what is none of them."""
    if "asset" not in table.columns:
        return
    named = set(table.texts("symbol" if table.name == "assets" else "asset").values) - {"*"}
    named = {it for it in named if not is_hedge(it)}
    known = symbols if table.name == "assets" else Lives.of(symbols, assets).assets_of(symbols)
    if table.name == SIGNALS and not named <= set(known):
        first = min(named - set(known))
        raise DataError(
            f"table '{SIGNALS}': dataset '{dataset}' has no prices of '{first}', of which there are weights"
            f"{nearest(first, known)}; hand its prices over too, or leave its weights out"
        )
    if named and named.isdisjoint(known):
        first = min(named)
        raise DataError(
            f"table '{table.name}': dataset '{dataset}' has prices of none of its assets, such as '{first}'"
            f"{nearest(first, known)}; hand it over with the prices that it belongs to"
        )
