"""`metabt weights`: what to hold now, the trades to get there, and the same on today's data.

1. The run is found; of one that a sweep kept as a summary, the rest is assembled from cached blocks first.
2. If prices have changed since it read them, a notice says so; with `refresh` the same tree is run on today's.
3. Its newest flattened targets are printed or, given what is held, the trades.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metabt.cli.printing import Layout, hint, notice, place, print_rows
from metabt.errors import ConfigError

if TYPE_CHECKING:
    from metabt.api.result import Result
    from metabt.lakehouse.price_source import Lakehouse
    from metabt.runs.record import Record
    from metabt.values.tables import Table

COLUMNS = ("symbol", "held", "target", "trade", "pending", "date")
"""Columns of an order that are printed."""

Order = tuple[Any, ...]


def weights(
    lakehouse: str | None,
    name: str = "latest",
    portfolio: str | None = None,
    holdings: str | None = None,
    nav: float | None = None,
    refresh: bool = False,
    layout: Layout = "table",
) -> None:
    """Print the newest flattened targets, or the trades from what is held."""
    if portfolio is not None and name != "latest":
        raise ConfigError(f"both the run '{name}' and the portfolio '{portfolio}' are named; name one of them")
    if (holdings is None) != (nav is None):
        raise ConfigError("trades need both --holdings FILE and --nav VALUE, what the portfolio is worth with its cash")
    source, run = _opened(place(lakehouse), portfolio or name, refresh)
    closes = _last_closes(source, run) if holdings is not None else {}
    orders = _orders(source, run, refresh)
    if holdings is None:
        print_rows(COLUMNS, orders, layout)
        return
    assert nav is not None
    # with nothing pending the book is to be followed as it has drifted, not as it was traded last
    wanted = {symbol: target if pending else held for symbol, held, target, _, pending, _ in orders}
    _print_trades(wanted, closes, holdings, nav, layout)


def completed_run(lakehouse: str, run_id: str) -> Result:
    """Return a run of which a summary is kept, assembled whole; a notice on standard error says so."""
    notice(f"run {run_id[:12]} is kept as a summary: assembling the rest from cached blocks")
    from metabt.api.completion import completed

    return completed(lakehouse, run_id)


def _opened(lakehouse: str, name: str, refresh: bool) -> tuple[Lakehouse, Record]:
    # DuckDB checks its extensions' signatures, and reads, on the other core while numba is imported
    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(_read, lakehouse, name, refresh)
        if refresh:
            _import_engine()
    return opened.result()


def _import_engine() -> None:
    # what an import makes stays: looking for garbage in it takes a tenth of the whole command
    gc.disable()
    try:
        import metabt.api.functions
        import metabt.build.cache.disk  # noqa: F401
    finally:
        gc.freeze()
        gc.enable()


def _read(lakehouse: str, name: str, writes: bool) -> tuple[Lakehouse, Record]:
    from metabt.lakehouse import resolve_run
    from metabt.lakehouse.price_source import Lakehouse
    from metabt.runs.record import read_record

    source = Lakehouse(Path(lakehouse), writes=writes)
    return source, read_record(source.connection, resolve_run(source.connection, name))


def _orders(source: Lakehouse, run: Record, refresh: bool) -> Sequence[Order]:
    if refresh:
        return _of_result(_refreshed(source, run))
    from metabt.lakehouse import load_table

    _say_if_stale(source, run)
    if run.keep == "summary":
        return _of_result(completed_run(str(source.path), run.run_id))
    return _rows_of(load_table(source.connection, run.run_id, "orders"))


def _refreshed(source: Lakehouse, run: Record) -> Result:
    """Return a run of the same tree on today's prices; it is stored, or read back where it was run before."""
    from metabt.api import functions
    from metabt.cli.progress_bar import compilation_notice
    from metabt.runs.request import stored_tree

    with compilation_notice(shown=True):
        result = functions.backtest(
            stored_tree(run.config),
            source,
            end=run.config["end"],
            is_meta_backtest=run.shape,
            benchmark=run.benchmark,
        )
    found = "found: computed earlier" if result.found else f"{result.seconds:.2f} s of engine time"
    notice(f"run {result.run_id[:12]} of {result.name} on today's data, {found}")
    return result


def _say_if_stale(source: Lakehouse, run: Record) -> None:
    from metabt.data.calendars import calendar_of
    from metabt.lakehouse import load_facts

    facts = load_facts(source.connection, run.wanted, source.snapshot)
    if {name: known.digest(known.symbols) for name, known in facts.items()} != run.config["data"]:
        last = calendar_of(list(facts.values())).sessions[-1]
        notice(
            f"prices have changed since this run: now up to {last}; `metabt weights --refresh` runs it on today's data"
        )


def _of_result(result: Result) -> list[Order]:
    return _rows_of(result.tables["orders"])


def _rows_of(table: Table) -> list[Order]:
    import numpy as np

    from metabt.values.tables import texts

    plain = [texts(table[name]) if name == "symbol" else np.asarray(table[name]).tolist() for name in COLUMNS]
    return sorted(zip(*plain, strict=True))


def _last_closes(source: Lakehouse, run: Record) -> dict[str, float]:
    """Return symbol -> last close, from the datasets that the run's leaves draw on."""
    import numpy as np

    closes: dict[str, float] = {}
    for name in run.wanted:
        dataset = source.dataset(name)
        prices = dataset.since(len(dataset.facts.dates) - 1)
        latest = np.full(len(prices.symbols), np.nan) if prices.entry is None else prices.entry
        for row in prices.close:  # the newest is written last
            latest = np.where(np.isnan(row), latest, row)
        closes |= dict(zip(prices.symbols, latest.tolist(), strict=True))
    return closes


def _print_trades(targets: dict[str, float], closes: dict[str, float], file: str, nav: float, layout: Layout) -> None:
    from metabt.runs.trade_list import Trade, plan_trades, read_holdings

    trades = plan_trades(targets, closes, read_holdings(file), nav)
    print_rows([column.name for column in fields(Trade)], [astuple(trade) for trade in trades], layout)
    if layout == "table":
        bought = sum(trade.trade_value for trade in trades)
        hint(f"net bought {bought:,.2f}, turnover {sum(abs(t.trade_value) for t in trades) / 2 / nav:.2%} of NAV")
