"""Who belongs to a universe, as it was known: a naive loop over rows, and what a later row cannot move."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metabt.data.point_in_time.membership import member_mask, universe_names
from tests.data.point_in_time.rows import table

START = np.datetime64("2020-01-01")
DATES = START + np.arange(0, 120, 3)
SYMBOLS = ("A", "B", "C")

stays = st.lists(
    st.tuples(st.sampled_from(SYMBOLS), st.integers(0, 60), st.integers(0, 60) | st.none(), st.integers(0, 90)),
    min_size=1,
    max_size=12,
    unique_by=lambda it: (it[0], it[1], it[1] + it[3]),
)


def rows(drawn: list) -> list[dict[str, object]]:
    return [
        {
            "universe": "u",
            "asset": asset,
            "first_date": START + first,
            "last_date": np.datetime64("NaT") if length is None else START + first + length,
            "known_at": START + first + late,
        }
        for asset, first, length, late in drawn
    ]


def naive(known: list[dict], symbol: str, day: np.datetime64) -> bool:
    newest: dict[object, dict] = {}
    for row in sorted(known, key=lambda it: it["known_at"]):
        if row["asset"] == symbol and row["known_at"] <= day:
            newest[row["first_date"]] = row
    stays = newest.values()
    return any(it["first_date"] <= day and (np.isnat(it["last_date"]) or day <= it["last_date"]) for it in stays)


@given(stays)
def test_members_are_those_of_a_naive_loop(drawn: list) -> None:
    known = rows(drawn)
    found = member_mask(table("members", known), "u", SYMBOLS, DATES)
    assert found.tolist() == [[naive(known, symbol, day) for symbol in SYMBOLS] for day in DATES]


@given(stays, st.integers(0, 119))
def test_what_becomes_known_later_moves_nothing_before(drawn: list, day: int) -> None:
    known, date = rows(drawn), START + day
    then = [row for row in known if row["known_at"] <= date]
    earlier = DATES[date >= DATES]
    whole = member_mask(table("members", known), "u", SYMBOLS, earlier)
    assert (whole == (member_mask(table("members", then), "u", SYMBOLS, earlier) if then else False)).all()


def test_universes_have_all_that_ever_belonged_to_them() -> None:
    known = table(
        "members",
        [
            {"universe": name, "asset": asset, "first_date": START, "known_at": START}
            for name, asset in (("u", "B"), ("u", "A"), ("v", "A"))
        ],
    )
    assert universe_names(known) == {"u": ("A", "B"), "v": ("A",)}
    assert universe_names(None) == {}
    assert not member_mask(known, "w", SYMBOLS, DATES).any()
