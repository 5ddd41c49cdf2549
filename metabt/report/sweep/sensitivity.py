"""Sensitivity: what each key does to the Sharpe ratio, over all that was tried with each of its values.

1. Configurations with one value of a key, or of many numbers one stretch of them, are a group: its median and its
   middle half are drawn.
2. A key's share is the part of the variance of Sharpe ratios that lies between its groups, less what as many groups
   would have by chance (Kelley 1935, epsilon squared: `1 - (n - 1) / (n - k) x SS within / SS total`, at least 0).
3. The spread of a key is how far apart the medians of its groups are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.report import lines
from metabt.report.section import Chart, Facts, Section
from metabt.report.sweep.tried import Tried
from metabt.values.ranges import plural

MOST = 12
"""Keys that are drawn, those with the largest share first."""


@dataclass(frozen=True)
class Effect:
    """What one key does to the Sharpe ratio."""

    key: str
    """The key, whole."""
    values: tuple[str, ...]
    """Its values that a configuration with a Sharpe ratio has, in their natural order, (n_values,)."""
    counts: np.ndarray
    """Configurations with each, (n_values,)."""
    quartiles: np.ndarray
    """25 %, 50 % and 75 % quantile of their Sharpe ratios, (3, n_values)."""
    share: float
    """Part of the variance of Sharpe ratios that lies between the groups beyond chance, 0 to 1; NaN where there is no
    variance, or no group of two."""

    @property
    def spread(self) -> float:
        """Highest less lowest median."""
        return float(np.ptp(self.quartiles[1]))


def effects(tried: Tried) -> list[Effect]:
    """Return the effect of every key that differs among what has a Sharpe ratio, the largest share first."""
    found = []
    score = tried.score[tried.done]
    for key, (labels, places) in tried.grouped.items():
        groups = {place: score[places[tried.done] == place] for place in np.unique(places[tried.done])}
        if len(groups) > 1:
            found.append(_effect(key, [labels[place] for place in groups], list(groups.values()), score))
    return sorted(found, key=lambda effect: (-np.nan_to_num(effect.share), effect.key))


def _effect(key: str, values: list[str], groups: list[np.ndarray], score: np.ndarray) -> Effect:
    quartiles = np.array([np.quantile(group, (0.25, 0.5, 0.75)) for group in groups]).T
    total = float(((score - score.mean()) ** 2).sum())
    between = sum(len(group) * (group.mean() - score.mean()) ** 2 for group in groups)
    known = total > 1e-12 * (1.0 + np.abs(score).max()) and len(score) > len(groups)
    within = (total - between) / max(len(score) - len(groups), 1)
    share = max(0.0, 1.0 - within * (len(score) - 1) / total) if known else np.nan
    return Effect(key, tuple(values), np.array([len(group) for group in groups]), quartiles, share)


def sensitivity(tried: Tried) -> Section | None:
    """Return a chart and a table of what each key does; None where no key differs."""
    found = effects(tried)
    if not found:
        return None
    drawn = found[:MOST]
    charts = [_chart(tried, effect, number) for number, effect in enumerate(drawn)]
    rows = [
        (
            tried.keys[effect.key],
            f"{len(effect.values):,}",
            lines.percent(effect.share, 0),
            f"{effect.spread:.2f}",
            effect.values[int(np.argmax(effect.quartiles[1]))] or "as it is",
        )
        for effect in found
    ]
    note = (
        "The share is the part of the variance of Sharpe ratios that lies between the values of a key, less what "
        "chance alone would give; the spread is how far apart the medians of its values are. A key that changes "
        "nothing has a share near zero, and its best value is then a matter of chance."
    )
    table = Facts(("Key", "Values", "Share", "Spread", "Best median"), rows, note)
    return Section("sensitivity", "What each key does", charts, [table], side_by_side=True)


def _chart(tried: Tried, effect: Effect, number: int) -> Chart:
    low, middle, high = effect.quartiles
    trace = {
        "name": "median",
        "slot": 1,
        "mode": "markers",
        "x": [lines.label(value or "as it is") for value in effect.values],
        "y": lines.rounded(middle, 4),
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": lines.rounded(high - middle, 4),
            "arrayminus": lines.rounded(middle - low, 4),
            "thickness": 1.2,
        },
        "text": [plural(int(count), "configuration") for count in effect.counts],
        "hovertemplate": "%{x}: %{y:.2f}, %{text}<extra></extra>",
    }
    layout = {
        "xaxis": {"type": "category", "title": {"text": lines.label(tried.keys[effect.key])}},
        "yaxis": {"title": {"text": "Sharpe"}, "nticks": 6},
        "showlegend": False,
        "hovermode": "closest",
    }
    caption = "Median, and the middle half, of the Sharpe ratios of all configurations with each value."
    return Chart(f"sensitivity-{number}", caption, [trace], layout, height=16)
