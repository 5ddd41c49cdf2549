"""Several: the page of any number of runs next to each other, a builder in each file.

`beside` is the runs and what their sections need. In reading order: `overview` (what they are, what they were set to as
far as it differs, how they did), `curves` (growth of each).
"""
