"""Converted returns: right by hand, the same however they are cut, and addressed by what they are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metabt.data.dataset import FIELDS, Dataset
from metabt.data.point_in_time.converted import Foreign, converted
from metabt.data.point_in_time.currencies import Exchange, currencies_of
from metabt.data.point_in_time.tables import PointInTime
from metabt.data.prices import Prices
from metabt.errors import DataError
from tests.shared.random_markets import dated_table

DAYS = np.datetime64("2019-11-01") + np.arange(120)
SYMBOLS = ("A", "B", "C")


def exchange(dates: np.ndarray, values: np.ndarray) -> Exchange:
    return Exchange(np.asarray(dates, "datetime64[D]"), np.asarray(values, float))


def market(seed: int) -> tuple[Prices, Foreign]:
    """Return prices with gaps over two years, of which A and C are in euros, and a rate with gaps."""
    rng = np.random.default_rng(seed)
    close = np.exp(np.cumsum(rng.normal(0, 0.02, (120, 3)), axis=0))
    close[rng.random(close.shape) < 0.3] = np.nan
    close[55:65, 0] = np.nan  # over the end of the year
    rated = np.sort(rng.choice(150, 60, replace=False)) - 25
    rate = exchange(DAYS[0] + rated, np.exp(np.cumsum(rng.normal(0, 0.01, 60))))
    return Prices("d", DAYS, SYMBOLS, close), Foreign({"A": "EUR", "C": "EUR"}, {"EUR": rate})


def by_hand(prices: Prices, column: int, rate: Exchange) -> np.ndarray:
    """Return an asset's converted returns, value after value: NaN where there is none."""

    def worth(day: np.datetime64) -> float:
        known = [v for d, v in zip(rate.dates, rate.values, strict=True) if d <= day]
        return known[-1] if known else np.nan

    found, last = np.full(len(prices.dates), np.nan), None
    for t, day in enumerate(prices.dates):
        price = prices.close[t, column]
        if np.isnan(price):
            continue
        value = price * worth(day)
        if last is not None:
            found[t] = value / last - 1.0
        last = value
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_it_is_what_the_value_in_the_other_currency_changed_by(seed: int) -> None:
    prices, foreign = market(seed)
    got = converted(Dataset.of(prices), foreign, SYMBOLS).prices
    for column in (0, 2):
        expected = by_hand(prices, column, foreign.exchange["EUR"])
        assert np.array_equal(np.isnan(expected), ~got.observed[:, column])
        assert np.allclose(got.returns[:, column], np.nan_to_num(expected), rtol=0, atol=1e-12)
    assert np.array_equal(got.returns[:, 1], prices.returns[:, 1])
    assert np.array_equal(got.close, prices.close, equal_nan=True)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 119))
def test_parts_have_the_bits_of_the_whole(seed: int, row: int) -> None:
    prices, foreign = market(seed)
    whole = converted(Dataset.of(prices), foreign, SYMBOLS)
    part = whole.part(slice(row, 120), ("A", "B"), FIELDS)()
    assert np.array_equal(part.returns, whole.prices.returns[row:, :2])
    assert np.array_equal(part.observed, whole.prices.observed[row:, :2])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 119))
def test_a_later_rate_changes_no_earlier_return(seed: int, row: int) -> None:
    prices, foreign = market(seed)
    rate = foreign.exchange["EUR"]
    later = rate.dates > DAYS[row]
    moved = Foreign(foreign.currency, {"EUR": replace(rate, values=np.where(later, 2 * rate.values, rate.values))})
    one, other = (converted(Dataset.of(prices), it, SYMBOLS).prices for it in (foreign, moved))
    assert np.array_equal(one.returns[: row + 1], other.returns[: row + 1])


def test_without_a_price_between_two_sessions_only_the_rates_at_the_prices_count() -> None:
    close = np.array([[10.0], [np.nan], [11.0]])
    rate = exchange(DAYS[:3], [1.0, 5.0, 1.2])
    got = converted(Dataset.of(Prices("d", DAYS[:3], ("A",), close)), Foreign({"A": "EUR"}, {"EUR": rate}), ("A",))
    assert got.prices.returns[:, 0] == pytest.approx([0.0, 0.0, 1.1 * 1.2 - 1], abs=1e-15)


def digests(prices: Prices, foreign: Foreign) -> dict:
    return dict(converted(Dataset.of(prices), foreign, SYMBOLS).facts.digests)


def test_digests_cover_the_rates_up_to_the_end_of_the_partition_and_of_foreign_assets_alone() -> None:
    prices, foreign = market(1)
    close = np.nan_to_num(prices.close, nan=1.0)
    prices = Prices("d", DAYS, SYMBOLS, close)
    before, rate = digests(prices, foreign), foreign.exchange["EUR"]
    assert {it: before[it] for it in before if it[0] == "B"} == {
        it: text for it, text in Dataset.of(prices).facts.digests.items() if it[0] == "B"
    }
    in_2020 = rate.dates >= np.datetime64("2020-01-05")
    moved = Foreign(foreign.currency, {"EUR": replace(rate, values=np.where(in_2020, 2 * rate.values, rate.values))})
    after = digests(prices, moved)
    assert {it for it in before if before[it] != after[it]} == {("A", "2020", "close"), ("C", "2020", "close")}


def test_the_digest_covers_the_date_of_the_price_that_an_asset_enters_a_year_with() -> None:
    _, foreign = market(1)
    close = np.ones((120, 3))
    one, other = close.copy(), close.copy()
    one[59:61, 0], other[58:61, 0] = np.nan, np.nan  # DAYS[60] is the last of 2019
    made = [Dataset.of(Prices("d", DAYS, SYMBOLS, it)) for it in (one, other)]
    cell = ("A", "2020", "close")
    assert made[0].facts.digests[cell] == made[1].facts.digests[cell]  # it enters at 1 in both
    assert digests(made[0].prices, foreign)[cell] != digests(made[1].prices, foreign)[cell]


def test_an_asset_in_two_currencies_is_refused() -> None:
    life = {"asset": "A", "symbol": "A", "last_date": None, "known_at": "2019-01-01"}
    rows = [{**life, "first_date": "2019-01-01", "currency": "EUR"}, {**life, "first_date": "2020-01-01"}]
    table = dated_table("assets", [rows[0], {**rows[1], "currency": None}])
    assert currencies_of("d", table) == {"A": "EUR"}
    with pytest.raises(DataError, match="A is in EUR and in USD.*correct its rows"):
        currencies_of("d", dated_table("assets", [rows[0], {**rows[1], "currency": "USD"}]))
    assert currencies_of("d", PointInTime().tables.get("assets")) == {}


def test_the_age_of_a_rate_is_in_sessions() -> None:
    sessions = np.array(["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"], "datetime64[D]")
    assert exchange(["2020-01-04"], [1.0]).age(sessions).tolist() == [-1, -1, 0, 1]
    assert exchange(["2020-01-02"], [1.0]).age(sessions).tolist() == [0, 1, 2, 3]
