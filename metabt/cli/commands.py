"""Commands, a function each: read its configuration, call one function of the package, print the result.

Results go to standard output; progress, notices and hints go to standard error, so that output can be piped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from shlex import split
from typing import TYPE_CHECKING, Any

from metabt.cli.data_commands import check, datasets, diff_data, drop, forget, ingest
from metabt.cli.pages.compare_command import compare
from metabt.cli.pages.report_command import report
from metabt.cli.printing import Layout, founded, hint, notice, place, print_notes, print_rows, said_first, show
from metabt.cli.run_words import chosen, named_runs
from metabt.cli.search.experiments_command import refuse_experiments, run_experiments
from metabt.cli.search.search_command import run_search
from metabt.cli.sweep_command import SweepTask, placed, refuse_sweep_options
from metabt.cli.upkeep_commands import cache, explain, reproduce, upkeep
from metabt.cli.weights_command import weights
from metabt.errors import ConfigError
from metabt.lakehouse.catalog.asking import Asking

if TYPE_CHECKING:
    from metabt.build.cache.shared.stated import Share
    from metabt.lakehouse.sql.limits import Limits

__all__ = [
    "backtest",
    "cache",
    "check",
    "compare",
    "datasets",
    "demo",
    "diff_data",
    "drop",
    "explain",
    "forget",
    "ingest",
    "plan",
    "report",
    "reproduce",
    "runs",
    "sql",
    "upkeep",
    "weights",
]

VIEW = ("start", "end", "as_of", "is_meta_backtest", "benchmark")
"""Settings of a run outside its tree."""
RUN_COLUMNS = (
    *("run_id", "portfolio", "overrides", "first_date", "last_date", "keep", "sharpe", "cagr", "total_return"),
    *("status", "sweep_id", "asked_at", "started_at", "seconds", "engine", "snapshot"),
)
"""Columns of `metabt runs`; a table has total_return only where a run has no CAGR."""


def demo(
    lakehouse: str | None,
    quiet: bool,
    catalog: str | None = None,
    market: bool = False,
    folder: str | None = None,
) -> None:
    """Ingest the demo's prices, then run portfolio=demo; or a `market`, whose files go into a `folder`."""
    from metabt.cli.demo_prices import price_files

    if market:
        from metabt.cli.market_command import demo_market

        return demo_market(lakehouse, backtest, folder, quiet, catalog)
    if folder is not None:
        raise ConfigError(f"--folder {folder} is where the files of --market go; state --market too, or leave it out")
    where, catalog = founded(lakehouse, catalog)
    for dataset, file in price_files().items():
        ingest(where, [str(file)], dataset, catalog=catalog, quiet=quiet)
    print()
    backtest(where, ["portfolio=demo"], quiet=quiet)


def plan(lakehouse: str | None, overrides: list[str], config_dir: str | None = None) -> None:
    """Print the resolved tree, its schedule and its blocks."""
    from metabt.api import functions

    config = _composed(lakehouse, chosen(overrides), config_dir)
    show(functions.plan(config["portfolio"], config["lakehouse"], **_settings(config, *VIEW)))


def backtest(
    lakehouse: str | None,
    overrides: list[str],
    config_dir: str | None = None,
    multirun: bool = False,
    quiet: bool = False,
    keep: str | None = None,
    dry_run: bool = False,
    force: bool = False,
    print_id: bool = False,
    experiments: str | None = None,
) -> None:
    """Walk a portfolio forward and print its summary; with `multirun`, walk many configurations and print a ranking.

    These are all combinations of the values, the points that a search asks for, or those that a file lists.

    With `print_id` the last line is the identity of what is stored: `RUN`, or `sweep SWEEP`.
    """
    overrides = chosen(overrides)
    if not multirun:
        refuse_sweep_options(keep, dry_run)
        refuse_experiments(experiments)
        config = _composed(lakehouse, overrides, config_dir)
        run_id = run_backtest(config, Asking(tuple(overrides)), quiet=quiet, force=force)
        if print_id:
            print(run_id)
        return
    task = SweepTask(run_backtest, tuple(overrides), lakehouse, keep, quiet, dry_run, force)
    _run_several(task, overrides, config_dir, experiments)
    task.report_failures()
    if print_id and not dry_run:
        print(f"sweep {task.sweep_id}")


def _run_several(task: SweepTask, overrides: list[str], config_dir: str | None, experiments: str | None) -> None:
    """Run what a file lists, what a search asks for or, where there is neither, every combination."""
    from metabt.config import read_search, sweep, without_search

    if experiments is not None:
        return run_experiments(task, experiments, overrides, config_dir)
    searching = read_search(overrides, config_dir=config_dir)
    if searching is not None:
        return run_search(task, searching)
    sweep(task, without_search(overrides), config_dir=config_dir, at_once=task.dry_run)


def run_backtest(config: dict[str, Any], asking: Asking, *, quiet: bool = False, force: bool = False) -> str:
    """Run one composed configuration, recorded as `asking` says, print the run's summary, and return its identity."""
    from concurrent.futures import ThreadPoolExecutor

    from metabt.cli.progress_bar import compilation_notice, progress_bar
    from metabt.lakehouse.price_source import source_of

    # DuckDB checks its extensions' signatures on the other core while numba is imported
    with ThreadPoolExecutor(1) as pool:
        source = pool.submit(source_of, config["lakehouse"], to_write=True)
        from metabt.analysis.note_lines import note_lines
        from metabt.analysis.summary import summary
        from metabt.api import functions
        from metabt.engines.choice import executor_of
        from metabt.runs.stored_notes import told_settings
    settings = {**_settings(config, *VIEW, "study"), "share": _share(config)}
    engine = executor_of(config["engine"], config["cluster"], None if quiet else notice, config["local"])
    with compilation_notice(shown=not quiet), progress_bar(shown=not quiet) as bar:
        tree, prices = config["portfolio"], source.result()
        say = None if quiet else notice
        result = functions.asked_for(tree, prices, asking, engine, None, bar, force=force, say=say, **settings)
    if result.mended:
        notice(f"{result.mended}: assembled again from blocks and replaced")
    show(summary(result.tables))
    notes = replace(result.notes, settings=told_settings(asking.overrides))
    print_notes(note_lines(notes, config["lakehouse"], result.found))
    if not quiet:
        # the result is stored and printed: whatever a hint stumbles over must not make the command fail
        with suppress(Exception):
            hint(*_next_steps(config["lakehouse"], result.run_id[:12]))
    return result.run_id


def runs(lakehouse: str | None, layout: Layout = "table") -> None:
    """List the stored runs, the one that was asked for last first."""
    from metabt.analysis.summary import with_growth
    from metabt.lakehouse import attach, run_list

    with attach(place(lakehouse), read_only=True) as connection:
        found = run_list(connection)
    if layout != "table":
        print_rows(RUN_COLUMNS, [tuple(run[name] for name in RUN_COLUMNS) for run in found], layout)
        return
    growth = with_growth(("sharpe", "total_return", "cagr"), [_measured(run) for run in found])
    hidden = {"cagr", "total_return", "started_at"} - set(growth)
    columns = [name for name in RUN_COLUMNS if name not in hidden]
    print_rows(columns, [tuple(_listed(name, run[name]) for name in columns) for run in found], layout)


def _measured(run: Mapping[str, Any]) -> dict[str, float]:
    return {name: run[name] for name in ("cagr", "total_return") if run[name] is not None}


def _listed(column: str, value: Any) -> object:
    """Return a value of `metabt runs` as a table shows it: identities and times cut short."""
    if column in ("run_id", "sweep_id") and value is not None:
        return value[: 12 if column == "run_id" else 6]
    return value.replace(microsecond=0) if column.endswith("_at") else value


def sql(
    lakehouse: str | None,
    statement: str,
    layout: Layout = "table",
    output: str | None = None,
    run: str | None = None,
    verify: bool = False,
    timeout: float | None = None,
    memory: str | None = None,
) -> None:
    """Print the answer to one reading statement, or write it to the file `output`; of the rows of one `run` alone.

    `verify` goes over files first.
    """
    from metabt.lakehouse.sql.answering import rows
    from metabt.lakehouse.sql.limits import held_to
    from metabt.lakehouse.sql.result_set import texts

    where = place(lakehouse)
    if verify:
        from metabt.lakehouse import check_files

        check_files(where)
    run_id = None if run is None else _run_id(where, run, said_first(layout))
    limits = _limits(timeout, memory)
    if output is not None:
        from metabt.lakehouse import export

        with held_to(limits):
            file = export(where, statement, output, run_id, limits)
        return show(f"{file}: {file.stat().st_size:,} bytes")
    with held_to(limits), rows(where, statement, run_id, limits) as found:
        for text in texts(layout, found.columns, found.kinds, found.pieces):
            print(text)


def _limits(timeout: float | None, memory: str | None) -> Limits:
    """Return the limits that the command line states, each by itself at its default."""
    from metabt.lakehouse.sql.limits import SECONDS, Limits

    if timeout is not None and not 0 < timeout < float("inf"):
        raise ConfigError(f"--timeout {timeout:g}: wanted a number of seconds above 0, such as 600")
    most = None
    if memory is not None:
        from metabt.build.cache.upkeep import parse_size

        most = parse_size(memory)
    return Limits(SECONDS if timeout is None else timeout, most)


def _run_id(where: str, run: str, say: Callable[[str], None]) -> str:
    """Return the identity of the run that a text names: a name, and perhaps overrides after it."""
    from metabt.lakehouse import attach, resolve_run

    words = split(run) if "=" in run else [run]
    with attach(where, read_only=True) as connection:
        return resolve_run(connection, **named_runs(words, 1), say=say)


def _composed(lakehouse: str | None, overrides: list[str], config_dir: str | None) -> dict[str, Any]:
    from metabt.config import compose

    return placed(compose(overrides, config_dir=config_dir), lakehouse)


def _settings(config: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: config[name] for name in names}


def _share(config: dict[str, Any]) -> Share | None:
    from metabt.build.cache.shared.stated import Share

    return Share.stated(config.get("cache"))


def _next_steps(lakehouse: str, run_id: str) -> list[str]:
    at = "" if lakehouse == place(None) else f" --lakehouse {lakehouse}"
    steps = {
        f"metabt weights {run_id}{at}": "what to hold now",
        f"metabt report {run_id}{at}": "all of it as a page",
        f'metabt sql "select * from metrics"{at}': "all of it as tables",
        f"metabt plan portfolio.lookback=126{at}": "what a change would compute",
    }
    width = max(map(len, steps))
    return ["what to try next:", *(f"  {command.ljust(width)}  {purpose}" for command, purpose in steps.items())]
