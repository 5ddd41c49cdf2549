"""What actions and delistings make of returns: by hand, by a naive loop, by a vendor's factors, and in parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.data.dataset import Dataset, Names
from metabt.data.facts import Facts
from metabt.data.point_in_time import event_digests
from metabt.data.point_in_time.events import ENDS, STATED
from metabt.data.point_in_time.tables import PointInTime
from metabt.data.point_in_time.with_events import with_events
from metabt.data.prices import Prices, join_rows
from metabt.errors import DataError
from tests.data.point_in_time.rows import market, stored, tables

DAYS = np.arange("2020-12-28", "2021-01-07", dtype="datetime64[D]")


def prices(**columns: list[float]) -> Prices:
    close = np.array(list(columns.values()), float).T
    return Prices("d", DAYS[: len(close)], tuple(columns), close)


def known(panel: Prices, point_in_time: PointInTime, symbols: Names | None = None) -> Prices:
    return with_events(Dataset.of(panel, point_in_time), symbols or panel.symbols).prices


def test_a_stock_that_splits_pays_and_dies_by_hand() -> None:
    panel = prices(A=[100, 110, 11.5, 11, 12, np.nan, np.nan], B=[1] * 7)
    actions = [
        {"asset": "A", "ex_date": DAYS[2], "kind": "split", "ratio": 10},
        {"asset": "A", "ex_date": DAYS[3], "kind": "cash", "cash": 1},
    ]
    gone = [{"asset": "A", "date": DAYS[5], "return": -0.55, "kind": "performance"}]
    found = known(panel, tables(actions=actions, delistings=gone))
    expected = [0, 0.1, 11.5 * 10 / 110 - 1, (11 + 1) / 11.5 - 1, 12 / 11 - 1, -0.55, 0]
    np.testing.assert_allclose(found.returns[:, 0], expected, rtol=1e-15)
    assert found.observed[:, 0].tolist() == [False, True, True, True, True, True, False]
    assert found.events is not None
    assert found.events.ended(7, 2)[:, 0].tolist() == [False] * 5 + [True, False]
    assert (found.returns[:, 1] == 0).all()
    np.testing.assert_array_equal(found.close, panel.close)  # levels stay raw


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("split", DAYS[2], 4.0, 0.0, None)], 30 * 4 / 100 - 1),
        ([("stock", DAYS[2], 0.05, 0.0, None)], 30 * 1.05 / 100 - 1),
        ([("cash", DAYS[2], np.nan, 2.0, None)], (30 + 2) / 100 - 1),
        # on one day the split comes first: each of the four shares is paid 2
        ([("cash", DAYS[2], np.nan, 2.0, None), ("split", DAYS[2], 4.0, 0.0, None)], (30 * 4 + 8) / 100 - 1),
        # paid on the old share, which splits the day after: no price lies in between
        ([("cash", DAYS[1], np.nan, 2.0, None), ("split", DAYS[2], 4.0, 0.0, None)], (30 * 4 + 2) / 100 - 1),
        ([("spinoff", DAYS[2], 0.5, 0.0, "B")], (30 + 0.5 * 8) / 100 - 1),
    ],
)
def test_what_takes_effect_with_the_next_price(rows: list[tuple], expected: float) -> None:
    panel = prices(A=[100, np.nan, 30], B=[9, 8, np.nan])
    actions = [dict(zip(("asset", "kind", "ex_date", "ratio", "cash", "into"), ("A", *it), strict=True)) for it in rows]
    found = known(panel, tables(actions=actions), ("A",))
    np.testing.assert_allclose(found.returns[:, 0], [0, 0, expected], rtol=1e-15)
    assert found.symbols == ("A",)


def test_a_merger_is_what_is_paid_for_it_and_ends_the_asset() -> None:
    panel = prices(A=[100, 90, np.nan, np.nan], B=[7, 8, 9, 10])
    merger = {"asset": "A", "ex_date": DAYS[2], "kind": "merger", "cash": 40, "ratio": 5, "into": "B"}
    gone = {"asset": "A", "date": DAYS[3], "kind": "merger"}  # nothing is left to delist
    found = known(panel, tables(actions=[merger], delistings=[gone]))
    np.testing.assert_allclose(found.returns[:, 0], [0, -0.1, (40 + 5 * 9) / 90 - 1, 0], rtol=1e-15)
    assert found.events is not None and found.events.ends.tolist() == [True]


def test_a_return_that_is_not_stated_is_left_to_whoever_holds_the_asset() -> None:
    panel = prices(A=[100, 90, 80], B=[1, 1, 1])
    gone = {"asset": "A", "date": DAYS[2], "kind": "unknown"}
    events = known(panel, tables(adjusted=True, delistings=[gone])).events
    assert events is not None
    assert (events.missing.tolist(), events.returns.tolist()) == ([ENDS.index("unknown")], [80 / 90 - 1])
    stated = known(panel, tables(adjusted=True, delistings=[gone | {"return": -0.5}])).events
    assert stated is not None
    np.testing.assert_allclose(stated.returns, [(80 / 90) * 0.5 - 1])
    within = known(panel, tables(adjusted=True, delistings=[gone | {"return": -0.5, "included": True}])).events
    assert within is not None
    assert (within.returns.tolist(), within.missing.tolist()) == ([80 / 90 - 1], [STATED])


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"delistings": [{"asset": "A", "date": DAYS[0], "kind": "merger"}]}, "A has a price on 2020-12-29, after it"),
        (
            {"actions": [{"asset": "A", "ex_date": DAYS[1], "kind": "spinoff", "ratio": 1, "into": "B"}]},
            "turned into B on 2020-12-29 \\(spinoff\\), which has no price by",
        ),
    ],
)
def test_what_cannot_be_is_refused(own: dict, words: str) -> None:
    panel = prices(A=[100, 90, 80], B=[np.nan, np.nan, 3])
    with pytest.raises(DataError, match=words):
        known(panel, tables(**own))


def naive(panel: Prices, rows: dict[str, list[dict]], symbol: str) -> tuple[dict[int, float], int | None]:
    """Return the asset's returns by session, and where it ends, by following one share from price to price."""
    column = panel.symbols.index(symbol)
    actions = [row for row in rows["actions"] if row["asset"] == symbol]
    actions.sort(key=lambda row: (row["ex_date"], row["kind"] not in ("split", "stock")))
    mergers = [row for row in actions if row["kind"] == "merger"]
    gone = [row for row in rows["delistings"] if row["asset"] == symbol]
    death = min((row["ex_date"] for row in mergers), default=None) or min((row["date"] for row in gone), default=None)
    found: dict[int, float] = {}
    last, since = None, None
    for t, day in enumerate(panel.dates):
        price = panel.close[t, column]
        ends = death is not None and day >= death
        if np.isnan(price) and not ends:
            continue
        if last is not None:
            shares, received = 1.0, 0.0
            for row in actions:
                if since < row["ex_date"] <= day and row["kind"] != "merger":
                    shares *= {"split": row.get("ratio"), "stock": 1 + row.get("ratio", 0)}.get(row["kind"], 1.0)
                    received += shares * row.get("cash", 0.0)
                    if "into" in row:
                        other = panel.close[: t + 1, panel.symbols.index(row["into"])]
                        received += shares * row["ratio"] * other[~np.isnan(other)][-1]
            if ends and mergers:
                other = panel.close[: t + 1, panel.symbols.index("E")]
                price = mergers[0]["cash"] + mergers[0]["ratio"] * other[~np.isnan(other)][-1]
            elif np.isnan(price):
                price = last / shares
            worth = price * shares + received
            if ends and not mergers and not gone[0]["included"] and not np.isnan(gone[0]["return"]):
                worth *= 1 + gone[0]["return"]
            found[t] = worth / last - 1
        if ends:
            return found, t if last is not None else None
        last, since = price, day
    return found, None


@given(st.integers(0, 10_000))
def test_returns_are_those_of_one_share_that_is_followed(seed: int) -> None:
    panel, rows = market(seed)
    found = known(panel, tables(**rows))
    for column, symbol in enumerate(panel.symbols):
        expected, end = naive(panel, rows, symbol)
        assert np.flatnonzero(found.observed[:, column]).tolist() == sorted(expected)
        np.testing.assert_allclose(found.returns[sorted(expected), column], [*expected.values()], atol=1e-12)
        ended = None if found.events is None else found.events.ended(*panel.close.shape)
        assert (np.flatnonzero(ended[:, column]).tolist() if ended is not None else []) == (
            [] if end is None else [end]
        )


@given(st.integers(0, 10_000))
def test_a_vendors_adjusted_closes_have_the_same_returns(seed: int) -> None:
    """Splits and dividends alone, on days with prices: factors `(1 - d / p_before)` and `1 / split`, back in time."""
    panel, rows = market(seed)
    actions = []
    for row in rows["actions"]:
        column = panel.symbols.index(row["asset"])
        days = panel.dates[~np.isnan(panel.close[:, column])]
        if row["kind"] in ("split", "cash") and row["ex_date"] in days[1:]:
            before = panel.close[:, column][~np.isnan(panel.close[:, column])][
                np.searchsorted(days, row["ex_date"]) - 1
            ]
            if row["kind"] == "split" or row["cash"] < 0.5 * before:
                actions.append(row)
    once = {(row["asset"], row["ex_date"]): row for row in actions}
    found = known(panel, tables(actions=list(once.values())))
    for column, symbol in enumerate(panel.symbols):
        seen = np.flatnonzero(~np.isnan(panel.close[:, column]))
        factors = np.ones(len(seen))
        for (asset, date), row in once.items():
            if asset == symbol:
                k = int(np.searchsorted(panel.dates[seen], date))
                cash = row.get("cash", 0.0)
                # what is paid is reinvested at the close of the day, as returns say
                price, before = panel.close[seen[k], column], panel.close[seen[k - 1], column]
                factors[:k] *= price / (price + cash) if row["kind"] == "cash" else 1 / row["ratio"]
                assert before > 0
        adjusted = panel.close[seen, column] * factors
        np.testing.assert_allclose(
            found.returns[seen[1:], column], adjusted[1:] / adjusted[:-1] - 1, rtol=0, atol=1e-12
        )


@given(st.integers(0, 10_000))
def test_parts_have_the_bits_of_the_whole(seed: int) -> None:
    panel, rows = market(seed)
    point_in_time = tables(**rows)
    whole, other = known(panel, point_in_time), with_events(stored(panel, point_in_time), panel.symbols)
    parts = [other.part(it, ("A", "C"), ("close", "returns"))() for it in other.facts.partitions.values()]
    joined = join_rows(parts)
    np.testing.assert_array_equal(np.concatenate([it.returns for it in parts]), whole.returns[:, [0, 2]])
    np.testing.assert_array_equal(joined.returns, whole.returns[:, [0, 2]])
    np.testing.assert_array_equal(joined.observed, whole.observed[:, [0, 2]])
    dates = panel.dates[:: 1 + seed % 9]
    expected = np.ones((len(dates) - 1, 2))
    for step, (start, stop) in enumerate(zip(dates[:-1], dates[1:], strict=True)):
        inside = (panel.dates > start) & (panel.dates <= stop)
        begun = ~np.isnan(panel.last[panel.dates == start][0, [0, 2]])
        expected[step] = np.where(begun, np.prod(1 + whole.returns[inside][:, [0, 2]], axis=0), 1)
    np.testing.assert_allclose(joined.returns_between(dates), expected - 1, atol=1e-12)


@given(st.integers(0, 10_000), st.data())
def test_what_a_row_changes_is_addressed_anew_and_nothing_else(seed: int, data: st.DataObject) -> None:
    panel, rows = market(seed)
    name = data.draw(st.sampled_from([name for name in rows if rows[name]]))
    place = data.draw(st.integers(0, len(rows[name]) - 1))
    row = rows[name][place]
    fewer = {**rows, name: [it for it in rows[name] if it is not row]}
    one, other = (with_events(stored(panel, tables(**it)), panel.symbols) for it in (rows, fewer))
    here, there = one.facts.digests, other.facts.digests
    changed = {cell for cell in here.keys() | there.keys() if here.get(cell) != there.get(cell)}
    date = row["ex_date"] if name == "actions" else row["date"]
    assert all(symbol == row["asset"] and label >= str(date)[:4] for symbol, label, _ in changed)
    whole, without = known(panel, tables(**rows)), known(panel, tables(**fewer))
    for label, part in one.facts.partitions.items():
        for column, symbol in enumerate(panel.symbols):
            pairs = [(getattr(it, what)[part, column]) for what in ("returns", "observed") for it in (whole, without)]
            ends = [
                np.zeros(1)
                if (it.events is None or (e := it.events.ended(*panel.close.shape)) is None)
                else e[part, column]
                for it in (whole, without)
            ]
            moved = any((a != b).any() for a, b in (pairs[:2], pairs[2:], ends))
            assert not moved or (symbol, label, "close") in changed


@given(st.integers(0, 10_000))
def test_returns_of_other_code_are_addressed_anew(seed: int) -> None:
    panel, rows = market(seed)
    with pytest.MonkeyPatch.context() as patched:
        before = dict(with_events(stored(panel, tables(**rows)), panel.symbols).facts.digests)
        patched.setattr(event_digests, "MAKERS", ("metabt.data.point_in_time.membership",))
        after = dict(with_events(stored(panel, tables(**rows)), panel.symbols).facts.digests)
    plain = Facts.of(panel).digests
    assert before.keys() == after.keys()
    assert all((before[cell] == after[cell]) == (before[cell] == plain.get(cell)) for cell in before)
