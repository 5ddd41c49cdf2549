"""Commands on stored data: ingest, list, check and compare datasets, drop them, forget runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from metabt.cli.printing import Layout, founded, hint, place, print_rows, show
from metabt.cli.upkeep_commands import check_lakehouse
from metabt.errors import ConfigError

RUN_COLUMNS = ("run_id", "portfolio", "snapshot", "since", "read")
"""Columns of the runs that read what differs between two snapshots."""
SHOWN = 30
"""Rows of each kind that `diff-data` prints as a table."""


def ingest(
    lakehouse: str | None,
    file: list[str],
    dataset: str,
    table: str | None = None,
    closed: bool | None = None,
    panel: str | None = None,
    replace: bool = False,
    rescale: bool = False,
    catalog: str | None = None,
    quiet: bool = False,
    **options: Any,
) -> None:
    """Store the prices of files or folders in a dataset, and print what was stored; or state facts of it anew."""
    from metabt.cli.progress_bar import progress_bar
    from metabt.lakehouse import ingest as store
    from metabt.lakehouse.ingestion.options import Options

    stated = None if panel is None else _steps(panel)
    if not file:
        show(_restated(lakehouse, dataset, closed, stated, options.get("adjusted")))
        return
    said = Options.of(options, "command")
    source = file[0] if len(file) == 1 else file
    if table is not None:
        from metabt.lakehouse.ingestion.tables.table_ingestion import ingest_table

        of_prices: dict[str, Any] = {"closed": closed, "panel": panel, "rescale": rescale, "catalog": catalog}
        show(ingest_table(place(lakehouse), dataset, source, table, said, replace=replace, **of_prices))
        return
    where, catalog = founded(lakehouse, catalog)
    shown = not quiet
    with progress_bar(shown=shown, unit="file") as files, progress_bar(shown=shown, unit="row", scaled=True) as rows:
        stored: dict[str, Any] = {
            "closed": closed,
            "panel": stated,
            "replace": replace,
            "rescale": rescale,
            "catalog": catalog,
        }
        report = store(where, dataset, source, said, **stored, progress=files, row_progress=rows)
    show(report)


def _steps(text: str) -> Any:
    """Return the steps that a text of the command line states: a name, or YAML of a mapping or a list."""
    from metabt.config.documents import stated

    return stated("--panel", text)


def _restated(
    lakehouse: str | None, dataset: str, closed: bool | None, panel: Any, adjusted: bool | None = None
) -> str:
    from metabt.lakehouse.ingestion.ingestion import restate

    if closed is None and panel is None and adjusted is None:
        raise ConfigError(
            "no file to ingest, and neither --panel nor --closed to state, nor --adjusted; name a FILE, or one of them"
        )
    return restate(place(lakehouse), dataset, closed=closed, panel=panel, adjusted=adjusted)


def datasets(lakehouse: str | None, layout: Layout = "table") -> None:
    """List the stored datasets."""
    from metabt.lakehouse import attach
    from metabt.lakehouse.stored_data import DATASET_COLUMNS, list_datasets

    with attach(place(lakehouse), read_only=True) as connection:
        print_rows(DATASET_COLUMNS, list_datasets(connection), layout)


def check(lakehouse: str | None, dataset: str | None = None, layout: Layout = "table") -> None:
    """List what is odd about a dataset's prices, or, without a dataset, go over everything that is stored."""
    from metabt.lakehouse import attach
    from metabt.lakehouse.stored_data import CHECK_COLUMNS, count_checks, list_checks

    if dataset is None:
        if layout != "table":
            raise ConfigError("--format is of what is odd about one dataset; name it, or leave --format out")
        check_lakehouse(lakehouse)
        with attach(place(lakehouse), read_only=True) as connection:
            for name, kind, count in count_checks(connection):
                show(f"noted of dataset '{name}': {count:,} {kind}; `metabt check {name}` lists them")
        return
    with attach(place(lakehouse), read_only=True) as connection:
        found = list_checks(connection, dataset)
    print_rows(CHECK_COLUMNS, found, layout)
    if not found:
        hint(f"nothing odd is noted of dataset '{dataset}'")


def diff_data(
    lakehouse: str | None, one: str, other: str | None = None, dataset: str | None = None, layout: Layout = "table"
) -> None:
    """Print what became of the data between two snapshots, and which stored runs read what differs."""
    from metabt.analysis.note_lines import listed
    from metabt.api.differences import diff_data as differing
    from metabt.lakehouse.data_difference import DIFFERENCE_COLUMNS

    found = differing(one, other, lakehouse=place(lakehouse), dataset=dataset)
    if layout != "table":
        print_rows(DIFFERENCE_COLUMNS, found.rows(), layout)
        return
    show("\n".join(found.lines()))
    runs = [(run.run_id[:12], run.portfolio, run.snapshot, run.since.item(), listed(run.by)) for run in found.runs]
    changes = found.changes
    _print_some(DIFFERENCE_COLUMNS, changes.price_rows(), sum(len(it.dates) for it in changes.prices), "observation")
    _print_some(DIFFERENCE_COLUMNS, changes.table_rows(), sum(len(it.rows) for it in changes.tables), "row")
    _print_some(RUN_COLUMNS, iter(runs), len(runs), "run")


def _print_some(columns: Sequence[str], rows: Iterator[tuple[Any, ...]], count: int, noun: str) -> None:
    """Print the first rows below an empty line, and how many are left out; nothing where there are none."""
    from metabt.values.ranges import plural

    if count:
        print()
        print_rows(columns, islice(rows, SHOWN), "table")
    if count > SHOWN:
        show(f"and {plural(count - SHOWN, noun)} more; --format csv has them all")


def drop(lakehouse: str | None, dataset: str, symbols: list[str], table: str | None = None) -> None:
    """Delete a dataset, some of its symbols, or one of its tables, and print how much that was."""
    from metabt.lakehouse.stored_data import drop as dropped
    from metabt.values.ranges import plural

    if table is not None:
        from metabt.lakehouse.ingestion.tables.table_ingestion import drop_dated

        if symbols:
            raise ConfigError("--table drops a table as a whole; leave the symbols out")
        n_rows = drop_dated(place(lakehouse), dataset, table)
        show(f"{dataset}: table {table}: {plural(n_rows, 'row')} dropped; snapshots before this one still have them")
        return
    n_prices, n_left = dropped(place(lakehouse), dataset, tuple(symbols))
    left = f"{plural(n_left, 'symbol')} left" if n_left else "the dataset is gone"
    show(f"{dataset}: {plural(n_prices, 'price')} dropped, {left}; snapshots before this one still have them")


def forget(lakehouse: str | None, name: str, overrides: Sequence[str] = ()) -> None:
    """Delete a run, or the runs of a sweep, and print which."""
    from metabt.lakehouse.stored_data import forget as forgotten
    from metabt.values.ranges import plural

    done = forgotten(place(lakehouse), name, overrides)
    show(f"{plural(len(done.gone), 'run')} forgotten: {', '.join(run[:12] for run in done.gone) or 'none'}")
    if done.others:
        listed = ", ".join(run[:12] for run in done.others)
        show(f"{plural(len(done.others), 'run')} of that sweep asked for otherwise too, and kept: {listed}")
