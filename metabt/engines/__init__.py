"""Engines: who walks a plan.

1. `backtest_engine` plans a forest of trees, has it walked, and assembles the tables of each tree.
2. `choice` turns `local`, `ray` or `auto` into an executor, and says why.
3. `executor` is what the engine asks of whoever walks a plan: `local` walks in this process and is the reference;
   `ray/` walks in many, to the same bits.

Imports: `lakehouse` and the rooms beneath it; Ray in `ray/` only.
Offers: `BacktestEngine`, `executor_of`, `Local`, `Ray`.
"""
