"""API: the Python face of metabt.

1. `functions` has `backtest`, `plan`, `connect` and `load`; `panels` has `open_panel`,
   `ingestion` has `ingest`.
2. `result` is what they return: the tables of one run as pandas frames, attribution, baselines, pages.
3. `completion` assembles a run of which a sweep kept the summary.

Imports: every room but `cli`. Offers: what `metabt` exports, and nothing else.
"""
