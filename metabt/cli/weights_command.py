"""`metabt weights`: what to hold now, the trades to get there, and the same on today's data.

1. The run is found; of one that a sweep kept as a summary, the rest is assembled from cached blocks first.
2. If prices have changed since it read them, a notice says so; with `refresh` the same tree is run on today's.
3. Its newest flattened book is printed, with the closes that it is priced at or, given what is held, the trades; then
   which of its two weights is traded to, and what the book is net and gross once all is traded.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metabt.cli.printing import Layout, hint, notice, place, print_rows, print_run_notes, said_first, show
from metabt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from metabt.analysis.run_notes import RunNotes
    from metabt.api.result import Result
    from metabt.lakehouse.price_source import Lakehouse
    from metabt.runs.last_closes import Close
    from metabt.runs.record import Record
    from metabt.runs.trade_list import Book, Holding, Order
    from metabt.values.tables import Table

COLUMNS = ("symbol", "held", "target", "trade", "pending", "date")
"""Columns of the table `orders` that are read."""
PRINTED = ("symbol", "target", "drifted", "trade", "pending", "decided", "close", "close_date")
"""Columns of the newest book, as printed."""
FRACTIONS = ("target", "drifted", "trade")
"""Columns of the newest book and of trades that are fractions of NAV."""


def weights(
    lakehouse: str | None,
    name: str = "latest",
    portfolio: str | None = None,
    holdings: str | None = None,
    nav: float | None = None,
    refresh: bool = False,
    layout: Layout = "table",
    overrides: Sequence[str] = (),
) -> None:
    """Print the newest flattened targets, or the trades from what is held."""
    if portfolio is not None and name != "latest":
        raise ConfigError(f"both the run '{name}' and the portfolio '{portfolio}' are named; name one of them")
    if (holdings is None) != (nav is None):
        raise ConfigError("trades need both --holdings FILE and --nav VALUE, what the portfolio is worth with its cash")
    mine = None if holdings is None else _held(holdings)
    source, run = _opened(place(lakehouse), portfolio or name, overrides, refresh, said_first(layout))
    mine = None if mine is None else _as_assets(source, run, mine)
    closes = _closes(source, run, mine or ())
    book, notes = _newest(source, run, refresh)
    if mine is None or nav is None:
        print_rows(PRINTED, [_line(order, closes.get(order.symbol)) for order in book.orders], layout, FRACTIONS)
    else:
        _print_trades(book, closes, mine, nav, layout)
    if layout == "table":
        show(_told(book))
    print_run_notes([notes], layout)


def completed_run(lakehouse: str, run_id: str) -> Result:
    """Return a run of which a summary is kept, assembled whole; a notice on standard error says so."""
    notice(f"run {run_id[:12]} is kept as a summary: assembling the rest from cached blocks")
    from metabt.api.completion import completed

    return completed(lakehouse, run_id)


def _opened(
    lakehouse: str, name: str, overrides: Sequence[str], refresh: bool, say: Callable[[str], None]
) -> tuple[Lakehouse, Record]:
    # DuckDB checks its extensions' signatures, and reads, on the other core while numba is imported
    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(_read, lakehouse, name, overrides, refresh, say)
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


def _read(
    lakehouse: str, name: str, overrides: Sequence[str], writes: bool, say: Callable[[str], None]
) -> tuple[Lakehouse, Record]:
    from metabt.lakehouse import resolve_run
    from metabt.lakehouse.price_source import Lakehouse
    from metabt.runs.record import read_record

    source = Lakehouse(Path(lakehouse), writes=writes)
    return source, read_record(source.connection, resolve_run(source.connection, name, overrides, say))


def _newest(source: Lakehouse, run: Record, refresh: bool) -> tuple[Book, RunNotes]:
    """Return the newest book and what must be known of the run that it is of."""
    from metabt.lakehouse.catalog.asking import AS_OF
    from metabt.runs.stored_notes import settings_of, stored_notes

    if refresh:
        result = _refreshed(source, run)
        kept = tuple(text for text in settings_of(run) if not text.lstrip("+").startswith(AS_OF))
        return _book(_of_result(result)), replace(result.notes, settings=kept)
    from metabt.lakehouse import load_table

    _say_if_stale(source, run)
    if run.keep == "summary":
        result = completed_run(str(source.path), run.run_id)
        return _book(_of_result(result)), result.notes
    return _book(_rows_of(load_table(source.connection, run.run_id, "orders"))), stored_notes(source, run)


def _book(rows: Sequence[tuple[Any, ...]]) -> Book:
    from metabt.runs.trade_list import Book, Order

    return Book(tuple(Order(symbol, target, held, trade, due, date) for symbol, held, target, trade, due, date in rows))


def _refreshed(source: Lakehouse, run: Record) -> Result:
    """Return a run of the same tree on today's prices; it is stored, or read back where it was run before."""
    from metabt.api import functions
    from metabt.cli.progress_bar import compilation_notice
    from metabt.lakehouse import Asking, asked_with
    from metabt.runs.request import stored_tree

    tree, asking = stored_tree(run.config), Asking(asked_with(source.connection, run.run_id))
    view = {"start": None, "end": run.config["end"], "is_meta_backtest": run.shape, "benchmark": run.benchmark}
    with compilation_notice(shown=True):
        # it has been run before, and `weights` could not be told to run it all the same
        result = functions.asked_for(tree, source, asking, force=True, **view)
    found = "found: computed earlier" if result.found else f"{result.seconds:.2f} s of engine time"
    notice(f"run {result.run_id[:12]} of {result.name} on today's data, {found}")
    return result


def _say_if_stale(source: Lakehouse, run: Record) -> None:
    from metabt.data.calendars import calendar_of
    from metabt.runs.request import data_digests, stored_tree

    tree = stored_tree(run.config)
    datasets = source.datasets([tree])
    if data_digests(tree, datasets) != run.config["data"]:
        last = calendar_of([each.facts for each in datasets.values()]).sessions[-1]
        notice(
            f"prices have changed since this run: now up to {last}; `metabt weights --refresh` runs it on today's data"
        )


def _of_result(result: Result) -> list[tuple[Any, ...]]:
    return _rows_of(result.tables["orders"])


def _rows_of(table: Table) -> list[tuple[Any, ...]]:
    import numpy as np

    from metabt.values.tables import texts

    plain = [texts(table[name]) if name == "symbol" else np.asarray(table[name]).tolist() for name in COLUMNS]
    return sorted(zip(*plain, strict=True))


def _held(file: str) -> list[Holding]:
    from metabt.runs.trade_list import read_holdings

    return read_holdings(file)


def _as_assets(source: Lakehouse, run: Record, held: Sequence[Holding]) -> list[Holding]:
    """Return what is held by asset; a notice says which tickers are of assets of another name."""
    from metabt.runs.last_closes import assets_held

    known = assets_held(source, run.wanted, [holding.symbol for holding in held])
    for symbol, asset in known.items():
        notice(f"{symbol} is what asset {asset} is called now")
    found = [replace(holding, symbol=known.get(holding.symbol, holding.symbol)) for holding in held]
    twice = [one.symbol for place, one in enumerate(found) if one.symbol in {it.symbol for it in found[:place]}]
    if twice:
        raise DataError(f"asset {twice[0]} is held twice, under two of its symbols; state it once")
    return found


def _closes(source: Lakehouse, run: Record, held: Sequence[Holding]) -> dict[str, Close]:
    from metabt.runs.last_closes import last_closes

    return last_closes(source, run.wanted, [holding.symbol for holding in held], run.currency)


def _line(order: Order, close: Close | None) -> tuple[Any, ...]:
    priced = (None, None) if close is None else (close.price, close.date)
    return (order.symbol, order.target, order.drifted, order.trade, order.pending, order.decided, *priced)


def _print_trades(book: Book, closes: dict[str, Close], held: Sequence[Holding], nav: float, layout: Layout) -> None:
    from metabt.data.point_in_time.hedging import is_hedge
    from metabt.runs.trade_list import Trade, plan_trades

    trades = plan_trades(book, closes, held, nav)
    print_rows([column.name for column in fields(Trade)], [astuple(trade) for trade in trades], layout, FRACTIONS)
    if layout == "table":
        # a hedge is turned over, and takes no money
        bought = sum(trade.trade_value for trade in trades if not is_hedge(trade.symbol))
        hint(f"net bought {bought:,.2f}, turnover {sum(abs(t.trade_value) for t in trades) / 2 / nav:.2%} of NAV")


def _told(book: Book) -> str:
    if not book.orders:
        return "traded to: cash; the book holds nothing"
    decided = max(str(order.decided) for order in book.orders)
    why = f"decided on {decided}, not traded yet" if book.pending else f"what was decided on {decided} has been traded"
    return (
        f"traded to: {book.followed} ({why}); after trading net {book.net:.2%}, gross {book.gross:.2%}, "
        f"cash {round(1.0 - book.net, 4) + 0.0:.2%} of NAV"
    )
