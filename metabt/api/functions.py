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
from metabt.build.walk_result import Executor
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.choice import executor_of
from metabt.lakehouse.price_source import Frames, Lakehouse, source_of
from metabt.portfolio.sleeve import Sleeve
from metabt.runs.execution import execute, now
from metabt.runs.plan_text import plan_text
from metabt.runs.replay import Origin
from metabt.runs.request import Request, benchmark_of, request, resolved
from metabt.values.tables import Table

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
    """Walk a portfolio forward and return its run; prices in a lakehouse have the run stored there.

    A lakehouse that has the run already, the same configuration, data and code, returns it without computing. A stored
    run that is damaged, or of which a table is lost, is assembled again from its blocks and replaced whole.

    Parameters
    ----------
    tree : dict, Sleeve or str
        A portfolio as `conf/portfolio` spells it, one that is resolved, or the name of a file in `conf/portfolio`.
    prices : str, Path, DataFrame, Prices or dict
        Path of a lakehouse; a wide frame of prices above 0, a row per session (dates as index), a column per symbol,
        NaN where there is no price; or {dataset: wide frame or Prices}. A single frame is the dataset `prices`.
    start : str, optional
        Earliest decision, ISO date; earlier prices still serve as lookback. None leaves it to the tree. A Sleeve is
        resolved already and takes none.
    end : str, optional
        Last session of the view, ISO date. None is the tree's last: no later than the last date of any of its datasets
        that is not closed.
    engine : {"auto", "local", "ray"} or executor
        Where blocks are computed: `local` is this process, `auto` decides by the work that is missing. An executor is
        such as `metabt.Ray(workers=4)`.
    cache : Cache, optional
        Where blocks are remembered, such as `metabt.MemoryCache()`. None is the lakehouse's own cache, and nowhere for
        prices in memory.
    is_meta_backtest : bool, optional
        None walks the tree as it is. True refuses a tree that is a single leaf. False walks the flat baseline: all
        assets of the leaves in one sleeve under the root's optimizer.
    benchmark : str, optional
        SYMBOL, or DATASET:SYMBOL, that every sleeve is measured against; None is no benchmark.
    progress : callable, optional
        Called as `progress(done, blocks, last)` with the number of blocks done, the number of all blocks, and a text
        that names the last one.

    Returns
    -------
    Result
        The run's tables; `found` says whether it was read back instead of computed.

    Raises
    ------
    ConfigError
        For a tree, a date, an engine, a symbol or a benchmark that cannot be what was meant.
    DataError
        For prices that must not be used (not positive, repeated dates that differ), or too few of them for a lookback.
    RunError
        If a sleeve is ruined or a plug-in fails, nothing is traded in the view, or Ray's workers keep dying.
    StoreError
        If the lakehouse cannot be read or written. Nothing of the run is stored after any of these errors.

    Examples
    --------
    >>> import numpy as np, pandas as pd, metabt
    >>> sessions = pd.bdate_range("2020-01-01", periods=300, name="date")
    >>> moves = np.random.default_rng(0).normal(0.0005, 0.01, (300, 4))
    >>> prices = pd.DataFrame(100 * np.cumprod(1 + moves, axis=0), sessions, ["A", "B", "C", "D"])
    >>> tree = {
    ...     "name": "demo",
    ...     "defaults": {"lookback": 60, "optimizer": "inverse_volatility"},
    ...     "sleeves": {"ab": {"universe": ["A", "B"]}, "cd": {"universe": ["C", "D"]}},
    ... }
    >>> result = metabt.backtest(tree, prices)
    >>> result.paths
    ('demo', 'demo/ab', 'demo/cd')
    >>> list(result.returns("demo/ab"))
    ['gross', 'cost', 'net', 'turnover', 'netting_benefit', 'nav']
    """
    executor = executor_of(engine)
    source = source_of(prices)
    source.check_writable()
    asked = _request(tree, source, start, end, is_meta_backtest, benchmark)
    came_from = _origin(source, asked, cache)
    known = source.find(asked.run_id)
    if known:
        return _read_back(asked.run_id, *known, came_from)
    started = now()
    done = execute(asked, executor, source.cache() if cache is None else cache, progress)
    source.commit(asked, done.tables, engine=executor.name, started_at=started, seconds=done.seconds)
    mended = source.damaged.get(asked.run_id)
    return Result(asked.run_id, done.tables, seconds=done.seconds, mended=mended, origin=came_from)


def plan(
    tree: Mapping[str, Any] | Sleeve | str,
    prices: Any,
    *,
    start: str | None = None,
    end: str | None = None,
    is_meta_backtest: bool | None = None,
    benchmark: str | None = None,
) -> str:
    """Return the resolved tree, its schedule and its blocks as text; nothing is computed and nothing stored.

    Parameters
    ----------
    tree : dict, Sleeve or str
        As for `backtest`.
    prices : str, Path, DataFrame, Prices or dict
        As for `backtest`; of a lakehouse calendars and digests are read, no prices.
    start : str, optional
        Earliest decision, ISO date, as for `backtest`.
    end : str, optional
        Last session of the view, ISO date, as for `backtest`.
    is_meta_backtest : bool, optional
        As for `backtest`: False plans the flat baseline, for which prices are read.
    benchmark : str, optional
        SYMBOL, or DATASET:SYMBOL; it is checked, and does not appear in the text.

    Returns
    -------
    str
        A line per sleeve, indented as the tree is; then the numbers of sleeves, sessions, partitions and blocks.

    Raises
    ------
    ConfigError
        For a tree, a date, a symbol or a benchmark that cannot be what was meant.
    DataError
        For prices that must not be used, or too few of them for a lookback.
    StoreError
        If the lakehouse cannot be read.
    """
    source = source_of(prices)
    asked = _request(tree, source, start, end, is_meta_backtest, benchmark)
    job = BacktestEngine([asked.tree], asked.datasets, is_meta_backtest=is_meta_backtest)
    return plan_text(job.portfolios[0], job.plan, asked.end)


def connect(lakehouse: str | Path) -> duckdb.DuckDBPyConnection:
    """Return a read-only DuckDB connection in which every table of a lakehouse is reachable by its name.

    Parameters
    ----------
    lakehouse : str or Path
        Directory of the lakehouse.

    Returns
    -------
    duckdb.DuckDBPyConnection
        ``con.sql("select * from weights").df()`` is a frame. No other file can be read through it. The caller closes
        it; it is a context manager.

    Raises
    ------
    StoreError
        If there is no lakehouse at the path, or it cannot be read.
    """
    from metabt.lakehouse import connect as connect_lakehouse

    return connect_lakehouse(lakehouse)


def load(lakehouse: str | Path, run: str = "latest") -> Result:
    """Return a stored run.

    Parameters
    ----------
    lakehouse : str or Path
        Directory of the lakehouse.
    run : str
        "latest", or a portfolio's name: the newest such run that did not fail; or any unique beginning of a run_id.

    Returns
    -------
    Result
        The run's tables, read into memory, with `found` True. Of a run of which a sweep kept the summary, tables that
        were not kept are empty.

    Raises
    ------
    ConfigError
        If `run` means no run, or several.
    StoreError
        If there is no lakehouse at the path, or it cannot be read.
    """
    from metabt.lakehouse import load_run, resolve_run

    with connect(lakehouse) as connection:
        run_id = resolve_run(connection, run)
        return _read_back(run_id, *load_run(connection, run_id), partial(_recorded, lakehouse, run_id))


def _origin(source: Frames | Lakehouse, asked: Request, cache: Cache | None) -> Callable[[], Origin]:
    """Return a function that makes the run's Origin; it opens a connection when it is called, not before."""
    if source.path is None:
        return partial(Origin, asked, cache)
    return partial(_recorded, source.path, asked.run_id, cache)


def _recorded(lakehouse: str | Path, run_id: str, cache: Cache | None = None) -> Origin:
    from metabt.runs.reproduce import origin

    return origin(lakehouse, run_id, cache)


def _read_back(
    run_id: str, row: Mapping[str, object], tables: dict[str, Table], origin: Callable[[], Origin]
) -> Result:
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
