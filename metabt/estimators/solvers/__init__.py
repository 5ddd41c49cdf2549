"""Solvers: the compiled programmes behind optimizers, to rounding and not to a tolerance that a user sets.

1. `frontier` solves stacks of box-constrained quadratic programmes for minimum variance, mean-variance and tangency
   portfolios: `twins` merges identical assets, `crash` guesses the end, `active_set` reaches it, on the triangular
   factors of `linear`. `wide` solves minimum variance of many assets without forming their covariance (`scatter`).
2. `nearby` solves the same programmes near what is held, with turnover limited or penalised.
3. `one_factor` and `barrier` solve risk budgeting.
4. `tail_risk` solves the linear programmes of minimum CVaR, and proves each: `distinct_columns` puts assets in order,
   `tail_start` makes a vertex, `tail_simplex` goes down from there, with systems that `elimination` solves.
5. `support` says which assets of a window may have weight, `tolerance` what still counts as feasible.

Imports within the room of estimators: `moments` and `windows`.
"""
