"""Engines: plan a forest of trees, and walk it in this process or on a cluster.

1. `backtest_engine` plans a forest of trees, lets an executor walk it, and assembles the tables of each tree.
2. `choice` turns `local`, `ray` or `auto` into an executor, and says why; `usable_cpus` counts the processors that
   this process may keep busy, `usable_memory` refuses what needs more memory than it may take.
3. Of the executors (metabt.build.walk_result says what they are asked for) `local` walks in this process, on threads
   (`side_by_side`), and is the reference; `rewalk` walks what surrounds a run again, in memory, from the decisions that
   the run recorded (`taken_decisions`), and leaves its cache as it is; `ray/` walks in many processes, to the same
   bits. `tree_groups` cuts a sweep's forest into groups that are walked and assembled by themselves.

Imports: `lakehouse` and the rooms beneath it; Ray in `ray/` only.
Offers: `BacktestEngine`, `executor_of`, `Local`, `Ray`.
"""
