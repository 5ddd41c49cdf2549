"""API: the Python face of metabt.

1. `functions` has `backtest`, `plan`, `connect` and `load`; `panels` has `open_panel`,
   `ingestion` has `ingest`.
2. `result` is what they return: the tables of one run as pandas frames, attribution, baselines, pages.
   `showing` writes them as a line and as a table for notebooks.
3. `sweeping` has `sweep`, `stated_space` reads what it is given, and `sweep_result` is what it returns.
4. `plain_values` reads a tree that Python states, sequences, NumPy's scalars, dates and estimators that are objects;
   `progress` is the bar of a notebook.
5. `completion` assembles a run of which a sweep kept the summary; `differences` says what became of data between two
   snapshots, `compared` sets stored runs beside each other.

Imports: every room but `cli`. Offers: what `metabt` exports, and nothing else.
"""
