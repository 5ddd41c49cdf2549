"""Luck: how likely the best of a family of trials would have come out of nothing.

Its input is a matrix of excess returns, a column for each trial, and the sessions of a year; it knows neither runs nor
lakehouses.

1. `luck` is the door: of each trial and of the family everything there is (`verdict`). `level_luck` says which choice
   of a sweep is luck, by `slices` of trials that are alike but for it.
2. `trial_returns` is the matrix, read by columns; `moments` are those of each trial.
3. `family_test` draws the family anew (`stationary_bootstrap`, with the `block_length` of Politis and White) and keeps
   the `maxima`, from which `p_luck` and StepM's survivors follow.
4. `sharpe_evidence` is closed form: PSR, deflated Sharpe, least track record and backtest. `overfitting` is PBO,
   `rademacher` the complexity of the family and its bound.
5. `superior_ability` (Hansen's test) and `confidence_set` (the trials that cannot be told from the best) work with the
   same draws.

Imports: `analysis` and the rooms beneath it; of `analysis` the error of a Sharpe ratio alone.
Offers: `luck`, `level_luck`, `Luck`, `LevelLuck`, `Draws`, `TrialReturns`, `SharpeRatio`, `SharpeEstimate`.
"""
