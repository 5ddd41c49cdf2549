"""Comparison: the page of two runs side by side, a builder in each file.

`pair` is two runs and what their sections need of both, `common` puts their streams on the sessions that both have. In
reading order: `overview`, `curves`, `inputs` (what differs), `measured` (metrics), `allocation`.
"""
