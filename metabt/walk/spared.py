"""Spared: what a walk leaves out whose outcome is neither stored nor walked on from, such as one for attribution.

1. Decisions that are known are taken over as they are: holdings, costs and streams follow from them, to the bit.
2. Ex-ante shares of risk are a record of decisions and change nothing after them; they are NaN where nobody asks.

What is spared is the caller's to know (metabt.engines.rewalk): everyone else spares nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from metabt.walk.block import Decisions


@dataclass(frozen=True)
class Spared:
    """What the walk of one sleeve leaves out."""

    decisions: Decisions | None = None
    """All that the sleeve decides in the sessions that are walked, by their rows; None where it is to decide."""
    risk: bool = False
    """Whether ex-ante shares of risk are left out."""


NOTHING = Spared()
"""Every decision is taken, and its risk is measured."""
