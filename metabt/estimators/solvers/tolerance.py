"""Tolerance: how far from its bounds and its budget a portfolio may be and still count as feasible."""

FEASIBLE = 1e-12
"""How far bounds may miss the sum of one."""
