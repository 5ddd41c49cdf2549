"""Completion: a run of which a sweep kept the summary is assembled from its blocks, and kept whole."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from metabt.api.result import Result
from metabt.build.ports import Progress
from metabt.engines.local import Local
from metabt.lakehouse.price_source import Lakehouse
from metabt.runs.execution import execute
from metabt.runs.reproduce import check_same_code, origin, recorded
from metabt.runs.stored_notes import circumstances


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
    came_from, around = partial(origin, lakehouse, run_id), partial(circumstances, Lakehouse(Path(lakehouse)), run)
    found = source.find(run_id)
    if found:
        return Result(run_id, found[1], True, run.row["seconds"], came_from, around)
    what = "is damaged" if run_id in source.damaged else "is kept as a summary"
    check_same_code(run, asked, f"{what} and cannot be completed")
    done = execute(asked, Local(), source.cache(), progress, force=True)
    as_it_was = {name: run.row[name] for name in ("sweep_id", "engine", "started_at", "overrides")}
    source.commit(asked, done.tables, **as_it_was, seconds=done.seconds, keep="all")
    return Result(run_id, done.tables, False, done.seconds, came_from, around)
