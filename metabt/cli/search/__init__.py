"""`metabt backtest -m` beyond a grid.

1. `search_command` runs a search where `sweep.sampler` names a sampler, `experiments_command` what a file lists.
2. `search_text` says how far it is, and what came of it.
"""
