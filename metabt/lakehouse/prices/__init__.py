"""Prices: out of the lakehouse, and what is known of them without reading any.

1. `dataset_facts` has sessions, symbols and digests of a dataset; `calendars` and `price_digests` keep them up to date;
   `seals` are digests over digests, with which all that is read is compared. `dataset_rows` writes what is recorded of
   a dataset as a whole.
2. `price_files` writes many rows as files; `price_panels` reads long rows into sessions x assets; `reader` does so
   from any process, by rows of a calendar.
3. `snapshots` opens the lakehouse as it was, `as_of` at the snapshot that a day means; `snapshot_difference` says which
   inputs differ between two of them, and `price_changes` which observations, in words.
"""
