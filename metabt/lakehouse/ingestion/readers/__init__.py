"""Readers: a source of any kind becomes named Arrow columns.

1. `sources` knows which reader a source needs, and which files a folder holds.
2. `csv_files`, `parquet_files`, `excel_files` and `frames` read one kind each; `gathered` makes whole columns of
   batches.
3. `text_cells` finds the header of a table of text.
"""
