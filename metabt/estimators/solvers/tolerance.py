"""Tolerance: how far from its bounds and its budget a portfolio may be and still count as feasible."""

FEASIBLE = 1e-12
"""How far bounds may miss the sum of one."""

DUST = 1e-13
"""How far from its bound a weight may be that a solver leaves there; what is wanted to be off it is far off."""
