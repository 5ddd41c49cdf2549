"""Beside: any number of stored runs, next to each other.

`several` reads what each was set to, as far as they differ, and how their roots did; `figures` writes the latter.
"""
