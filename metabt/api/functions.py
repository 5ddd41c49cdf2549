"""The calls that everything else is a front end of: backtest, plan, connect, load.

1. Resolve the tree against what the source of prices holds.
2. Name the run by the digest of its configuration, its data and the code; a lakehouse that has it hands it back.
3. Walk it, block by block: computed, or found in the lakehouse's cache.
4. Assemble its tables, and store them whole where prices came from a lakehouse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metabt.api.result import Result
from metabt.build.ports import Cache, Progress
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.choice import executor_of
from metabt.engines.executor import Executor
from metabt.lakehouse.price_source import Frames, Lakehouse, source_of
from metabt.portfolio.sleeve import Sleeve
from metabt.runs.execution import cache_of, execute, now
from metabt.runs.plan_text import plan_text
from metabt.runs.replay import Origin
from metabt.runs.request import Request, benchmark_of, request, resolved

if TYPE_CHECKING:
    import duckdb


def backtest(
    tree: Mapping[str, Any] | Sleeve | str,
    prices: Any,
    *,
    start: str | None = None,
    end: str | None = None,
    engine: str | Executor = "auto",
    cache: Cache | None = None,
    is_meta_backtest: bool | None = None,
    benchmark: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Walk a portfolio forward and return what came out.

    Parameters
    ----------
    tree : a dict as in `conf/portfolio`, a Sleeve, or a name from `conf/portfolio`
    prices : a lakehouse path (the run is stored there, or found if it was run before), a wide frame with a row per
        session and a column per symbol, or {dataset: wide frame}
    start : earliest decision, ISO date; earlier prices still serve as lookback
    end : last session of the view, ISO date
    engine : auto, local or ray, or an executor such as `metabt.Ray(workers=4)`
    cache : where blocks are remembered; None is the cache of a lakehouse, and nowhere for prices in memory
    is_meta_backtest : None walks the tree as it is; False walks its flat baseline
    benchmark : SYMBOL, or DATASET:SYMBOL, that every sleeve is measured against
    progress : called with blocks done, blocks in all, and what was done last

    Raises
    ------
    ConfigError, DataError, RunError, StoreError
        With who, what was found, what was wanted and the cure; nothing is stored then.
    """
    executor = executor_of(engine)
    source = source_of(prices)
    if isinstance(source, Lakehouse):
        from metabt.lakehouse import check_writable

        check_writable(source.path)
    asked = _request(tree, source, start, end, is_meta_backtest, benchmark)
    known = _stored(source, asked, cache)
    if known:
        return known
    started = now()
    memory = cache_of(source) if cache is None else cache
    done = execute(asked, executor, memory, progress)
    result = Result(asked.run_id, done.tables, seconds=done.seconds, origin=_origin(source, asked, cache))
    if isinstance(source, Lakehouse):
        from metabt.lakehouse import commit_run

        facts = {"snapshot": source.snapshot, "engine": executor.name, "started_at": started, "seconds": done.seconds}
        commit_run(source.path, asked.row(**facts), done.tables, source.connection)
    return result


def plan(
    tree: Mapping[str, Any] | Sleeve | str,
    prices: Any,
    *,
    start: str | None = None,
    end: str | None = None,
    is_meta_backtest: bool | None = None,
    benchmark: str | None = None,
) -> str:
    """Return the resolved tree, its schedule and its blocks as text, without running anything.

    Takes what `backtest` takes and raises what it raises.
    """
    source = source_of(prices)
    asked = _request(tree, source, start, end, is_meta_backtest, benchmark)
    job = BacktestEngine([asked.tree], asked.datasets, is_meta_backtest=is_meta_backtest)
    return plan_text(job.portfolios[0], job.plan, asked.end)


def connect(lakehouse: str | Path) -> duckdb.DuckDBPyConnection:
    """Return a read-only DuckDB connection in which every table is reachable by its name.

    Raises
    ------
    StoreError
        If there is no lakehouse at the path, or it cannot be read.
    """
    from metabt.lakehouse import connect as connect_lakehouse

    return connect_lakehouse(lakehouse)


def load(lakehouse: str | Path, run: str = "latest") -> Result:
    """Return a stored run by the beginning of its run_id, by its portfolio's name, or the latest.

    Raises
    ------
    StoreError
        If there is no such run.
    """
    from metabt.lakehouse import resolve_run

    with connect(lakehouse) as connection:
        run_id = resolve_run(connection, run)
        return _read_back(connection, run_id, partial(_recorded, lakehouse, run_id))


def _origin(source: Frames | Lakehouse, asked: Request, cache: Cache | None) -> Callable[[], Origin]:
    """Return what finds where a run came from; no connection is kept until somebody asks."""
    if isinstance(source, Lakehouse):
        return partial(_recorded, source.path, asked.run_id, cache)
    return partial(Origin, asked, cache)


def _recorded(lakehouse: str | Path, run_id: str, cache: Cache | None = None) -> Origin:
    from metabt.runs.reproduce import origin

    return origin(lakehouse, run_id, cache)


def _read_back(connection: duckdb.DuckDBPyConnection, run_id: str, origin: Callable[[], Origin]) -> Result:
    from metabt.lakehouse import load_run

    row, tables = load_run(connection, run_id)
    return Result(run_id, tables, found=True, seconds=float(str(row["seconds"])), origin=origin)


def _request(
    tree: Mapping[str, Any] | Sleeve | str,
    source: Frames | Lakehouse,
    start: str | None,
    end: str | None,
    is_meta_backtest: bool | None,
    benchmark: str | None,
) -> Request:
    symbols = source.symbols()
    found = resolved(tree, symbols, start, is_meta_backtest)
    against = benchmark_of(benchmark, source, found, symbols)
    return request(found, source.datasets([found]), end, is_meta_backtest, against)


def _stored(source: Frames | Lakehouse, asked: Request, cache: Cache | None) -> Result | None:
    if isinstance(source, Frames):
        return None
    from metabt.lakehouse import find_run

    if not find_run(source.connection, asked.run_id, keep="all"):
        return None
    return _read_back(source.connection, asked.run_id, _origin(source, asked, cache))
