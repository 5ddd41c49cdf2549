"""Runs: kept and found again.

1. `commits` writes any number of them at once, each whole or not at all: from memory, as `run_rows`, or from
   `run_files`, which the processes of a sweep have written; `askings` says who asked for which, and when.
2. `stored_runs` finds and reads them, their tables batch by batch (`streamed_table`); `names` says which one a word
   means; `run_list` lists them all, `sweep_members` what a sweep asked for. `root_streams` is what the ledger keeps of
   them, whatever becomes of the runs.
3. `searches` has what was searched, and with which library.
4. `run_digests` and `run_seals` are recorded by the ones and compared by the others.
"""
