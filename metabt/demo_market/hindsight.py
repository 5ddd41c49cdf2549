"""Hindsight: the universes that one would write down today, of whoever is a member on the last session.

Each is what it is now from the first session on, and as if that had been known then: what came later, failed or was
bought is not in it. They are there to be compared with the memberships of then.
"""

from __future__ import annotations

import numpy as np

from metabt.data.point_in_time.membership import member_mask
from metabt.data.point_in_time.tables import DatedTable
from metabt.demo_market.market import DemoMarket
from metabt.values.tables import Coded, Column

TODAY = "_today"
"""What follows the name of a universe in that of its members on the last session."""


def hindsight(market: DemoMarket) -> DatedTable:
    """Return a table of members, of universes that are called as the market's are and `_today`."""
    table, last = market.tables["members"], market.dates[-1:]
    rows = [
        (f"{universe}{TODAY}", asset)
        for universe in table.first_texts
        for asset, is_in in zip(market.assets, member_mask(table, universe, market.assets, last)[0], strict=True)
        if is_in
    ]
    first = np.full(len(rows), market.dates[0])
    columns: dict[str, Column] = {
        "universe": Coded.of([universe for universe, _ in rows]),
        "asset": Coded.of([asset for _, asset in rows]),
        "first_date": first,
        "last_date": np.full(len(rows), "NaT", "datetime64[D]"),
        "known_at": first,
    }
    return DatedTable.of("members", columns)
