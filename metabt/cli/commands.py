"""Commands, a function each: read its configuration, call one function of the package, print the result.

Results go to standard output; progress, notices and hints go to standard error, so that output can be piped.
"""

from __future__ import annotations

from typing import Any

from metabt.cli.data_commands import check, datasets, drop, forget, ingest
from metabt.cli.printing import Layout, founded, hint, notice, place, print_rows
from metabt.cli.report_command import report
from metabt.cli.sweep_command import SweepTask, placed, refuse_sweep_options
from metabt.cli.upkeep_commands import cache, explain, reproduce
from metabt.cli.weights_command import weights

__all__ = [
    "backtest",
    "cache",
    "check",
    "datasets",
    "demo",
    "drop",
    "explain",
    "forget",
    "ingest",
    "plan",
    "report",
    "reproduce",
    "runs",
    "sql",
    "weights",
]

VIEW = ("start", "end", "is_meta_backtest", "benchmark")
"""Settings of a run outside its tree."""


def demo(lakehouse: str | None, quiet: bool, catalog: str | None = None) -> None:
    """Ingest the demo's prices, then run portfolio=demo."""
    from metabt.cli.demo_prices import price_files

    where, catalog = founded(lakehouse, catalog)
    for dataset, file in price_files().items():
        ingest(where, [str(file)], dataset, catalog=catalog, quiet=quiet)
    print()
    backtest(where, ["portfolio=demo"], quiet=quiet)


def plan(lakehouse: str | None, overrides: list[str], config_dir: str | None = None) -> None:
    """Print the resolved tree, its schedule and its blocks."""
    from metabt.api import functions

    config = _composed(lakehouse, overrides, config_dir)
    print(functions.plan(config["portfolio"], config["lakehouse"], **_settings(config, *VIEW)))


def backtest(
    lakehouse: str | None,
    overrides: list[str],
    config_dir: str | None = None,
    multirun: bool = False,
    quiet: bool = False,
    keep: str | None = None,
    dry_run: bool = False,
) -> None:
    """Walk a portfolio forward and print its summary; with `multirun`, walk all combinations and print a ranking."""
    if not multirun:
        refuse_sweep_options(keep, dry_run)
        run_backtest(_composed(lakehouse, overrides, config_dir), quiet=quiet)
        return
    from metabt.config import sweep

    task = SweepTask(run_backtest, lakehouse, keep, quiet, dry_run)
    sweep(task, overrides, config_dir=config_dir, at_once=dry_run)
    task.report_failures()


def run_backtest(config: dict[str, Any], *, quiet: bool = False) -> None:
    """Run one composed configuration and print the run's summary."""
    from concurrent.futures import ThreadPoolExecutor

    from metabt.cli.progress_bar import compilation_notice, progress_bar
    from metabt.lakehouse.price_source import source_of

    # DuckDB checks its extensions' signatures on the other core while numba is imported
    with ThreadPoolExecutor(1) as pool:
        source = pool.submit(source_of, config["lakehouse"])
        from metabt.api import functions
        from metabt.engines.choice import executor_of
    settings = _settings(config, *VIEW)
    engine = executor_of(config["engine"], config["cluster"], None if quiet else notice)
    with compilation_notice(shown=not quiet), progress_bar(shown=not quiet) as bar:
        result = functions.backtest(config["portfolio"], source.result(), progress=bar, engine=engine, **settings)
    print(result.summary())
    found = ", found: computed earlier" if result.found else ""
    print(f"\nrun {result.run_id[:12]} of {result.name} in {config['lakehouse']}{found}")
    if not quiet:
        hint(*_next_steps(config["lakehouse"], result.run_id[:12]))


def runs(lakehouse: str | None, layout: Layout = "table") -> None:
    """List the stored runs, newest first."""
    from metabt.lakehouse import connect, list_runs

    columns = ["run_id", "portfolio", "status", "started_at", "seconds", "engine", "snapshot"]
    with connect(place(lakehouse)) as connection:
        found = list_runs(connection)
    digits = 12 if layout == "table" else None
    print_rows(columns, [(str(run["run_id"])[:digits], *(run[name] for name in columns[1:])) for run in found], layout)


def sql(lakehouse: str | None, statement: str, layout: Layout = "table", output: str | None = None) -> None:
    """Print the answer to one reading statement, or write it to the file `output`."""
    from metabt.lakehouse import export, query

    if output is not None:
        file = export(place(lakehouse), statement, output)
        return print(f"{file}: {file.stat().st_size:,} bytes")
    print(query(place(lakehouse), statement).to(layout))


def _composed(lakehouse: str | None, overrides: list[str], config_dir: str | None) -> dict[str, Any]:
    from metabt.config import compose

    return placed(compose(overrides, config_dir=config_dir), lakehouse)


def _settings(config: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: config[name] for name in names}


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
