"""Sweep: the page of all configurations of a sweep, a builder in each file.

`tried` is the sweep and what its sections need of it. In reading order: `best` (the ranking), how much of it is luck
(metabt.report.luck), `distribution`, `curves`, `sensitivity`, `maps` (a metric by any two keys), `optimum` (how flat it
is), `parallel`, `failures`.
"""
