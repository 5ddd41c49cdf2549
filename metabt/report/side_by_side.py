"""Side by side: two results in memory as one page."""

from __future__ import annotations

from pathlib import Path

from metabt.errors import MetabtError
from metabt.report.comparison.pair import Pair
from metabt.report.page import Reported, run_of, write_page
from metabt.runs.input_differences import Difference, request_differences


def write_comparison(result: Reported, other: Reported, path: str | Path) -> Path:
    """Write the page of two results and return where; neither is walked again.

    Raises
    ------
    ConfigError
        If both are one run, or have no time in common.
    StoreError
        If the file cannot be written.
    """
    found, untold = _differences(result, other)
    return write_page(path, Pair(run_of(result), run_of(other), found, untold))


def _differences(result: Reported, other: Reported) -> tuple[list[Difference], str]:
    """Return the differences between the inputs of two results, and the reason where they are not known, else ''."""
    if result.origin is None or other.origin is None:
        return [], "it is not known where both came from; take them from metabt.backtest or metabt.load"
    try:
        return request_differences(result.origin().request, other.origin().request), ""
    except MetabtError as error:
        return [], str(error)
