"""Overview: which two runs these are, and how far apart their roots are."""

from __future__ import annotations

import numpy as np

from metabt.report.comparison.pair import LETTERS, Pair
from metabt.report.lines import percent
from metabt.report.run import Run
from metabt.report.section import Facts, Section

ROW = ("status", "engine", "snapshot", "started_at")
"""Columns of `runs` that are shown as they are."""


def overview(pair: Pair) -> Section:
    """Return what both are, and what is measured of them together."""
    return Section("overview", "Overview", tables=[_identities(pair), together(pair)])


def _identities(pair: Pair) -> Facts:
    facts = [_identity(run) for run in pair.runs]
    names = [name for name in facts[0] if any(one[name] for one in facts)]
    return Facts(("", *LETTERS), [(name, *(one[name] for one in facts)) for name in names], kind="words")


def _identity(run: Run) -> dict[str, str]:
    dates = run.streams.dates
    return {
        "portfolio": str(run.row["portfolio"]),
        "run": str(run.row["run_id"])[:12],
        **{name.replace("_", " "): str(run.row.get(name, ""))[:19] for name in ROW},
        "sleeves": f"{len(run.paths):,}",
        "against": ", ".join(run.beside),
        "first session": str(dates[0]),
        "last session": str(dates[-1]),
        "sessions": f"{len(dates):,}",
    }


def together(pair: Pair) -> Facts:
    """Return correlation, tracking and the difference in Sharpe of the two roots, on common sessions."""
    from metabt.baselines.bootstrap import Bootstrap

    shared, bootstrap = pair.common, Bootstrap()
    one, other = shared.returns.T
    difference, low, high = bootstrap.sharpe_difference(other, one, shared.per_year)
    years = len(one) / shared.per_year
    growth = [float(np.prod(1.0 + returns) ** (1.0 / years) - 1.0) for returns in (one, other)]
    active = other - one
    rows = [
        ("common sessions", f"{len(shared.dates):,}, {shared.dates[0]} to {shared.dates[-1]}"),
        ("correlation", _number(correlation(one, other))),
        ("tracking difference p.a.", percent(growth[1] - growth[0])),
        ("tracking error p.a.", percent(float(active.std(ddof=1)) * np.sqrt(shared.per_year))),
        ("Sharpe of B less that of A", _number(difference)),
        (f"its {bootstrap.level:.0%} interval", f"{_number(low)} to {_number(high)}"),
        ("first session with another return", parted(pair)),
    ]
    note = (
        "Of the portfolios, net of costs, B less A. The tracking difference is that of their growth, the tracking "
        "error the standard deviation of the difference of their returns. " + calendars(pair)
    )
    return Facts(("Together", "Value"), rows, note, "Together", "words")


def calendars(pair: Pair) -> str:
    """Return in words which sessions are compared."""
    shared = pair.common
    if shared.same:
        return "Both have the same sessions."
    begins, ends = (len({str(run.streams.dates[at]) for run in pair.runs}) > 1 for at in (0, -1))
    how = [word for word, differs in (("beginnings", begins), ("ends", ends)) if differs]
    if any(shared.alone):
        only = [f"{n:,} that only {letter} has" for n, letter in zip(shared.alone, LETTERS, strict=True) if n]
        how.append(f"sessions in between ({', '.join(only)})")
    return (
        f"The runs have other {' and '.join(how)}: they are compared on the sessions that both have, from the first of "
        "them, with returns compounded in between."
    )


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of two streams, NaN where one does not move."""
    if len(one) < 2 or not np.ptp(one) or not np.ptp(other):
        return np.nan
    return float(np.corrcoef(one, other)[0, 1])


def parted(pair: Pair) -> str:
    """Return the first common session in which the net returns of the roots differ to the bit."""
    nets = []
    for run in pair.runs:
        rows = np.searchsorted(run.streams.dates, pair.common.dates)
        nets.append(run.streams.own(run.root, "net")[rows])
    (rows,) = np.nonzero(nets[0] != nets[1])
    return str(pair.common.dates[rows[0]]) if len(rows) else "none: they are the same to the bit"


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}") if np.isfinite(value) else "\N{EN DASH}"
