"""What each command does: read its configuration, call one function of the package, print what came back.

Results go to standard output; progress, notices and hints go to standard error, so that output can be piped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import astuple, fields
from typing import Any

from metabt.errors import ConfigError

Layout = str
"""`table`, `csv` or `json`."""


def demo(lakehouse: str | None, quiet: bool) -> None:
    """Ingest the demo's prices, then run portfolio=demo."""
    from metabt.demo import price_files

    place = _place(lakehouse)
    for dataset, file in price_files().items():
        ingest(place, str(file), dataset)
    print()
    backtest(place, ["portfolio=demo"], quiet=quiet)


def ingest(
    lakehouse: str | None,
    file: str,
    dataset: str,
    date: str | None = None,
    symbol: str | None = None,
    closed: bool | None = None,
) -> None:
    """Store the prices of a file and say what was stored."""
    from metabt.lakehouse import ingest as store

    print(store(_place(lakehouse), dataset, file, date=date, symbol=symbol, closed=closed))


def plan(lakehouse: str | None, overrides: list[str], config_dir: str | None = None) -> None:
    """Print the resolved tree, its schedule and its blocks."""
    from metabt import api

    config = _composed(lakehouse, overrides, config_dir)
    print(api.plan(config["portfolio"], config["lakehouse"], **_settings(config, "start", "end", "is_meta_backtest")))


def backtest(
    lakehouse: str | None,
    overrides: list[str],
    config_dir: str | None = None,
    multirun: bool = False,
    quiet: bool = False,
) -> None:
    """Walk a portfolio forward and print its summary; with `multirun`, one after another for each of the values."""
    if not multirun:
        run_backtest(_composed(lakehouse, overrides, config_dir), quiet=quiet)
        return
    from metabt.config import sweep

    place = [] if lakehouse is None else [f"lakehouse='{lakehouse}'"]
    sweep(lambda config: run_backtest(config, quiet=quiet), [*overrides, *place], config_dir=config_dir)


def run_backtest(config: dict[str, Any], *, quiet: bool = False) -> None:
    """Run one composed configuration and print what came out."""
    from concurrent.futures import ThreadPoolExecutor

    from metabt.progress import compilation_notice, progress_bar
    from metabt.sources import source_of

    # DuckDB checks its extensions' signatures on the other core while numba and pandas are imported
    with ThreadPoolExecutor(1) as pool:
        source = pool.submit(source_of, config["lakehouse"])
        from metabt import api
    settings = _settings(config, "start", "end", "engine", "is_meta_backtest")
    with compilation_notice(shown=not quiet), progress_bar(shown=not quiet) as bar:
        result = api.backtest(config["portfolio"], source.result(), progress=bar, **settings)
    print(result.summary())
    found = ", found: computed earlier" if result.found else ""
    print(f"\nrun {result.run_id[:12]} of {result.name} in {config['lakehouse']}{found}")
    if not quiet:
        _hint(_next_steps(config["lakehouse"], result.run_id[:12]))


def runs(lakehouse: str | None, layout: Layout = "table") -> None:
    """List the stored runs, newest first."""
    from metabt.lakehouse import connect, list_runs

    columns = ["run_id", "portfolio", "status", "started_at", "seconds", "engine", "snapshot"]
    with connect(_place(lakehouse)) as connection:
        found = list_runs(connection)
    digits = 12 if layout == "table" else None
    _print_rows(columns, [(str(run["run_id"])[:digits], *(run[name] for name in columns[1:])) for run in found], layout)


def weights(
    lakehouse: str | None,
    name: str = "latest",
    portfolio: str | None = None,
    holdings: str | None = None,
    nav: float | None = None,
    layout: Layout = "table",
) -> None:
    """Print the newest flattened targets, or the trades from what is held."""
    from metabt.lakehouse import connect, resolve_run

    if portfolio is not None and name != "latest":
        raise ConfigError(f"both the run '{name}' and the portfolio '{portfolio}' are named; name one of them")
    if (holdings is None) != (nav is None):
        raise ConfigError("trades need both --holdings FILE and --nav VALUE, what the portfolio is worth with its cash")
    with connect(_place(lakehouse)) as connection:
        run_id = resolve_run(connection, portfolio or name)
        orders = connection.execute(
            "SELECT symbol, held, target, trade, pending, date FROM orders WHERE run_id = ? ORDER BY symbol", [run_id]
        ).fetchall()
        if holdings is None:
            _print_rows(["symbol", "held", "target", "trade", "pending", "date"], orders, layout)
        else:
            assert nav is not None
            closes = _last_closes(connection, run_id)
            # with nothing pending the book is to be followed as it has drifted, not as it was traded last
            wanted = {symbol: target if pending else held for symbol, held, target, _, pending, _ in orders}
            _print_trades(wanted, closes, holdings, nav, layout)


def sql(lakehouse: str | None, statement: str, layout: Layout = "table") -> None:
    """Print what a query returns."""
    from metabt.lakehouse import query

    print(query(_place(lakehouse), statement).to(layout))


def report(lakehouse: str | None, name: str = "latest", output: str = "report.html") -> None:
    """Write a run as one HTML page."""
    from metabt.lakehouse import connect, load_run, resolve_run
    from metabt.report import write_page

    with connect(_place(lakehouse)) as connection:
        run, tables = load_run(connection, resolve_run(connection, name))
    file = write_page(output, run, tables)
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, run {str(run['run_id'])[:12]} of {run['portfolio']}")


def _composed(lakehouse: str | None, overrides: list[str], config_dir: str | None) -> dict[str, Any]:
    from metabt.config import compose

    config = compose(overrides, config_dir=config_dir)
    return config if lakehouse is None else {**config, "lakehouse": lakehouse}


def _settings(config: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: config[name] for name in names}


def _place(lakehouse: str | None) -> str:
    from metabt.config import lakehouse_path

    return lakehouse or lakehouse_path()


def _last_closes(connection: Any, run_id: str) -> dict[str, float]:
    """Return symbol -> last close, from the datasets that the run's leaves draw on."""
    rows = connection.execute(
        "SELECT symbol, arg_max(close, date) FROM prices WHERE dataset IN "
        "(SELECT json_extract_string(spec, '$.dataset') FROM sleeves WHERE run_id = ?) GROUP BY symbol",
        [run_id],
    ).fetchall()
    return dict(rows)


def _print_trades(targets: dict[str, float], closes: dict[str, float], file: str, nav: float, layout: Layout) -> None:
    from metabt.trades import Trade, plan_trades, read_holdings

    trades = plan_trades(targets, closes, read_holdings(file), nav)
    _print_rows([field.name for field in fields(Trade)], [astuple(trade) for trade in trades], layout)
    if layout == "table":
        bought = sum(trade.trade_value for trade in trades)
        _hint([f"net bought {bought:,.2f}, turnover {sum(abs(t.trade_value) for t in trades) / 2 / nav:.2%} of NAV"])


def _print_rows(columns: list[str], rows: Iterable[tuple[Any, ...]], layout: Layout) -> None:
    from metabt.lakehouse import QueryResult

    print(QueryResult(tuple(columns), ("",) * len(columns), tuple(rows)).to(layout))


def _next_steps(lakehouse: str, run_id: str) -> list[str]:
    place = "" if lakehouse == _place(None) else f" --lakehouse {lakehouse}"
    steps = {
        f"metabt weights {run_id}{place}": "what to hold now",
        f"metabt report {run_id}{place}": "all of it as a page",
        f'metabt sql "select * from metrics"{place}': "all of it as tables",
        f"metabt plan portfolio.lookback=126{place}": "what a change would compute",
    }
    width = max(map(len, steps))
    return ["what to try next:", *(f"  {command.ljust(width)}  {purpose}" for command, purpose in steps.items())]


def _hint(lines: list[str]) -> None:
    print("\n".join(["", *lines]), file=sys.stderr)
