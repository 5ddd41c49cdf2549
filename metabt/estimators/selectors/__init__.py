"""Selectors: one a file; `fit(X)` leaves a support, `select(windows, eligible)` selects for a whole stack of windows.

By name in configurations: `all`, `top_k`, `decorrelate`, `log_mps`. `base` is their contract, `fitted` puts estimators
of the `fit(X)` / `get_support()` convention behind it; `_metrics` measures every asset of a window, `_scores` ranks
them, `_order_statistics` has medians and quantiles. A new selector is a file here and an entry in
`metabt.estimators.registry`.
"""
