"""Point-in-time data: what is dated beside prices, and what it makes of returns, universes, cash and costs.

1. `tables` has the columns of each table, and a table in memory: in order, its rows by asset.
2. `lives` says which symbol an asset has when; `asset_prices` is a dataset read by asset, and `asset_digests` addresses
   what it reads.
3. `total_returns` makes `events` of actions and delistings: returns that are more than a ratio of two prices, and ends.
4. `with_events` is a dataset that has them; `event_digests` addresses what it reads.
5. `membership` says which assets belong to a universe, as it was known then.
6. `accrual` is what cash earns in each session, from rows of `rates`; `cost_rates` what trading and borrowing each
   asset costs, from rows of `costs`.
7. `stated_days` are days to decide on, from rows of `schedules`.
8. `signals` says which weights a signal from outside has decided when, as it was known then.
9. `currencies` says which currency an asset is in and what that is worth; `converted` is a dataset whose returns are in
   another one, and `hedging` what a forward on a currency earns, and when how much of it is sold.

Imports: `values`, and `data` beside it. It does not know where tables are stored.
Offers: `DatedTable`, `PointInTime`, `Lives`, `by_asset`, `Events`, `idle_returns`, `cost_rates`, `Signal`.
"""
