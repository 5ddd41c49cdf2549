"""Comparison: the page of two runs side by side, a builder in each file."""
