"""Cash of a run: what it earned in the sessions of each sleeve, which ratios are beyond.

1. A tree states one rate, at its root: a number, or the name of rows that one of its datasets has.
2. Sessions of a sleeve accrue it as in the walk (metabt.data.point_in_time.accrual), the first since the inception.
3. A run's tables do not hold rows of rates. Where its datasets are not at hand a named rate is not known, and that is
   said wherever a ratio is then without it.
"""

from __future__ import annotations

import numpy as np

from metabt.build.dated.named_rates import cash_rate
from metabt.data.point_in_time.accrual import Accrual, Rate, idle_returns
from metabt.errors import ConfigError
from metabt.report.lines import percent
from metabt.report.run import Run


def stated(run: Run) -> str | float | None:
    """Return what cash earns as the tree says it: a rate's name, an annual fraction, or None."""
    rate: str | float | None = run.specs[run.root].get("cash", {}).get("rate")
    return rate


def named(run: Run) -> str:
    """Return what cash earns in words; 'nothing' without a rate."""
    rate = stated(run)
    return "nothing" if rate is None else rate if isinstance(rate, str) else percent(rate)


def accrual(run: Run, path: str) -> Accrual | None:
    """Return what cash earned in the sessions of a sleeve's stream, (n_sessions,); None where that is not known.

    It is not where the tree states no rate, nor where it names one and the run's datasets are not at hand.
    """
    rate = _rate(run, path)
    if rate is None:
        return None
    since = run.inception(path)
    dates = run.streams.own(path, "date").astype("datetime64[D]")
    return idle_returns(dates, None if np.isnat(since) else since.astype("datetime64[D]"), rate)


def idle(run: Run, path: str) -> np.ndarray | None:
    """Return the returns of `accrual`, (n_sessions,), or None as it does."""
    found = accrual(run, path)
    return None if found is None else found.returns


def at_hand(run: Run) -> bool:
    """Return whether what cash earns is known; it is where it earns nothing."""
    return stated(run) is None or _rate(run, run.root) is not None


def beyond(run: Run) -> str:
    """Return in words what ratios that are made of a run's streams are beyond."""
    if stated(run) is None:
        return "without a risk-free rate"
    if not at_hand(run):
        return f"without a risk-free rate: the rows of '{stated(run)}', which its cash earns, are not at hand"
    return f"beyond cash at {named(run)}"


def _rate(run: Run, path: str) -> Rate | float | None:
    rate = stated(run)
    if not isinstance(rate, str):
        return None if rate is None else float(rate)
    beneath = (it for it in run.paths if f"{it}/".startswith(f"{path}/"))
    homes = {run.specs[it]["dataset"] for it in beneath if run.specs[it]["kind"] == "leaf"}
    if not homes or not homes <= run.datasets.keys():
        return None
    try:
        return cash_rate(rate, homes, run.datasets)
    except ConfigError:  # it was in another dataset of the forest
        return None
