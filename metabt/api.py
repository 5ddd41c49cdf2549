"""The calls that everything else is a front end of: backtest, plan, connect.

1. Resolve the tree against what the source of prices holds.
2. Name the run by the digest of its configuration, its data and the code; a lakehouse that has it hands it back.
3. Walk it, assemble its tables, and store them whole where prices came from a lakehouse.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from metabt.assembly import assemble
from metabt.compilation import compilation
from metabt.engine import BacktestEngine, check_shape
from metabt.errors import ConfigError, nearest
from metabt.fingerprint import code_digest, digest, library_versions
from metabt.forest import check_universes
from metabt.local import Local
from metabt.outline import outline
from metabt.ports import Cache, Executor, Progress
from metabt.registry import distribution
from metabt.resolve import resolve
from metabt.result import Result
from metabt.settings import parse_date
from metabt.sleeve import Leaf, Sleeve
from metabt.sources import Frames, Lakehouse, source_of

if TYPE_CHECKING:
    import duckdb

EXECUTORS: dict[str, type[Executor]] = {"local": Local, "auto": Local}
"""Executors by the name that configuration gives them."""

CODE = ("metabt.engine", "metabt.assembly")
"""Modules that, with all they import, decide what a run gives."""


@dataclass(frozen=True)
class Request:
    """One run that is asked for: a resolved tree, its view, and what names it."""

    tree: Sleeve
    """What to walk."""
    end: str | None
    """Last session of the view, ISO date."""
    flat: bool
    """Walk the flat baseline instead."""
    digests: Mapping[str, str]
    """Dataset -> digest of what the tree may read."""

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, names and all."""
        return {"portfolio": self.tree.plain(), "end": self.end, "flat": self.flat}

    @property
    def run_id(self) -> str:
        """Digest of configuration, data and code."""
        return digest([self.config, dict(self.digests), self.versions])

    @property
    def versions(self) -> dict[str, str]:
        """The code, the numeric libraries, and the packages that the tree's plug-ins come from."""
        found = {"code": code_digest(*CODE), **library_versions()}
        for _, sleeve in self.tree.walk():
            spec = sleeve.spec
            named = [("optimizer", estimator.name) for estimator in (spec.optimizer, *spec.fallback)]
            named += [("selector", spec.selector.name)] if isinstance(spec, Leaf) else []
            found.update(filter(None, (distribution(kind, name) for kind, name in named)))
        return found


def backtest(
    tree: Mapping[str, Any] | Sleeve | str,
    prices: Any,
    *,
    start: str | None = None,
    end: str | None = None,
    engine: str = "auto",
    cache: Cache | None = None,
    is_meta_backtest: bool | None = None,
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
    engine : auto or local
    cache : where blocks are remembered; None is nowhere
    is_meta_backtest : None walks the tree as it is; False walks its flat baseline
    progress : called with blocks done, blocks in all, and what was done last

    Raises
    ------
    ConfigError, DataError, RunError, StoreError
        With who, what was found, what was wanted and the cure; nothing is stored then.
    """
    executor = _executor(engine)
    source = source_of(prices)
    if isinstance(source, Lakehouse):
        from metabt.lakehouse import check_writable

        check_writable(source.path)
    request = _request(tree, source, start, end, is_meta_backtest)
    known = _stored(source, request.run_id)
    if known:
        return known
    started = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    panels = source.panels(request.tree)
    began = perf_counter()
    with compilation() as compiled:
        job = BacktestEngine([request.tree], panels, is_meta_backtest=is_meta_backtest, executor=executor, cache=cache)
        tables = assemble(job.portfolios[0], job.plan, job.run(progress), request.end)
    result = Result(request.run_id, tables, seconds=perf_counter() - began - compiled.seconds)
    if isinstance(source, Lakehouse):
        _store(source, request, result, executor.name, started)
    return result


def plan(
    tree: Mapping[str, Any] | Sleeve | str,
    prices: Any,
    *,
    start: str | None = None,
    end: str | None = None,
    is_meta_backtest: bool | None = None,
) -> str:
    """Return the resolved tree, its schedule and its blocks as text, without running anything.

    Takes what `backtest` takes and raises what it raises.
    """
    source = source_of(prices)
    request = _request(tree, source, start, end, is_meta_backtest)
    job = BacktestEngine([request.tree], source.panels(request.tree), is_meta_backtest=is_meta_backtest)
    return outline(job.portfolios[0], job.plan, request.end)


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
        return _read_back(connection, resolve_run(connection, run))


def _read_back(connection: duckdb.DuckDBPyConnection, run_id: str) -> Result:
    from metabt.lakehouse import load_run

    row, tables = load_run(connection, run_id)
    return Result(run_id, tables, found=True, seconds=float(str(row["seconds"])))


def _executor(engine: str) -> Executor:
    if engine not in EXECUTORS:
        raise ConfigError(f"engine is '{engine}'{nearest(engine, EXECUTORS)}; wanted one of {', '.join(EXECUTORS)}")
    return EXECUTORS[engine]()


def _request(
    tree: Mapping[str, Any] | Sleeve | str,
    source: Frames | Lakehouse,
    start: str | None,
    end: str | None,
    is_meta_backtest: bool | None,
) -> Request:
    symbols = source.symbols()
    start, end = (value and parse_date(key, value) for key, value in (("start", start), ("end", end)))
    if isinstance(tree, str):
        from metabt.config import load_portfolio

        tree = load_portfolio(tree)
    if isinstance(tree, Sleeve):
        if start is not None:
            raise ConfigError(
                f"portfolio '{tree.name}' is resolved already, start {start} comes too late; state it in the tree"
            )
        resolved = tree
    else:
        resolved = resolve(tree, symbols=symbols, start=start)
    check_universes(resolved, symbols)
    check_shape(resolved, is_meta_backtest)
    flat = is_meta_backtest is False and bool(resolved.sleeves)
    return Request(resolved, end, flat, source.digests(resolved))


def _stored(source: Frames | Lakehouse, run_id: str) -> Result | None:
    if isinstance(source, Frames):
        return None
    from metabt.lakehouse import find_run

    return _read_back(source.connection, run_id) if find_run(source.connection, run_id) else None


def _store(source: Lakehouse, request: Request, result: Result, engine: str, started: datetime.datetime) -> None:
    from metabt.lakehouse import commit_run

    run = {
        "run_id": request.run_id,
        "sweep_id": None,
        "portfolio": request.tree.name,
        "config": json.dumps({**request.config, "data": dict(request.digests)}, sort_keys=True),
        "snapshot": source.snapshot,
        "versions": json.dumps(request.versions, sort_keys=True),
        "engine": engine,
        "status": "ok",
        "started_at": started,
        "seconds": result.seconds,
    }
    commit_run(source.path, run, result.tables, source.connection)
