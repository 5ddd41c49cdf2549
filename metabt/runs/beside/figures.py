"""Figures: metrics of runs that stand beside each other, as text."""

from __future__ import annotations

import numpy as np

from metabt.analysis.summary import COLUMNS
from metabt.values.chances import chance

LUCK = "p_luck"
"""Name of how likely it is luck, which is no metric of a run alone."""


def heading(name: str) -> str:
    """Return what a metric is called."""
    return "p luck" if name == LUCK else COLUMNS.get(name, (name, ""))[0]


def figure(name: str, value: float) -> str:
    """Return a metric's value as text, a dash where there is none."""
    if name == LUCK:
        return chance(value)
    return COLUMNS.get(name, (name, "{:.4g}"))[1].format(value).strip() if np.isfinite(value) else "-"
