"""Report: a stored run, or two side by side, as one HTML page.

1. The run is found, and one of which a summary is kept is assembled whole.
2. Meanwhile the engine is imported and the lakehouse is opened as the run read it; the run is walked again from the
   decisions that it recorded, which are read first.
3. Its other tables are read, once nothing of the walk is in memory but what the page shows of it.
4. The page is written (metabt.report).

Of two runs neither is walked again: what differs between them is read from what they recorded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from metabt.cli.printing import place, print_run_notes, show
from metabt.errors import ConfigError

if TYPE_CHECKING:
    import duckdb

    from metabt.analysis.run_notes import RunNotes
    from metabt.lakehouse.evidence import Evidence
    from metabt.report import Format
    from metabt.report.comparison.pair import Pair
    from metabt.report.replayed import Replayed
    from metabt.report.run import Run
    from metabt.runs.replay import Origin
    from metabt.values.tables import Table


Name = tuple[str, Sequence[str]]
"""What names a run: a word, and overrides."""
SHOWN = ("sleeves", "returns", "metrics", "weights", "orders", "risk")
"""Tables of a run that a page reads, beside its decisions."""


def report(
    lakehouse: str | None,
    name: str = "latest",
    other: str | None = None,
    output: str = "report.html",
    baselines: bool | None = None,
    figures: str | None = None,
    format: Format | None = None,
    overrides: Sequence[str] = (),
    other_overrides: Sequence[str] = (),
) -> None:
    """Write a run, or two side by side, as one HTML page; the main charts of one as pictures too, into `figures`."""
    from metabt.cli.pages.sweep_page import sweep_named, write_sweep
    from metabt.lakehouse.catalog.local_paths import refuse_address
    from metabt.report import check_folder, write_figures, write_page

    check_folder(output)
    if figures is not None:
        refuse_address(figures, "folder of figures")
    if format is not None and figures is None:
        raise ConfigError(f"--format {format} is one of pictures, and none are asked for; add --figures FOLDER")
    where = place(lakehouse)
    if other is not None:
        if baselines is not None or figures is not None:
            raise ConfigError("--baselines, --no-baselines and --figures are for one run, not for two; leave them out")
        pair = _pair(where, (name, overrides), (other, other_overrides))
        return _written(where, write_page(output, pair), *pair.runs)
    if not overrides and (sweep_id := sweep_named(where, name)) is not None:
        if baselines is not None or figures is not None:
            raise ConfigError(
                "--baselines, --no-baselines and --figures are for one run, not for a sweep; leave them out"
            )
        return write_sweep(where, sweep_id, output)
    with ThreadPoolExecutor(1) as pool:
        run = _stored(where, (name, overrides), baselines, pool)
        page = write_page(output, run)
        pictures = write_figures(figures, run.row, run.tables, format or "png") if figures else ()
        _written(where, page, run)
        for picture in pictures:
            show(picture)


def _written(where: str, file: Path, *runs: Run) -> None:
    named = " and ".join(f"run {str(run.row['run_id'])[:12]} of {run.row['portfolio']}" for run in runs)
    show(f"{file}: {file.stat().st_size / 1e6:.1f} MB, {named}")
    print_run_notes(_notes(where, runs))


def _notes(where: str, runs: Sequence[Run]) -> list[RunNotes]:
    from metabt.analysis.run_notes import run_notes
    from metabt.lakehouse.price_source import Lakehouse
    from metabt.runs.record import read_record
    from metabt.runs.stored_notes import circumstances

    source = Lakehouse(Path(where))
    records = [read_record(source.connection, str(run.row["run_id"])) for run in runs]
    pairs = zip(runs, records, strict=True)
    return [run_notes(record.run_id, run.tables, circumstances(source, record)) for run, record in pairs]


def _pair(where: str, *names: Name) -> Pair:
    """Return two stored runs and what differs between their inputs."""
    from metabt.lakehouse import attach, resolve_run
    from metabt.report.comparison.pair import Pair
    from metabt.runs.input_differences import differences
    from metabt.runs.record import read_record

    with attach(where, read_only=True) as connection:
        records = [read_record(connection, resolve_run(connection, *each, print)) for each in names]
        if records[0].run_id == records[1].run_id:
            said = f"'{names[0][0]}' and '{names[1][0]}' are both run {records[0].short} of {records[0].portfolio}"
            raise ConfigError(f"{said}, which has no other beside it; `metabt runs` lists what there is")
        found = differences(connection, *records)
    runs = [_stored(where, (record.run_id, ()), False) for record in records]
    return Pair(runs[0], runs[1], found)


def _stored(where: str, name: Name, baselines: bool | None, pool: ThreadPoolExecutor | None = None) -> Run:
    """Return a stored run with its tables; one that is kept as a summary is assembled whole."""
    from metabt.lakehouse import attach, load_run, resolve_run
    from metabt.report.decisions import told
    from metabt.report.run import Run
    from metabt.runs.record import read_record
    from metabt.values.tables import texts

    with attach(where, read_only=True) as connection:
        record = read_record(connection, resolve_run(connection, *name, print))
        if record.keep == "all":
            first = load_run(connection, record.run_id, ["decisions", "sleeves"])[1]
            specs = zip(texts(first["sleeves"]["path"]), texts(first["sleeves"]["spec"]), strict=True)
            drawn = [path for path, spec in specs if json.loads(spec).get("drawn") is not None]
            decisions = told(first["decisions"], str(record.row["portfolio"]), drawn)
            # handed over, so that nobody has all of them once they are walked from
            again = _again(where, record.run_id, baselines, pool, lambda: first.pop("decisions", None))
            if again is not None:
                again.ahead()
            first.clear()
            tables = {"decisions": decisions, **load_run(connection, record.run_id, SHOWN)[1]}
            return Run(record.row, tables, again, _source(where, record.run_id), _evidence(connection, record.run_id))
        beside = _evidence(connection, record.run_id)
    from metabt.cli.weights_command import completed_run

    tables = completed_run(where, record.run_id).tables
    again = _again(where, record.run_id, baselines, pool)
    return Run(record.row, tables, again, _source(where, record.run_id), beside)


def _evidence(connection: duckdb.DuckDBPyConnection, run_id: str) -> Evidence:
    """Return what a run is worth beside everything that was tried on its data."""
    from metabt.lakehouse.evidence import evidence

    return evidence(connection, [run_id])


def _source(where: str, run_id: str) -> Replayed:
    """Return where the datasets of a run are found, once they are asked for."""
    from metabt.report.replayed import Replayed

    return Replayed(lambda: _origin(where, run_id, lambda: None))


def _again(
    where: str,
    run_id: str,
    baselines: bool | None,
    pool: ThreadPoolExecutor | None,
    decided: Callable[[], Table | None] = lambda: None,
) -> Replayed | None:
    """Return the run to be walked again, its origin found on a thread; None where `baselines` is False."""
    from metabt.report.replayed import Replayed

    if pool is None or baselines is False:
        return None
    return Replayed.wanted(pool.submit(_origin, where, run_id, decided).result, baselines)


def _origin(where: str, run_id: str, decided: Callable[[], Table | None]) -> Origin:
    from metabt.runs.reproduce import origin

    return origin(where, run_id, decided=decided)
