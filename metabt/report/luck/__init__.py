"""Luck on pages: what Sharpe ratios are worth beside everything that was tried.

`family` is the table of what competes and of the best of it; `of_sweep` builds the section of a sweep, with the choices
of its best, `of_run` that of one run.
"""
