"""Runs: kept whole or not at all, and read back as they were stored.

1. `commits` writes any number of them at once, each whole or not at all.
2. `stored_runs` finds and reads them.
3. `run_digests` are recorded by the one and compared by the other.
"""
