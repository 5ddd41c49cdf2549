"""Put prices into the lakehouse: only what is new is written.

1. Read and check the whole source, however many files; what is refused has touched nothing.
2. Compare what is stored of its symbols with its digests: nothing is added to damaged prices.
3. Make prices of returns, going on from what is stored.
4. Compare every row with what is stored under its (dataset, symbol, date): added, changed or unchanged. A dataset that
   is new has nothing to compare with (`first_prices`).
5. Refuse a seam between two scales, or multiply what would stay at the old one.
6. Write the added and the changed rows, the sessions that are new, and the digests of the partitions that differ.
7. Record the dataset, the ingestion and what is odd about the closes; commit all of it at once. With nothing new there
   is no commit.

A field that the source does not have leaves what is stored as it is; an empty close changes nothing, unless the source
is to replace all that there is in its span.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from metabt.errors import ConfigError, DataError
from metabt.estimators.steps import canonical_steps
from metabt.lakehouse.catalog.catalog_location import located
from metabt.lakehouse.catalog.schema import SCHEMA
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.catalog.transaction import transact
from metabt.lakehouse.ingestion.anomalies import note, note_anomalies, told
from metabt.lakehouse.ingestion.first_prices import FirstPrices, first_prices
from metabt.lakehouse.ingestion.many_files import Progress, parts_of, read_parts
from metabt.lakehouse.ingestion.observations import Observations
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.returns import as_prices
from metabt.lakehouse.ingestion.seams import find_seams, refuse_seams, rescaled, stored_closes
from metabt.lakehouse.ingestion.tables.bar_actions import incoming_actions
from metabt.lakehouse.ingestion.tables.late_rows import actions_told, late_found
from metabt.lakehouse.ingestion.upsert import Upsert, compare, replace_prices
from metabt.lakehouse.point_in_time.notes import Found
from metabt.lakehouse.point_in_time.seals import recorded
from metabt.lakehouse.point_in_time.storing import Stored, store_rows
from metabt.lakehouse.prices.calendars import add_sessions
from metabt.lakehouse.prices.dataset_facts import chosen, dataset_symbols
from metabt.lakehouse.prices.dataset_rows import extent_of, insert_row, record, stated_facts
from metabt.lakehouse.prices.price_digests import FIRST, add_digests, check_stored, replace_digests
from metabt.values.ranges import plural

DATASET = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""Pattern of a dataset's name, which becomes part of a path."""


@dataclass(frozen=True)
class IngestReport:
    """What an ingestion did; `rows_read` = duplicates + empty + added + changed + unchanged."""

    dataset: str
    """The dataset's name."""
    source: str
    """Path of the file, or `frame`."""
    rows_read: int
    """Observations in the source: cells of a wide table, rows of a long one."""
    duplicates: int
    """Exact repeats, dropped."""
    empty: int
    """Observations without a close, left out."""
    added: int
    """Rows that are new."""
    changed: int
    """Rows that replaced a stored one."""
    unchanged: int
    """Rows that were stored already."""
    withdrawn: int
    """Stored rows that were deleted, since a source that replaces all does not have them."""
    rescaled: int
    """Stored rows that were multiplied by a factor, so that no seam came about."""
    symbols: int
    """Symbols in the dataset now."""
    sessions: int
    """Sessions in the dataset now."""
    first_date: date
    """First session of the dataset."""
    last_date: date
    """Last session of the dataset."""
    notes: tuple[str, ...] = ()
    """What was chosen or left out while reading, in sentences."""

    def __str__(self) -> str:
        """Return a readable paragraph, and a line for each note."""
        more = {"withdrawn": self.withdrawn, "rescaled": self.rescaled}
        text = (
            f"{self.dataset}: {self.added:,} prices added, {self.changed:,} changed, {self.unchanged:,} unchanged"
            + "".join(f", {count:,} {what}" for what, count in more.items() if count)
            + f" ({self.rows_read:,} read from {self.source}, {self.duplicates:,} duplicates dropped, "
            f"{self.empty:,} empty). "
            f"It holds {plural(self.symbols, 'symbol')} in {plural(self.sessions, 'session')}, "
            f"{self.first_date} to {self.last_date}."
        )
        if not (self.added or self.changed or self.withdrawn):
            text += " Nothing new: the prices are as they were."
        return "\n".join([text, *(f"Note: {note}." for note in self.notes)])


Stated = str | None
"""Text of a fact of a dataset that is stated anew, empty where there is to be none; None leaves it as it was."""


@dataclass(frozen=True)
class Storing:
    """How observations are stored."""

    closed: bool | None = None
    """Whether more data will come; None leaves it as it was."""
    panel: Stated = None
    """JSON of the steps between its prices and its returns; None leaves them as they were, empty takes them away."""
    replace: bool = False
    """The source is all that there is of its symbols within their spans."""
    rescale: bool = False
    """What would stay at an old scale is multiplied by the factor."""
    options: Options = Options()
    """How refusals spell options."""

    @property
    def facts(self) -> dict[str, Any]:
        """What is stated of the dataset; None leaves a fact as it was."""
        made = True if self.options.returns else None
        return {"closed": self.closed, "panel": self.panel, "adjusted": self.options.adjusted, "returns": made}


def ingest(
    path: str | Path,
    dataset: str,
    source: object,
    options: Options | None = None,
    *,
    closed: bool | None = None,
    panel: object = None,
    replace: bool = False,
    rescale: bool = False,
    catalog: str | None = None,
    progress: Progress | None = None,
    row_progress: Progress | None = None,
) -> IngestReport:
    """Store the prices of a file, a folder or a frame in a dataset, and make the lakehouse where there is none.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    dataset : str
        Letters, digits, ``_ . -``, at most 64.
    source : str, Path, list of these, or frame
        Wide or long CSV, Parquet or workbook; a folder of such files, or several of them; a frame of pandas, polars or
        Arrow (wide, long, or with yfinance's two levels).
    options : Options, optional
        What is said of the source where reading alone cannot tell.
    closed : bool, optional
        True when no more data will come, so that the dataset does not hold a tree at its last date;
        None leaves it as it was (False for a new dataset).
    panel : str, mapping or sequence of these, optional
        The registered steps between the dataset's prices and its returns (metabt.estimators.steps); `none` takes them
        away, None leaves them as they were.
    replace : bool
        The source is the whole truth for its symbols: stored prices between the first and the last date of a symbol
        that the source does not have are deleted.
    rescale : bool
        Multiply stored closes that would stay at an old scale by the factor that the dates in common tell.
    catalog : str, optional
        Where a new lakehouse's catalogue is made, as for `attach`.
    progress : callable, optional
        Called as `progress(done, files, last)` after each of several files was read.
    row_progress : callable, optional
        Called as `row_progress(done, rows, dataset)` while the rows of a new dataset are written.

    Returns
    -------
    IngestReport
        What was read, added and changed; as text it is a paragraph and its notes.

    Raises
    ------
    ConfigError
        For a dataset name that cannot be one, or a step that is not registered.
    DataError
        For data that must not be stored; the lakehouse is as it was.
    StoreError
        For a lakehouse that cannot be written.
    """
    if not DATASET.fullmatch(dataset):
        raise ConfigError(f"dataset name {dataset!r}: use letters, digits, '_', '.' and '-', at most 64 of them")
    for name, table in (("universe", "members"), ("name", "signals")):
        if options is not None and getattr(options, name) is not None:
            raise ConfigError(
                f"{options.named(name)} is of the table '{table}', and these are prices; say "
                f"{options.say(table=table)} too, or leave it out"
            )
    located(path)  # an address is refused before anything is read
    how = Storing(closed, _panel(dataset, panel), replace, rescale, options or Options())
    name = "frame"
    try:
        parts = parts_of(source)
        name = parts.name
        rows = read_parts(parts, how.options, progress)
        work = partial(store, dataset=dataset, source=name, rows=rows, how=how, progress=row_progress)
        return transact(path, work, create=True, catalog=catalog)
    except DataError as error:
        raise DataError(f"dataset '{dataset}' from {name}: {error}") from error


def restate(
    path: str | Path,
    dataset: str,
    *,
    closed: bool | None = None,
    panel: object = None,
    adjusted: bool | None = None,
) -> str:
    """State facts of a dataset anew, without touching a price, and return what they are, as a sentence.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    dataset : str
        Its name.
    closed, panel
        As for `ingest`.
    adjusted : bool, optional
        Whether its prices are adjusted for splits and dividends; None leaves it as it was.

    Raises
    ------
    ConfigError
        For a dataset that is not there, a step that is not registered, prices that are said to be adjusted while
        there are actions, or raw while they are made of returns.
    StoreError
        For a lakehouse that cannot be written.
    """
    text = _panel(dataset, panel)

    def work(con: duckdb.DuckDBPyConnection) -> str:
        chosen(dataset_symbols(con), dataset, None)
        if adjusted:
            _refuse_actions(con, dataset)
        if adjusted is False and stated_facts(con, dataset)["returns"]:
            raise ConfigError(
                f"dataset '{dataset}' is made of returns, which have dividends and splits in them, so its prices are "
                "not raw; ingest raw closes as a dataset of their own"
            )
        record(con, dataset, {"closed": closed, "panel": text, "adjusted": adjusted}, extent_of(con, dataset))
        now = stated_facts(con, dataset)
        said = f"{dataset}: {'closed' if now['closed'] else 'open'}, steps between prices and returns: "
        return said + (now["panel"] or "none") + ("" if now["adjusted"] else ", prices not adjusted")

    return transact(path, work)


def _refuse_actions(con: duckdb.DuckDBPyConnection, dataset: str) -> None:
    known = recorded(stated_facts(con, dataset)["tables"])
    if "actions" in known:
        raise ConfigError(
            f"dataset '{dataset}' has {known['actions'][0]:,} actions, which adjusted prices would count twice; if its "
            f"prices are adjusted, drop them first: metabt drop {dataset} --table actions"
        )


def _panel(dataset: str, stated: object) -> Stated:
    if stated is None:
        return None
    steps = canonical_steps(f"panel of dataset '{dataset}'", stated)
    return json.dumps(steps, sort_keys=True) if steps else ""


def store(
    con: duckdb.DuckDBPyConnection,
    dataset: str,
    source: str,
    rows: Observations,
    how: Storing = Storing(),
    progress: Progress | None = None,
) -> IngestReport:
    """Write checked observations within the transaction that `con` is in; `progress` is of a new dataset's rows.

    Raises
    ------
    DataError
        For a seam between two scales; nothing was written.
    StoreError
        For damage in what is stored of its symbols.
    """
    returns = rows.calendar is not None
    _refuse_mixture(con, dataset, rows, how.options)
    check_stored(con, dataset, rows.symbols.values, FIRST if returns or not len(rows) else rows.dates.min().item())
    if returns:
        rows = as_prices(rows, stored_closes(con, dataset, list(rows.symbols.values)))
    first = first_prices(con, dataset, rows)
    done = _begun(con, first, progress) if first else _merged(con, dataset, rows, how, seams=not returns)
    extent: dict[str, Any] = extent_of(con, dataset) if first is None else first.extent
    was_recorded = record(con, dataset, how.facts, extent)
    counts: dict[str, Any] = {"rows_read": rows.rows_read, "duplicates": rows.duplicates, "empty": rows.empty, **done}
    is_new = any(done[what] for what in ("added", "changed", "withdrawn", "rescaled"))
    if was_recorded or is_new:
        stamp = datetime.now(UTC).replace(tzinfo=None)
        row = {"dataset": dataset, "source": source, "ingested_at": stamp, **counts, "table_name": "prices", "late": 0}
        insert_row(con, "ingests", row)
    acts = _actions(con, dataset, rows, source)
    odd: list[Found] = []
    if is_new or (acts is not None and acts.is_new):
        late = late_found("actions", acts)
        odd = note_anomalies(con, dataset, late) if first is None else note(con, dataset, first.anomalies(), late)
    notes = (*rows.notes, *actions_told(acts), *([told(odd, dataset)] if odd else []))
    return IngestReport(dataset, source, **counts, **extent, notes=notes)


def _refuse_mixture(con: duckdb.DuckDBPyConnection, dataset: str, rows: Observations, options: Options) -> None:
    """Raise DataError where adjusted and raw prices would be mixed, or may be."""
    held = execute(con, "SELECT adjusted FROM datasets WHERE dataset = $1", dataset).fetchall()
    if not held:
        return
    is_adjusted = bool(held[0][0])
    if options.returns and not is_adjusted:
        raise DataError(
            "its stored prices are raw, and returns have dividends and splits in them, so actions would count twice; "
            "ingest returns as a dataset of their own"
        )
    if options.adjusted not in (None, is_adjusted):
        raise DataError(
            f"its stored prices are stated to be {'adjusted' if is_adjusted else 'raw'}; leave "
            f"{options.named('adjusted')} out, or, if that is wrong, state it anew without a file: "
            f"metabt ingest --dataset {dataset} --adjusted {str(options.adjusted).lower()}"
        )
    if not is_adjusted and rows.beside is not None:
        raise DataError(
            f"its stored prices are raw, and column '{rows.beside}' stands beside the closes; say "
            f"{options.say(adjusted=False)} to take raw closes, dividends and splits, or leave the column out"
        )


def _actions(con: duckdb.DuckDBPyConnection, dataset: str, rows: Observations, source: str) -> Stored | None:
    """Store the dividends and splits that stood beside bars; None where there are none."""
    if rows.actions is None or not len(incoming_actions(rows)):
        return None
    symbols = dataset_symbols(con)[dataset]
    return store_rows(con, dataset, incoming_actions(rows), symbols, source)


def _begun(con: duckdb.DuckDBPyConnection, first: FirstPrices, progress: Progress | None) -> dict[str, int]:
    """Write the first prices of a dataset and return how many rows are new; none of them is anything else."""
    first.write(con, progress)
    add_sessions(con, first.dataset, first.dates)
    add_digests(con, first.dataset, first.digests())
    return {"added": first.n_rows, **dict.fromkeys(("changed", "unchanged", "withdrawn", "rescaled"), 0)}


def _merged(
    con: duckdb.DuckDBPyConnection, dataset: str, rows: Observations, how: Storing, *, seams: bool
) -> dict[str, int]:
    """Write what differs from what is stored and return how many rows are new, changed and so on."""
    merge = compare(con, dataset, rows, whole=how.replace)
    added, changed = merge.rows.num_rows - merge.stale.num_rows, merge.stale.num_rows
    merge, n_rescaled = _without_seams(con, dataset, rows, merge, how) if seams else (merge, 0)
    _write(con, dataset, merge)
    return {
        "added": added,
        "changed": changed,
        "unchanged": merge.unchanged,
        "withdrawn": merge.withdrawn.num_rows,
        "rescaled": n_rescaled,
    }


def _without_seams(
    con: duckdb.DuckDBPyConnection, dataset: str, rows: Observations, merge: Upsert, how: Storing
) -> tuple[Upsert, int]:
    """Return what is to be written so that no seam comes about, and how many stored rows are multiplied for that."""
    moved = merge.stale.filter(pc.not_equal(merge.stale["close"], merge.stale["was"]))
    touched = set(moved["symbol"].unique().to_pylist())
    seams = find_seams(con, dataset, rows, touched, whole=how.replace) if touched else []
    if not seams:
        return merge, 0
    if not how.rescale:
        refuse_seams(seams, dataset, how.options)
    check_stored(con, dataset, {seam.symbol for seam in seams}, FIRST)
    more = rescaled(con, dataset, seams)
    columns, stale = list(SCHEMA["prices"]), ["symbol", "date", "close", "was"]
    joined = replace(
        merge,
        rows=pa.concat_tables([merge.rows, more.select(columns).cast(merge.rows.schema)]),
        stale=pa.concat_tables([merge.stale, more.select(stale).cast(merge.stale.schema)]),
    )
    return joined, more.num_rows


def _write(con: duckdb.DuckDBPyConnection, dataset: str, merge: Upsert) -> None:
    if merge.is_empty:
        return
    replace_prices(con, dataset, merge)
    if merge.rows.num_rows:
        add_sessions(con, dataset, merge.rows["date"].to_numpy().astype("datetime64[D]"))
    if merge.withdrawn.num_rows:
        drop_empty_sessions(con, dataset)
    replace_digests(con, dataset, merge.symbols, merge.first)


def drop_empty_sessions(con: duckdb.DuckDBPyConnection, dataset: str) -> None:
    """Delete the sessions of a dataset on which no symbol has a price any more."""
    sql = "DELETE FROM calendars WHERE dataset = $1 AND date NOT IN (SELECT date FROM prices WHERE dataset = $1)"
    execute(con, sql, dataset)
