"""Baselines: what a tree is compared with, walked by the same simulator at the same costs.

1. `trees` makes the other trees (equal, inverse volatility, ...), `static` the weights that are decided once and held.
2. `walk_baselines` walks all of them with the tree in one forest.
3. `statistics` measures each beside the tree; `bootstrap` says how sure the difference in Sharpe ratios is.
"""
