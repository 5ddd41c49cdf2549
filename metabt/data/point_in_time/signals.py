"""Signals: target weights from outside, and the sessions in which they are decided, as they were known then.

1. The rows of one date are a whole row of weights: an asset that none of them names has the weight 0.
2. A row counts from the first session on or after its date, the day on which it was known, and the start of the leaf.
3. A session decides where a row of the newest date that counts by then begins to count. Of several rows about one asset
   of that date the one that was known last counts; what is said later of an older date changes nothing.
4. Of dates that begin to count in one session the newest is decided; the others, and those that were known only after
   a newer date, are `passed`.

What is decided in a session depends on the rows that count by then alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metabt.data.point_in_time.tables import DatedTable
from metabt.values.tables import Coded

NEVER = np.datetime64("0001-01-01", "D")
_NO_DATES = np.empty(0, "datetime64[D]")
NO_SIGNALS = DatedTable.of(
    "signals",
    {
        **{column: Coded.of([]) for column in ("name", "asset")},
        **{column: _NO_DATES for column in ("date", "known_at")},
        "weight": np.empty(0),
    },
)
"""The table of a dataset that has no signal."""


@dataclass(frozen=True)
class Signal:
    """What one signal decides in the sessions of a calendar."""

    table: DatedTable
    """Its rows, of those that count by the last session."""
    entries: np.ndarray
    """(n_rows,) int64 session from which on each of them counts."""
    columns: np.ndarray
    """(n_rows,) int64 asset of each of them, -1 where it is none of the universe."""
    n_assets: int
    """Assets of the universe."""
    begins: np.datetime64
    """Day of the earliest decision."""
    sessions: np.ndarray
    """(n_decisions,) int64 sessions that decide, ascending."""
    dates: np.ndarray
    """(n_decisions,) datetime64[D] date of what each of them decides, never descending."""

    @classmethod
    def of(
        cls, table: DatedTable, name: str, symbols: tuple[str, ...], sessions: np.ndarray, start: str | None = None
    ) -> Signal:
        """Return what a signal decides.

        Parameters
        ----------
        table : DatedTable
            `signals` of the dataset.
        name : str
            Which signal; one that is not there decides nothing.
        symbols : tuple of str
            (n_assets,) the universe.
        sessions : (n_sessions,) datetime64[D]
            Strictly increasing.
        start : str, optional
            ISO date of the earliest decision.
        """
        own = table.of_firsts([name])
        begins = NEVER if start is None else np.datetime64(start, "D")
        since = np.maximum(np.maximum(own.numbers("date"), own.numbers("known_at")), begins)
        entries = np.searchsorted(sessions.astype("datetime64[D]"), since)
        seen = entries < len(sessions)
        own, entries = own.take(seen), entries[seen]
        place = {symbol: column for column, symbol in enumerate(symbols)}
        assets = own.texts("asset")
        columns = np.array([*(place.get(text, -1) for text in assets.values), -1])[assets.codes]
        order = np.lexsort((own.numbers("date"), entries))
        at, dates = entries[order], own.numbers("date")[order]
        is_last = np.append(at[1:] != at[:-1], True)[: len(at)]
        at, dates = at[is_last], dates[is_last]
        decides = dates == np.maximum.accumulate(dates) if len(dates) else is_last
        return cls(own, entries, columns, len(symbols), begins, at[decides], dates[decides])

    @cached_property
    def passed(self) -> np.ndarray:
        """(n_passed,) datetime64[D] dates from the start on that are never decided, though a row of them counts."""
        dates = self.table.numbers("date")
        return np.setdiff1d(dates[dates >= self.begins], self.dates)

    @cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The first row of each decision's date, and the row after its last: rows are in order of their dates."""
        dates = self.table.numbers("date")
        return np.searchsorted(dates, self.dates), np.searchsorted(dates, self.dates, side="right")

    def within(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return the sessions among `rows` of the calendar that decide, and the weights.

        Returns
        -------
        sessions : (n_decisions,) int64
            Counted from the first of `rows`.
        weights : (n_decisions, n_assets) float64
            Fractions of NAV; negative for shorts.
        """
        first, stop = np.searchsorted(self.sessions, [rows.start, rows.stop])
        weights, said = np.zeros((stop - first, self.n_assets)), self.table.numbers("weight")
        begins, ends = self._rows
        for place, decision in enumerate(range(first, stop)):
            of_date = np.arange(begins[decision], ends[decision])
            known = of_date[(self.entries[of_date] <= self.sessions[decision]) & (self.columns[of_date] >= 0)]
            weights[place, self.columns[known]] = said[known]  # in order of known_at: the last one counts
        return self.sessions[first:stop] - rows.start, weights + 0.0  # which turns -0.0 into 0.0
