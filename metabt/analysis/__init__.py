"""Analysis: the results of a walk, as tables.

1. `sleeve_history` puts one sleeve's blocks end to end over the whole view.
2. `run_tables` makes the tables of a run from the histories of all sleeves: returns, decisions, weights, contributions,
   orders, stages.
3. `common_sessions` is the one place where series are put side by side: on the sessions that all of them have, each
   compounded in between, and counted. `year_windows` measures what is inside a calendar year, and `calendar_time` says
   what a year is. Whoever compares streams, here and above, asks these.
4. `metrics_table` measures every stream (`metrics/`) and sets it against the `benchmark`; `risk_table` shares risk out
   among children and assets, with `realised_risk` as it came and with `risk_by_asset` as it was expected; `summary`
   prints the metrics as a tree.
5. `run_notes` is what must be known of a run beside its numbers, and `note_lines` says it: what ended it early, which
   decisions fell back (`decision_counts`), which assets were `left_out` of most, and their `coverage`, which `ended`
   while they were held. `nothing_traded` says why a run has no stream; `run_facts` is the little that is told of one
   run among many, and `rank` puts many in order.
6. `attribution/` says where a return came from, item by item and level by level.

Imports: `build` and the rooms beneath it.
Offers: `assemble`, `view`, `SleeveHistory`, `Benchmark`, `Series`, `on_common_sessions`, `YearWindows`, `summary`,
`run_notes`, `note_lines`.
"""
