"""Point-in-time data: what is dated beside prices, and what it makes of returns, universes, cash and costs.

1. `tables` has the columns of each table, and a table in memory: checked and in order.

Imports: `values`. It does not know where tables are stored.
Offers: `DatedTable`, `PointInTime`.
"""
