"""Ingestion: prices from files and frames into the lakehouse.

1. `readers/` reads a file or a frame of any kind as named Arrow columns (`columns`; `page_checksums` are
   compared first); `options` is what the caller says
   of it, and how refusals spell that.
2. `column_words` knows what columns are called; `column_names`, `single_asset`, `bar_shape` and `column_layout` find
   out what they are: dates, symbols, fields, wide or long, one asset or many.
3. `date_texts` and `number_texts` read what is written in text where all cells together prove what it means;
   `cell_values` turns cells into numbers, sessions and symbols; `observations` checks them and refuses repeats.
   `whole_frames` takes a wide frame of plain prices in one piece, where they stay in memory.
4. `many_files` reads a folder or several files as one source; `returns` tells returns from prices and compounds them.
5. `upsert` compares them with what is stored, `seams` refuses two scales in one history; `ingestion` writes what is
   new, with its digests and calendar, in one transaction; `anomalies` notes what is odd. `first_prices` does so for a
   dataset of which nothing is stored, out of memory.
6. `tables/` takes in what is dated beside prices: actions, members, delistings, rates, costs.
"""
