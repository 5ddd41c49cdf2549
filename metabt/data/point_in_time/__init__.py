"""Point-in-time data: what is dated beside prices, and what it makes of returns, universes, cash and costs.

1. `tables` has the columns of each table, and a table in memory: checked and in order.
2. `accrual` is what cash earns in each session, from rows of `rates`; `cost_rates` what trading and borrowing each
   asset costs, from rows of `costs`.

Imports: `values`. It does not know where tables are stored.
Offers: `DatedTable`, `PointInTime`, `idle_returns`, `cost_rates`.
"""
