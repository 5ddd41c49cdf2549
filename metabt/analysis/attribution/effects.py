"""Effects: why a sleeve did better or worse than a benchmark that divides the same children differently.

With weights w and returns r of the children of a sleeve, and w_b, r_b of the benchmark's, in every session:

1. allocation `(w - w_b) r_b`: more of a child than the benchmark has, at what the benchmark's child earned
2. selection `w_b (r - r_b)`: what the child did better than the benchmark's child, at the benchmark's weight
3. interaction `(w - w_b)(r - r_b)`: both at once; stated, not given to either of them
4. together `w r - w_b r_b`: what the child earned here beyond what it earned there

Interaction is computed as what is left of 4. So it also takes what was earned by positions that could not be traded
when shares were, and what a child's cash earned between the child's sessions; the sum is exact. Cash earns the same on
both sides: what more or less of it makes is allocation.

References
----------
Brinson, Hood and Beebower (1986), "Determinants of portfolio performance", Financial Analysts Journal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Side:
    """A portfolio or its benchmark; (n_sessions, n_children) each."""

    weights: np.ndarray
    """Weights held over the session, from the close before it."""
    returns: np.ndarray
    """Gross returns of each child."""
    earned: np.ndarray
    """Contributions to the gross return: weights x returns, but for positions that could not be traded."""


@dataclass(frozen=True)
class Effects:
    """Effects by child, (n_sessions, n_children) or linked, (n_periods, n_children)."""

    allocation: np.ndarray
    """Effect of holding more or less of the child than the benchmark does."""
    selection: np.ndarray
    """Effect of the child's return beyond that of the benchmark's child."""
    interaction: np.ndarray
    """Effect of both at once."""

    @property
    def total(self) -> np.ndarray:
        """Sum of the three effects by child."""
        return self.allocation + self.selection + self.interaction

    def linked(self, factors: np.ndarray) -> Effects:
        """Return the effects added up with factors, (n_periods, n_sessions), by period."""
        return Effects(factors @ self.allocation, factors @ self.selection, factors @ self.interaction)


def effects(portfolio: Side, benchmark: Side) -> Effects:
    """Return the effects of every child in every session."""
    allocation = portfolio.weights - benchmark.weights
    allocation *= benchmark.returns
    selection = portfolio.returns - benchmark.returns
    selection *= benchmark.weights
    interaction = portfolio.earned - benchmark.earned
    interaction -= allocation
    interaction -= selection
    return Effects(allocation, selection, interaction)


def cost_of(cost: np.ndarray, gross: np.ndarray) -> np.ndarray:
    """Return what costs take from each session's return, (n_sessions,): `net - gross = -cost (1 + gross)`."""
    return -cost * (1.0 + gross)
