"""Completion: a run of which a sweep kept the summary is assembled from its blocks, and kept whole."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from metabt.api.result import Result
from metabt.build.ports import Progress
from metabt.engines.local import Local
from metabt.runs.execution import cache_of, execute
from metabt.runs.reproduce import check_same_code, origin, recorded


def completed(lakehouse: str | Path, run_id: str, progress: Progress | None = None) -> Result:
    """Return a stored run whole; one of which a summary is kept is assembled from its blocks, and stored whole.

    Parameters
    ----------
    lakehouse : str or Path
        Directory of the lakehouse.
    run_id : str
        The run's whole identity.
    progress : callable, optional
        Called as `progress(done, blocks, last)` while blocks are walked; None is silence.

    Returns
    -------
    Result
        All tables of the run.

    Raises
    ------
    StoreError
        For a run that is not there or failed, whose snapshot is gone, or which other code has made.
    """
    run, source, asked = recorded(lakehouse, run_id)
    if run.keep == "all":
        from metabt.lakehouse import load_run

        tables = load_run(source.connection, run_id)[1]
        return Result(run_id, tables, True, run.row["seconds"], partial(origin, lakehouse, run_id))
    check_same_code(run, asked, "is kept as a summary and cannot be completed")
    done = execute(asked, Local(), cache_of(source), progress)
    from metabt.lakehouse import commit_run

    kept = {name: run.row[name] for name in ("sweep_id", "snapshot", "engine", "started_at", "overrides")}
    commit_run(source.path, asked.row(**kept, seconds=done.seconds, keep="all"), done.tables, source.connection)
    return Result(run_id, done.tables, False, done.seconds, partial(origin, lakehouse, run_id))
