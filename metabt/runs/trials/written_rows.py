"""Written rows: what somebody wrote into tables beside prices, as it was visible by a day.

1. Signals, memberships, schedules and costs are decisions of whoever wrote them: other rows are another trial. Prices,
   rates, actions, delistings and renamed tickers are facts of the market: they are known by the dataset's name.
2. By a day a row is visible that was about that day or an earlier one, and known by then; an end that lies after it is
   still open. So rows that are added later change nothing of what was visible before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from metabt.data.dataset import Dataset
from metabt.data.point_in_time.cost_rates import EVERY
from metabt.data.point_in_time.hedging import PREFIX
from metabt.data.point_in_time.tables import DatedTable
from metabt.portfolio.sleeve import Leaf, Sleeve

WRITTEN = ("costs", "members", "schedules", "signals")
"""Tables whose rows somebody decided on."""
Asked = Mapping[tuple[str, str], set[str]]
"""(dataset, table) -> what of it a tree names: assets, universes, schedules, signals."""
NOT_YET = np.datetime64("NaT", "D")


def written_tables(tree: Sleeve, datasets: Mapping[str, Dataset]) -> dict[tuple[str, str], DatedTable]:
    """Return (dataset, table) -> the rows of it that a tree reads; those without rows are left out."""
    found: dict[tuple[str, str], DatedTable] = {}
    homes = {leaf.dataset for _, leaf in tree.leaves()}
    if not any(table in datasets[name].facts.point_in_time.tables for name in homes for table in WRITTEN):
        return found
    for (name, table), firsts in sorted(_asked(tree).items()):
        rows = datasets[name].facts.point_in_time.tables.get(table)
        if rows is not None and len(own := rows.of_firsts(_named(rows, firsts))):
            found[name, table] = own
    return found


def visible(table: DatedTable, day: np.datetime64) -> DatedTable:
    """Return the rows of a table that were visible by a day, ends after it left open."""
    begins = table.numbers("date" if table.name in ("schedules", "signals") else "first_date")
    seen = begins <= day
    if "known_at" in table.columns:
        seen &= table.numbers("known_at") <= day
    own = table.take(seen)
    if "last_date" not in own.columns:
        return own
    ends = np.where(own.numbers("last_date") > day, NOT_YET, own.numbers("last_date"))
    return DatedTable(own.name, {**own.columns, "last_date": ends})


def _asked(tree: Sleeve) -> Asked:
    found: dict[tuple[str, str], set[str]] = {}
    for name, table, text in _texts(tree):
        found.setdefault((name, table), set()).add(text)
    return found


def _texts(tree: Sleeve) -> Iterator[tuple[str, str, str]]:
    for _, sleeve in tree.walk():
        spec = sleeve.spec
        homes = sorted({leaf.dataset for _, leaf in sleeve.leaves()})
        if spec.schedule.dates is not None:
            yield from ((name, "schedules", spec.schedule.dates) for name in homes)
        if isinstance(spec, Leaf):
            yield from ((spec.dataset, "costs", symbol) for symbol in (EVERY, *spec.universe))
            if spec.hedged is not None:
                yield spec.dataset, "costs", PREFIX
            if spec.signal is not None:
                yield spec.dataset, "signals", spec.signal
            if spec.drawn is not None and spec.drawn.members is not None:
                yield spec.dataset, "members", spec.drawn.members


def _named(rows: DatedTable, firsts: set[str]) -> list[str]:
    """Return those of some names that a table has, all hedges where PREFIX is among them."""
    return [it for it in rows.first_texts if it in firsts or (PREFIX in firsts and it.startswith(PREFIX))]
