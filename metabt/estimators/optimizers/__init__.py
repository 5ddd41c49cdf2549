"""Optimizers: one a file; `fit(X)` leaves `weights_`, `weigh(windows, support)` solves a whole stack of windows.

By name in configurations: `equal`, `inverse_volatility`, `min_variance`, `mean_variance`, `max_sharpe`,
`max_diversification`, `min_cvar`, `erc`, `hrp`, `fixed`. `base` is their contract, with bounds as constraints; `capped`
holds proportional weights within bounds, `turnover` limits or prices trading, `fitted` puts estimators of the `fit(X)`
convention behind the contract. Numerical programmes are in `metabt.estimators.solvers`. A new optimizer is a file here
and an entry in `metabt.estimators.registry`.
"""
