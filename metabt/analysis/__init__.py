"""Analysis: the results of a walk, as tables.

1. `sleeve_history` puts one sleeve's blocks end to end over the whole view.
2. `run_tables` makes the tables of a run from the histories of all sleeves: returns, decisions, weights, contributions,
   orders, stages.
3. `metrics_table` measures every stream (`metrics/`) and sets it against the `benchmark`; `risk_table` shares risk out
   among children and, with `risk_by_asset`, among assets; `summary` prints the metrics as a tree.
4. `attribution/` says where a return came from, item by item and level by level.

Imports: `build` and the rooms beneath it.
Offers: `assemble`, `view`, `SleeveHistory`, `Benchmark`, `summary`.
"""
