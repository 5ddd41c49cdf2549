"""Colours of sleeves in charts: distinct for colour-blind readers, a set for each background.

The first colour is the portfolio's own. What comes after the last begins again behind the first.
"""

from __future__ import annotations

LIGHT = (
    "#1c1c1a",
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#b0609a",
    "#8a6d00",
    "#3f9fd8",
    "#7a5195",
    "#5f6b6d",
    "#a23b2a",
)
"""On paper."""
DARK = (
    "#f4f4f2",
    "#4aa8e0",
    "#f08a45",
    "#35c99a",
    "#e29ccb",
    "#d9b93a",
    "#8fd0f5",
    "#b596d8",
    "#a8b3b5",
    "#e0806f",
)
"""On a dark screen."""
AGAINST = -2
"""Place of the benchmark's colour, which no sleeve has, however many there are."""
AGAINST_LIGHT, AGAINST_DARK = "#e6007e", "#ff5cb8"
"""The benchmark's, on paper and on a dark screen."""
QUIET = "#a9a9a4"
"""On paper, of what has no colour of its own."""
DOWN, MIDDLE, UP = "#d55e00", "#fcfcfb", "#0072b2"
"""On paper: -1, 0 and 1 of a heat map."""


def colour(slot: int) -> str:
    """Return the colour on paper of a place in the palette; below 0 is the benchmark's, or none of its own."""
    if slot == AGAINST:
        return AGAINST_LIGHT
    if slot < 0:
        return QUIET
    return LIGHT[0] if slot == 0 else LIGHT[1 + (slot - 1) % (len(LIGHT) - 1)]
