"""The calls that everything else is a front end of: backtest, plan, connect, load.

1. Resolve the tree against what the source of prices holds.
2. Name the run by the digest of its configuration, its data and the code; a lakehouse that has it hands it back.
3. Walk it, block by block: computed, or found in the lakehouse's cache.
4. Assemble its tables, and store them whole where prices came from a lakehouse.
"""

from __future__ import annotations

import datetime
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metabt.analysis.run_notes import Circumstances
from metabt.analysis.summary import metrics_by_path
from metabt.api.plain_values import plain_tree
from metabt.api.progress import in_notebook
from metabt.api.result import Result
from metabt.build.ports import Cache, Progress
from metabt.build.walk_result import Executor
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.choice import Auto, executor_of
from metabt.errors import ConfigError
from metabt.lakehouse.catalog.asking import Asking
from metabt.lakehouse.ledger.study import study_name
from metabt.lakehouse.price_source import Frames, Lakehouse, said_as_of, source_of
from metabt.portfolio.handed_over import objects_of
from metabt.portfolio.sleeve import Sleeve
from metabt.runs.execution import execute
from metabt.runs.made_elsewhere import made_elsewhere
from metabt.runs.plan_notes import plan_notes
from metabt.runs.plan_text import plan_lines, plan_text
from metabt.runs.replay import Origin
from metabt.runs.request import Request, benchmark_of, request, resolved
from metabt.runs.stored_notes import told_settings
from metabt.runs.trials.tried import Tried, noting_failure
from metabt.values.arguments import OTHERS, day, flag, location, port, scalar, word
from metabt.values.tables import Table

if TYPE_CHECKING:
    import numpy as np

    from metabt.build.cache.shared.stated import Share
    from metabt.lakehouse.sql.reading_connection import ReadingConnection


def backtest(
    tree: Mapping[str, Any] | Sleeve | str,
    prices: Any,
    *,
    start: str | datetime.date | np.datetime64 | None = None,
    end: str | datetime.date | np.datetime64 | None = None,
    engine: str | Executor = "auto",
    cache: Cache | None = None,
    is_meta_backtest: bool | None = None,
    benchmark: str | None = None,
    panel: Any = None,
    tables: Mapping[str, Any] | None = None,
    adjusted: bool | Mapping[str, bool] = True,
    signals: Mapping[str, Any] | None = None,
    as_of: int | str | datetime.date | np.datetime64 | None = None,
    study: str | None = None,
    progress: Progress | None = None,
    force: bool = False,
) -> Result:
    """Walk a portfolio forward and return its run; prices in a lakehouse have the run stored there.

    A lakehouse that has the run already, the same configuration, data and code, returns it without computing. A stored
    run that is damaged, or of which a table is lost, is assembled again from its blocks and replaced whole.

    Parameters
    ----------
    tree : dict, Sleeve or str
        A portfolio as `conf/portfolio` spells it, one that is resolved, or the name of a file in `conf/portfolio`.
        In a dict lists may be any sequences, numbers NumPy's, dates Timestamps. An optimizer or a selector may be an
        object with `fit(X)`, or its class, where prices are in memory: such a run is remembered nowhere, `cache`
        included, and its `repr` says so.
    prices : str, Path, DataFrame, Prices or dict
        Path of a lakehouse; a wide frame of prices above 0, a row per session (dates as index), a column per symbol,
        NaN where there is no price; or {dataset: wide frame or Prices}. A single frame is the dataset `prices`.
    start : str, date, Timestamp or datetime64, optional
        Earliest decision, ISO date if it is text; earlier prices still serve as lookback. None leaves it to the tree.
        A Sleeve is resolved already and takes none.
    end : str, date, Timestamp or datetime64, optional
        Last session of the view, ISO date if it is text. None is the tree's last: no later than the last date of any
        of its datasets that is not closed.
    engine : {"auto", "local", "ray"} or executor
        Where blocks are computed: `local` is this process, `auto` decides by the work that is missing. An executor is
        such as `metabt.Ray(workers=4)`.
    cache : Cache, optional
        Where blocks are remembered, such as `metabt.MemoryCache()`, or `metabt.SharedCache(...)` for a team's store.
        None is the lakehouse's own cache, and nowhere for prices in memory.
    is_meta_backtest : bool, optional
        None walks the tree as it is. True refuses a tree that is a single leaf. False walks the flat baseline: all
        assets of the leaves in one sleeve under the root's optimizer.
    benchmark : str, optional
        SYMBOL, or DATASET:SYMBOL, that every sleeve is measured against; None is no benchmark.
    panel : str, mapping or sequence of these, optional
        The registered steps between prices in memory and their returns (docs/panels.md): a name, a mapping with `name`,
        `before`, `over` and the step's parameters, or several; by dataset where there are several. Those of a lakehouse
        are stated when it is ingested.
    tables : mapping, optional
        What is dated beside prices in memory (docs/point_in_time.md): table -> frame or file, by dataset where there
        are several. Those of a lakehouse are ingested.
    adjusted : bool or mapping
        Whether prices in memory are adjusted for splits and dividends already, of all datasets or by dataset; False
        makes returns of raw closes and the table `actions`.
    signals : mapping, optional
        Weights from outside for leaves with `signal: NAME`, beside prices in memory (docs/outside.md): name -> wide
        frame (dates x symbols) or long one (date, asset, weight), or a file of either; by dataset where there are
        several. Those of a lakehouse are ingested.
    as_of : int, str, date, Timestamp or datetime64, optional
        What of a lakehouse is read: what it held at the snapshot of this number, or at the end of this day (UTC). None
        is what it holds now. Runs of the same data are one run: that of a snapshot is the one that was made then.
    study : str, optional
        Name of what the run is part of: the lakehouse's ledger of trials records it (docs/sql.md), and no identity
        depends on it. None is none.
    progress : callable, optional
        Called as `progress(done, blocks, last)` with the number of blocks done, the number of all blocks, and a text
        that names the last one. None draws a bar in a notebook, and is silent elsewhere.
    force : bool
        Run what is estimated to take more memory than this process may use.

    Returns
    -------
    Result
        The run's tables; `found` says whether it was read back instead of computed.

    Raises
    ------
    ConfigError
        For a tree, a date, an engine, a symbol or a benchmark that cannot be what was meant.
    DataError
        For prices that must not be used (not positive, repeated dates that differ), or too few of them for a lookback;
        for a step that looks ahead.
    RunError
        If a sleeve is ruined or a plug-in fails, nothing is traded in the view, or Ray's workers keep dying.
    StoreError
        If the lakehouse cannot be read or written. Nothing of the run is stored after any of these errors, but that it
        was tried: the ledger notes what failed.

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
    stated = {"start": day("start", start), "end": day("end", end), "benchmark": benchmark}
    as_of = scalar("as_of", as_of)
    chosen = [f"portfolio={tree}"] if isinstance(tree, str) else []
    overrides = [*chosen, *(f"{key}={value}" for key, value in stated.items() if value is not None)]
    settings: dict[str, Any] = {**stated, "as_of": as_of, "is_meta_backtest": is_meta_backtest}
    if panel is not None or tables is not None or adjusted is not True or signals is not None:
        prices = source_of(prices, panel=panel, tables=tables, adjusted=adjusted, signals=signals)
    asking = Asking(tuple(overrides))
    return asked_for(tree, prices, asking, engine, cache, progress, force=force, study=study, **settings)


def asked_for(
    tree: Mapping[str, Any] | Sleeve | str,
    prices: Any,
    asking: Asking,
    engine: str | Executor = "auto",
    cache: Cache | None = None,
    progress: Progress | None = None,
    *,
    force: bool = False,
    say: Callable[[str], None] | None = None,
    share: Share | None = None,
    study: str | None = None,
    **settings: Any,
) -> Result:
    """Return a run as `backtest` does, recorded as asked for with the overrides that `asking` states.

    `settings` are start, end, as_of, is_meta_backtest and benchmark. `say` is called before anything is computed, where
    this process gives other bits than the one that made the newest run. `share` is a team's store behind the
    lakehouse's cache.
    """
    executor = _executor(engine)
    flag("force", force)
    port("cache", cache, "get", "known", "put", "claim", "together", "publish", "flush")
    port("progress", progress, "__call__")
    source = source_of(prices, to_write=True).as_known(settings.pop("as_of", None))
    asking = asking.reading(source.as_of.stated if source.as_of else None)
    asked = _request(tree, source, **settings)
    asked.check_plugins()
    objects = objects_of([asked.tree])
    if objects and isinstance(executor, Auto):
        executor = executor.local
    came_from = _origin(source, asked, cache)
    settings_told = told_settings(json.loads(asking.text(asked.flat)))
    past = str(source.as_of or "")
    around = Circumstances(source.lasting(asked.datasets), asked.end, settings_told, as_of=past)
    trial = partial(Tried().of, asked, at=asking.at, sweep_id=asking.sweep_id, study=study_name(study))
    known = source.find(asked.run_id) if isinstance(source, Lakehouse) else None
    if known:
        source.asked_again(asked, asking, trial() if study is not None else None)
        return _read_back(asked.run_id, *known, came_from, lambda: around)
    source.check_writable()
    if say is not None and isinstance(source, Lakehouse) and (differs := made_elsewhere(source.connection)):
        say(differs)
    with in_notebook(progress) as bar, noting_failure(source, trial):
        done = execute(asked, executor, source.shared_cache(share) if cache is None else cache, bar, force=force)
    by = {"engine": executor.name, "started_at": asking.at, "overrides": asking.text(asked.flat)}
    sharpe = metrics_by_path(done.tables["metrics"])[asked.tree.name].get("sharpe")
    stored = trial(sharpe=sharpe) if source.path is not None else None
    source.commit(asked, done.tables, asking, stored, **by, seconds=done.seconds)
    told = replace(around, warned=done.warned)
    return Result(
        partial(getattr, asked, "run_id"),
        done.tables,
        seconds=done.seconds,
        origin=came_from,
        around=lambda: told,
        objects=objects,
        mended=source.damaged.get(asked.run_id) if source.damaged else None,
    )


def plan(
    tree: Mapping[str, Any] | Sleeve | str,
    prices: Any,
    *,
    start: str | datetime.date | np.datetime64 | None = None,
    end: str | datetime.date | np.datetime64 | None = None,
    is_meta_backtest: bool | None = None,
    benchmark: str | None = None,
    panel: Any = None,
    tables: Mapping[str, Any] | None = None,
    adjusted: bool | Mapping[str, bool] = True,
    signals: Mapping[str, Any] | None = None,
    as_of: int | str | datetime.date | np.datetime64 | None = None,
) -> str:
    """Return the resolved tree, its schedule and its blocks as text; nothing is computed and nothing stored.

    Parameters
    ----------
    tree : dict, Sleeve or str
        As for `backtest`.
    prices : str, Path, DataFrame, Prices or dict
        As for `backtest`; of a lakehouse calendars and digests are read, and closes to see where there are none.
    start : str, date, Timestamp or datetime64, optional
        Earliest decision, as for `backtest`.
    end : str, date, Timestamp or datetime64, optional
        Last session of the view, as for `backtest`.
    is_meta_backtest : bool, optional
        As for `backtest`: False plans the flat baseline, for which prices are read.
    benchmark : str, optional
        SYMBOL, or DATASET:SYMBOL; it is checked, and does not appear in the text.
    panel : str, mapping or sequence of these, optional
        As for `backtest`; it is checked for look-ahead when a run is walked, not here.
    tables : mapping, optional
        As for `backtest`.
    adjusted : bool or mapping
        As for `backtest`.
    signals : mapping, optional
        As for `backtest`.
    as_of : int, str, date, Timestamp or datetime64, optional
        As for `backtest`.

    Returns
    -------
    str
        A line per sleeve, indented as the tree is; then the numbers of sleeves, sessions, partitions and blocks; then
        what is known beforehand: as of when data are read, the dataset that ends it early, assets with less data than
        `min_coverage`.

    Raises
    ------
    ConfigError
        For a tree, a date, a symbol or a benchmark that cannot be what was meant.
    DataError
        For prices that must not be used, or too few of them for a lookback.
    StoreError
        If the lakehouse cannot be read.
    """
    source = source_of(prices, panel=panel, tables=tables, adjusted=adjusted, signals=signals).as_known(as_of)
    asked = _request(tree, source, start=start, end=end, is_meta_backtest=is_meta_backtest, benchmark=benchmark)
    job = BacktestEngine([asked.tree], asked.datasets, is_meta_backtest=is_meta_backtest)
    notes = plan_notes(job.plan, [asked.end])
    past = [f"data as of {source.as_of}"] if source.as_of else []
    return "\n".join([plan_text(job.portfolios[0], job.plan, asked.end), *past, *plan_lines(notes)])


def connect(lakehouse: str | Path) -> ReadingConnection:
    """Return a read-only connection to DuckDB in which every table of a lakehouse is reachable by its name.

    Parameters
    ----------
    lakehouse : str or Path
        Directory of the lakehouse.

    Returns
    -------
    ReadingConnection
        ``con.sql("select * from weights").df()`` is a frame, ``con.execute(sql, parameters).fetchall()`` a list of
        rows. It passes SELECT, EXPLAIN, SHOW and DESCRIBE, one statement at a time: nothing can be written through
        it, no other file read and no setting changed. The caller closes it; it is a context manager.

    Raises
    ------
    StoreError
        If there is no lakehouse at the path, or it cannot be read.
    """
    from metabt.lakehouse import connect as connect_lakehouse

    return connect_lakehouse(location("lakehouse", lakehouse))


def load(lakehouse: str | Path, run: str = "latest", overrides: Sequence[str] = ()) -> Result:
    """Return a stored run, whole.

    Parameters
    ----------
    lakehouse : str or Path
        Directory of the lakehouse.
    run : str
        A portfolio's name: its run without overrides, by itself and not flat, that was asked for last. Is there none,
        the last with overrides, else the last of a sweep, else a flat one, and a UserWarning says which. Or the
        beginning of a run_id that no other run has, or "latest": the run by itself that was asked for last.
    overrides : sequence of str
        As on the command line, ``["portfolio.optimizer=hrp"]``: the run of that portfolio that was asked for with
        these overrides and no others.

    Returns
    -------
    Result
        The run's tables, read into memory. Of a run of which a sweep kept the summary, what was not kept is assembled
        from cached blocks first, and stored.

    Raises
    ------
    ConfigError
        If `run` means no run, or several.
    StoreError
        If there is no lakehouse at the path, or it cannot be read; for a summary that cannot be completed, because
        other code made it, its snapshot is gone or the lakehouse cannot be written.
    """
    from metabt.lakehouse import attach, load_run, resolve_run, run_row

    with attach(location("lakehouse", lakehouse), read_only=True) as connection:
        run_id = resolve_run(connection, word("run", run, needed=True), overrides, partial(warnings.warn, stacklevel=5))
        row = run_row(connection, run_id)
        if (row["status"], row["keep"]) != ("ok", "summary"):
            whole, around = load_run(connection, run_id), partial(_around, lakehouse, run_id)
            return _read_back(run_id, *whole, partial(_recorded, lakehouse, run_id), around)
    from metabt.api.completion import completed

    return completed(lakehouse, run_id)


def _origin(source: Frames | Lakehouse, asked: Request, cache: Cache | None) -> Callable[[], Origin]:
    """Return a function that makes the run's Origin; it opens a connection when it is called, not before."""
    if source.path is None:
        return partial(Origin, asked, cache)
    return partial(_recorded, source.path, asked.run_id, cache)


def _recorded(lakehouse: str | Path, run_id: str, cache: Cache | None = None) -> Origin:
    from metabt.runs.reproduce import origin

    return origin(lakehouse, run_id, cache)


def _around(lakehouse: str | Path, run_id: str) -> Circumstances:
    from metabt.runs.record import read_record
    from metabt.runs.stored_notes import circumstances

    source = Lakehouse(Path(lakehouse))
    return circumstances(source, read_record(source.connection, run_id))


def _read_back(
    run_id: str,
    row: Mapping[str, object],
    tables: dict[str, Table],
    origin: Callable[[], Origin],
    around: Callable[[], Circumstances],
) -> Result:
    return Result(run_id, tables, found=True, seconds=float(str(row["seconds"])), origin=origin, around=around)


def _request(
    tree: Mapping[str, Any] | Sleeve | str,
    source: Frames | Lakehouse,
    *,
    start: str | datetime.date | np.datetime64 | None,
    end: str | datetime.date | np.datetime64 | None,
    is_meta_backtest: bool | None,
    benchmark: str | None,
) -> Request:
    symbols, shape = source.symbols(), flag("is_meta_backtest", is_meta_backtest)
    stated = plain_tree(tree) if isinstance(tree, Mapping) else tree
    with said_as_of(source):
        members, signals = source.members(), source.signals()
        found = resolved(stated, symbols, day("start", start), shape, members=members, signals=signals)
        if source.path is not None:
            _check_names_alone(found)
        against = benchmark_of(benchmark, source, found, symbols)
        return request(found, source.datasets([found]), day("end", end), shape, against)


def _executor(engine: Any) -> Executor:
    if engine is None:
        raise ConfigError(f"engine is None; {OTHERS['engine']}")
    return executor_of(engine if isinstance(engine, str) else port("engine", engine, "name", "walk"))


def _check_names_alone(tree: Sleeve) -> None:
    for name in objects_of([tree])[:1]:
        raise ConfigError(
            f"portfolio '{tree.name}': {name} was handed over as an object, and a lakehouse remembers runs by digests, "
            "which an object has none of; install it as a plug-in and state its name (docs/estimators.md), or hand the "
            "prices over as a frame"
        )
