"""Baselines: what a tree is compared with, walked by the same simulator at the same costs."""
