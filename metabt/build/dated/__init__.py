"""Dated: what tables beside prices give the sleeves of a plan, session by session.

1. `named_rates` finds a rate by its name, in the datasets that a sleeve reads or else in all of the forest.
2. `dated_inputs` has what cash earned and assets cost.
3. `currencies` has the datasets whose returns are in the currency of a tree, `hedges` what forwards earned.
4. `decision_days` are the days of an exchange or of a table that a schedule decides on.

Imports: `data` and the rooms beneath it, and plans.
Offers: `named_rate`, `idle_of`, `costs_of`, `homes_of`, `hedges_of`, `opened`.
"""
