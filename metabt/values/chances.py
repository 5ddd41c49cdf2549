"""Chances: probabilities as text."""

from __future__ import annotations

SMALLEST = 0.001
"""Below this a probability that was drawn is no more than a bound."""


def chance(p: float) -> str:
    """Return a probability as text, a dash where there is none.

    >>> chance(0.0312), chance(0.0004), chance(float("nan"))
    ('0.031', '<0.001', '-')
    """
    if p != p:
        return "-"
    return f"<{SMALLEST}" if p < SMALLEST else f"{p:.3f}"
