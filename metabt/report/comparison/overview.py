"""Overview: which two runs these are, and how far apart their roots are."""

from __future__ import annotations

import numpy as np

from metabt.analysis.common_sessions import compounded
from metabt.analysis.summary import with_growth
from metabt.numerics.dispersion import deviation
from metabt.report.cash import at_hand, idle, named, stated
from metabt.report.comparison.pair import LETTERS, Pair
from metabt.report.lines import percent
from metabt.report.run import Run
from metabt.report.section import Facts, Section
from metabt.runs.comparison import first_session_apart

ROW = ("status", "engine", "snapshot", "started_at")
"""Columns of `runs` that are shown as they are."""


def overview(pair: Pair) -> Section:
    """Return the section: the identity of both runs, and correlation, tracking and Sharpe of their roots."""
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
    from metabt.runs.baselines.bootstrap import Bootstrap

    shared, bootstrap = pair.common, Bootstrap()
    one, other = shared.returns.T
    first, second = (beyond_cash(pair, side) for side in (0, 1))
    difference, low, high = bootstrap.sharpe_difference(second, first, shared.per_year)
    metrics = pair.metrics("")
    (grown,) = with_growth(("total_return", "cagr"), metrics[:1])  # both have one length
    growth = [values.get(grown, np.nan) for values in metrics]
    error = deviation(other - one) * np.sqrt(shared.per_year)
    interval = f"{_number(low)} to {_number(high)}"
    if len(one) < bootstrap.fewest:
        interval = f"none: it takes {bootstrap.fewest} sessions"
    rows = [
        ("common sessions", f"{shared.count:,}, {shared.dates[0]} to {shared.dates[-1]}"),
        ("correlation", _number(shared.correlation)),
        ("tracking difference" + (" p.a." if grown == "cagr" else ""), percent(growth[1] - growth[0])),
        ("tracking error p.a.", percent(error)),
        ("Sharpe of B less that of A", _number(difference)),
        (f"its {bootstrap.level:.0%} interval", interval),
        ("first session with another return", parted(pair)),
    ]
    note = (
        "Of the portfolios, net of costs, B less A. The tracking difference is that of their growth, the tracking "
        "error the standard deviation of the difference of their returns. " + calendars(pair) + rates(pair)
    )
    return Facts(("", "Value"), rows, note, "Together", "words")


def beyond_cash(pair: Pair, side: int) -> np.ndarray:
    """Return a root's returns on common sessions, less those of its cash where it earns a rate that is known."""
    shared, run = pair.common, pair.runs[side]
    cash, returns = idle(run, run.root), shared.returns[:, side]
    return returns if cash is None else returns - compounded(cash, shared.bounds[side])


def rates(pair: Pair) -> str:
    """Return in words beyond which rates of cash ratios are, where a run states one; else nothing."""
    if all(stated(run) is None for run in pair.runs):
        return ""
    alike = "" if stated(pair.one) == stated(pair.other) else ", which is not alike"
    told = " and ".join(
        f"those of {letter} beyond {named(run)}" for letter, run in zip(LETTERS, pair.runs, strict=True)
    )
    lacking = " and ".join(letter for letter, run in zip(LETTERS, pair.runs, strict=True) if not at_hand(run))
    without = (
        f" What is measured here anew, the difference in Sharpe and ratios on common sessions, is without the rate of "
        f"{lacking}, whose rows are not at hand."
    )
    return f" Ratios are beyond cash, {told}{alike}.{without if lacking else ''}"


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
    since = "the close of the first of them"
    if shared.begins:
        since = "their first trade, which is the same" if shared.traded else "the first trade of the later one"
    return (
        f"The runs have other {' and '.join(how or ['first trades'])}: they are compared on the sessions that both "
        f"have, from {since}, with returns compounded in between."
    )


def parted(pair: Pair) -> str:
    """Return the first session from which the net returns of the roots are not the same to the bit."""
    one, other = ((run.streams.dates, run.streams.own(run.root, "net")) for run in pair.runs)
    when = first_session_apart(one, other)
    return when or f"none: they are the same to the bit{'' if pair.common.same else ' as long as both have them'}"


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}") if np.isfinite(value) else "\N{EN DASH}"
