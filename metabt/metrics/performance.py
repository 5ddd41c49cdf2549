"""Performance of one realised stream.

Growth is measured on calendar time, dispersion on the sessions that were measured: a stream with N rows over Y years
has N / Y sessions a year, whatever its calendar. The stream's NAV is 1 at the close of its first trade.
"""

from __future__ import annotations

import numpy as np

DAYS_PER_YEAR = 365.25


def performance(
    net: np.ndarray, cost: np.ndarray, turnover: np.ndarray, netting: np.ndarray, years: float
) -> dict[str, float]:
    """Return the metrics of one stream by name.

    Parameters
    ----------
    net : (n_sessions,) returns after costs
    cost : (n_sessions,) what each session was charged, fraction of NAV
    turnover : (n_sessions,) half the sum of absolute trades
    netting : (n_sessions,) cost saved by netting trades of children, fraction of NAV
    years : calendar time from the first trade to the last session

    Returns
    -------
    cagr, volatility (ddof 1), sharpe (no risk-free rate), max_drawdown (positive), turnover, cost and netting_benefit,
    all a year; sessions, years. What is undefined (no sessions, no dispersion) is NaN.
    """
    nav = np.cumprod(1.0 + net)
    per_year = len(net) / years if years > 0 else np.nan
    deviation = net.std(ddof=1) if len(net) > 1 else np.nan
    return {
        "cagr": nav[-1] ** (1 / years) - 1 if years > 0 and len(net) else np.nan,
        "volatility": deviation * np.sqrt(per_year),
        "sharpe": net.mean() / deviation * np.sqrt(per_year) if deviation > 0 else np.nan,
        "max_drawdown": max_drawdown(nav),
        "turnover": turnover.sum() / years if years > 0 else np.nan,
        "cost": cost.sum() / years if years > 0 else np.nan,
        "netting_benefit": netting.sum() / years if years > 0 else np.nan,
        "sessions": float(len(net)),
        "years": years,
    }


def max_drawdown(nav: np.ndarray) -> float:
    """Return the deepest fall from a peak as a positive fraction; the NAV of 1 before the first session is a peak."""
    path = np.concatenate([[1.0], nav])
    return float(np.max(1.0 - path / np.maximum.accumulate(path)))


def years_between(first: np.datetime64, last: np.datetime64) -> float:
    """Return calendar years from one date to another."""
    return float((last - first).astype("timedelta64[D]").astype(int)) / DAYS_PER_YEAR
