"""Tables of what is dated beside prices: a file or a frame of actions, members, delistings and the like, taken in.

1. `table_words` knows what their columns are called; `table_cells` reads their cells; `table_layout` finds out which
   column is which.
2. Memberships may be written as changes (`change_lists`) or as 0 and 1 by date and symbol (`membership_matrix`);
   signals as weights by date and symbol (`weight_matrix`).
3. `bar_actions` makes actions of the dividends and splits that stand beside vendors' bars.
4. `table_ingestion` stores rows of a table (metabt.lakehouse.point_in_time) in one transaction, and reports;
   `late_rows` says what came late.
5. `handed_over` takes tables beside prices in memory.
"""
