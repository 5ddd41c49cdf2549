"""Inputs: what differs between what the two runs were made of."""

from __future__ import annotations

from metabt.report.comparison.pair import Pair
from metabt.report.section import Facts, Section

MOST = 300
"""Largest number of differences listed."""


def inputs(pair: Pair) -> Section:
    """Return configuration, prices, code, libraries and platform, where they differ."""
    rows = [(cause.kind, cause.text) for cause in pair.differences[:MOST]]
    note = "From A to B." if rows else "Nothing differs that is recorded of their inputs."
    if pair.untold:
        note = f"What differs cannot be told: {pair.untold}"
    elif len(pair.differences) > MOST:
        note += f" {len(pair.differences) - MOST:,} more are not shown."
    return Section("inputs", "What differs", tables=[Facts(("Input", "Difference"), rows, note, kind="prose")])
