"""Report: a stored run as one HTML page.

1. The run is found and its tables are read; one of which a summary is kept is assembled whole.
2. Meanwhile the engine is imported and the lakehouse is opened as the run read it, to walk the run again.
3. The page is written (metabt.report).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from metabt.printing import place

if TYPE_CHECKING:
    from metabt.report import Format
    from metabt.report.again import Again
    from metabt.report.run import Run
    from metabt.retrace import Origin


def report(
    lakehouse: str | None,
    name: str = "latest",
    output: str = "report.html",
    baselines: bool | None = None,
    figures: str | None = None,
    format: Format = "png",
) -> None:
    """Write a run as one HTML page, and its main charts as pictures where a folder is named for them."""
    from metabt.report import write_figures, write_page

    with ThreadPoolExecutor(1) as pool:
        run = _stored(place(lakehouse), name, baselines, pool)
        file = write_page(output, run)
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, run {str(run.row['run_id'])[:12]} of {run.row['portfolio']}")
    for picture in write_figures(figures, run.row, run.tables, format) if figures else ():
        print(picture)


def _stored(where: str, name: str, baselines: bool | None, pool: ThreadPoolExecutor) -> Run:
    """Return a stored run."""
    from metabt.lakehouse import connect, load_run, resolve_run
    from metabt.record import read_record
    from metabt.report.run import Run

    with connect(where) as connection:
        record = read_record(connection, resolve_run(connection, name))
        if record.keep == "all":
            again = _again(where, record.run_id, baselines, pool)
            return Run(record.row, load_run(connection, record.run_id)[1], again)
    from metabt.weights_command import completed_run

    tables = completed_run(where, record.run_id).tables
    return Run(record.row, tables, _again(where, record.run_id, baselines, pool))


def _again(where: str, run_id: str, baselines: bool | None, pool: ThreadPoolExecutor) -> Again | None:
    """Return what finds where a run came from, while its tables are read; None where that is not wanted."""
    from metabt.report.again import Again

    return None if baselines is False else Again.wanted(pool.submit(_origin, where, run_id).result, baselines)


def _origin(where: str, run_id: str) -> Origin:
    from metabt.reproduce import origin

    return origin(where, run_id)
