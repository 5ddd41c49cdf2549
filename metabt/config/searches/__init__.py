"""Searches: what `-m` runs that is no grid.

`searched` reads a search from a command line, `experiments` whole configurations from a file, which `spelling` turns
into overrides. `optuna_sweeper` refuses Hydra's sweeper of that name, and says what to type.
"""
