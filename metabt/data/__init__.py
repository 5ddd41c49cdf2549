"""Data: prices in memory, as sessions x assets.

1. `prices` holds one dataset's closes (and volumes, ...) on its sessions, and the simple returns between them.
2. `facts` is what is known of a dataset without reading a price: sessions, symbols, digests; `dataset` adds how to read
   them.
3. `calendars` says on which sessions a sleeve has a book, and on which it decides; `exchange_days` has the days of an
   exchange, by the package that knows its calendar.
4. `point_in_time/` is what is dated beside prices: actions, members, delistings, rates, costs, days to decide on.
5. `panel/` is the lazy layer on top, for users' own functions of prices; a `step` is one that stands between a
   dataset's prices and its returns.

Imports: `values` and `numerics`. It does not know where prices are stored: readers are arguments.
Offers: `Prices`, `Facts`, `Dataset`, `Calendar`, `Panel`, `Sheet`.
"""
