"""What a signal decides, session by session, against a walk from one session to the next over plain rows."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metabt.data.point_in_time.signals import Signal
from tests.shared.random_markets import dated_table

FIRST = date(2020, 1, 1)
SYMBOLS = ("A", "B", "C")
Row = tuple[int, str, int, float]
"""Day of the date, asset, days until it was known, weight."""

ROWS = st.lists(
    st.tuples(st.integers(-2, 8), st.sampled_from("ABC"), st.integers(0, 6), st.sampled_from([0.0, 0.1, -0.2, 0.3])),
    max_size=25,
    unique_by=lambda row: row[:3],
)
SESSIONS = st.sets(st.integers(0, 16), min_size=1).map(sorted)


def walked(rows: list[Row], sessions: list[int], start: int | None) -> dict[int, dict[str, float]]:
    """Return session -> weights, asking at every session anew what is known."""
    found: dict[int, dict[str, float]] = {}
    before: list[Row] = []
    for place, day in enumerate(sessions):
        seen = [row for row in rows if row[0] + row[2] <= day]
        if start is not None and day < start:
            continue
        dates = {row[0] for row in seen}
        new = [row for row in seen if row not in before and row[0] == max(dates)]
        if new:
            whole = sorted((row for row in seen if row[0] == max(dates)), key=lambda row: row[2])
            found[place] = {asset: weight for _, asset, _, weight in whole}
        before = seen
    return found


@given(rows=ROWS, sessions=SESSIONS, start=st.none() | st.integers(0, 16), cut=st.integers(0, 16))
def test_it_decides_what_is_known_of_the_newest_date(
    rows: list[Row], sessions: list[int], start: int | None, cut: int
) -> None:
    def day(number: int) -> date:
        return FIRST + timedelta(days=number)

    table = dated_table(
        "signals",
        [
            {"name": name, "date": day(at), "asset": asset, "weight": weight, "known_at": day(at + late)}
            for at, asset, late, weight in rows
            for name in ("mine", "other")
        ],
    )
    calendar = np.array([day(it) for it in sessions], "datetime64[D]")
    begins = None if start is None else str(day(start))
    signal = Signal.of(table, "mine", SYMBOLS, calendar, begins)
    expected = walked(rows, sessions, start)
    stop = min(cut, len(sessions))
    for part in (slice(0, stop), slice(stop, len(sessions)), slice(0, len(sessions))):
        at, weights = signal.within(part)
        here = {place: said for place, said in expected.items() if part.start <= place < part.stop}
        assert (at + part.start).tolist() == list(here)
        wanted = [[said.get(symbol, 0.0) for symbol in SYMBOLS] for said in here.values()]
        assert weights.tolist() == wanted
    known = {at for at, _, late, _ in rows if any(it >= max(at + late, start or 0) for it in sessions)}
    decided = set(signal.dates.astype(object).tolist())
    passed = {day(at) for at in known if at >= (start if start is not None else -99)} - decided
    assert set(signal.passed.astype(object).tolist()) == passed


def test_a_signal_that_is_not_there_decides_nothing() -> None:
    rows, weights = Signal.of(
        dated_table("signals", []), "x", SYMBOLS, np.array(["2020-01-01"], "datetime64[D]")
    ).within(slice(0, 1))
    assert rows.shape == (0,) and weights.shape == (0, 3)
