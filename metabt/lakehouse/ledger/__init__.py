"""Ledger: everything that was ever tried on a lakehouse, in one chain of rows that are only added.

1. `chain` appends rows of any kind, each with the hash of the one before, and finds what was changed or taken out.
2. `trial` is one try; `noting` writes those that are new, within the transaction of their runs.
3. `stream_rows` and `trial_streams` keep the root's stream of every trial, whatever becomes of the run.
4. `study` names what trials are part of; `family` reads those that compete with each other, as a matrix of excess
   returns.
"""
