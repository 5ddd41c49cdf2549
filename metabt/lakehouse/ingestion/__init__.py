"""Ingestion: prices from files and frames into the lakehouse.

1. `file_readers` reads a CSV, a Parquet file or a frame as named Arrow columns; `page_checksums` are compared first.
2. `column_names` and `column_layout` find out what the columns are: dates, symbols, fields, wide or long.
3. `cell_values` turns cells into numbers, sessions and symbols; `observations` checks them and refuses repeats.
4. `upsert` compares them with what is stored; `ingestion` writes what is new, with its digests and calendar, in one
   transaction.
"""
