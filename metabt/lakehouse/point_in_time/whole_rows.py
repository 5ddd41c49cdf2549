"""Whole rows: what a source that says a stored date of a signal anew does not name has the weight 0 from then on.

A date's rows are a whole row of weights. A source that has a date which is stored, and does not say since when its rows
were known, says all of that date: what is stored of it and is missing there was taken out. Rows that state `known_at`
are corrections of single assets, and leave the others as they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metabt.data.point_in_time.tables import DatedTable
from metabt.lakehouse.point_in_time.incoming import Incoming, groups, taken, together
from metabt.lakehouse.point_in_time.merging import newest
from metabt.values.ranges import plural
from metabt.values.tables import Table, concat

NAT = np.datetime64("NaT", "D")


def with_whole_rows(stored: DatedTable | None, incoming: Incoming) -> Incoming:
    """Return rows of signals, with a weight of 0 for every asset that a date of theirs had and has no more.

    Such a row bears the number of the first row of its date in the source, and is counted among those that were read.
    """
    unsaid = np.isnat(np.asarray(incoming.columns["known_at"]))
    if stored is None or not unsaid.any():
        return incoming
    rows, n_stored = together(stored.columns, incoming.columns), len(stored)
    of_date, of_asset = groups(rows, ("name", "date")), groups(rows, ("name", "date", "asset"))
    known = newest(stored.columns, "signals")
    gone = np.isin(of_date[known], of_date[n_stored:][unsaid]) & ~np.isin(of_asset[known], of_asset[n_stored:])
    gone &= stored.numbers("weight")[known] != 0
    places = known[gone]
    if not len(places):
        return incoming
    first = np.full(int(of_date.max()) + 1, -1)
    first[of_date[n_stored:][::-1]] = incoming.rows[::-1]  # the first row of a date is written last
    zeros: Table = taken(rows, places)
    zeros |= {"weight": np.zeros(len(places)), "known_at": np.full(len(places), NAT)}
    note = f"{plural(len(places), 'stored weight')} of dates that the source says anew without them: 0 from now on"
    return replace(
        incoming,
        columns=concat([{name: incoming.columns[name] for name in zeros}, zeros]),
        rows=np.concatenate([incoming.rows, first[of_date[places]]]),
        read=incoming.read + len(places),
        notes=(*incoming.notes, note),
    )
