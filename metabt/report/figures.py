"""Figures: the main charts of the page as a picture each, for jobs and papers.

1. They are the page's own: growth over drawdown, contribution to risk, allocation as held, holdings, correlation.
2. The same run gives the same bytes: no date is written, and the names within an SVG are fixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from metabt.errors import ConfigError, StoreError, nearest
from metabt.lakehouse.catalog.local_paths import refuse_address
from metabt.report.contents import sections
from metabt.report.reading import Tables
from metabt.report.run import Run

Format = Literal["png", "svg", "pdf"]
"""Format of a picture."""
MAIN = ("growth", "risk-ex-ante", "drifted", "holdings", "correlation-map")
"""Names of the charts that become pictures."""
DPI = 150
"""Dots to an inch of a PNG."""


def write_figures(folder: str | Path, run: Mapping[str, Any], tables: Tables, form: Format = "png") -> list[Path]:
    """Write the main charts of a run into a folder, which is made where it is missing.

    Parameters
    ----------
    folder : str or Path
        Where the files go: `growth.png` and so on; they replace files of the same name.
    run : mapping
        The columns of `runs`, or at least run_id and portfolio.
    tables : mapping
        Table name -> columns, as in the lakehouse.
    form : {"png", "svg", "pdf"}
        Format of the files.

    Returns
    -------
    list of Path
        The files. A leaf alone has no charts of sleeves.

    Raises
    ------
    ConfigError
        If there is no such format.
    StoreError
        If matplotlib is not installed or a file cannot be written.
    """
    refuse_address(folder, "folder of figures")
    if form not in get_args(Format):
        known = ", ".join(get_args(Format))
        raise ConfigError(f"figures have no format '{form}'{nearest(form, get_args(Format))}; take one of {known}")
    try:
        from matplotlib import rc_context
    except ModuleNotFoundError as error:
        raise StoreError("figures need matplotlib, which is not installed: pip install 'metabt[figures]'") from error
    from metabt.report.drawing import draw

    said = f"{run['portfolio']} · {str(run['run_id'])[:12]}"
    files = []
    with rc_context({"svg.hashsalt": "metabt", "svg.fonttype": "none", "text.parse_math": False}):
        for section in sections(Run(run, tables)):
            for chart in section.figures:
                if chart.name in MAIN:
                    figure = draw(chart, f"{section.title} · {said}")
                    files.append(_saved(figure, Path(folder) / f"{chart.name}.{form}", form))
    return files


def _saved(figure: Any, file: Path, form: Format) -> Path:
    undated = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=DPI, metadata=undated[form])
    except OSError as error:
        raise StoreError(f"figure '{file}' cannot be written: {error.strerror}; name another folder") from error
    return file
