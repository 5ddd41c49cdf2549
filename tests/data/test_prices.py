"""Panels: returns against pandas, digests, and what a panel refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from metabt.data.prices import Prices, join_rows, partitions
from metabt.errors import DataError
from metabt.lakehouse.price_source import to_prices
from tests.shared.digests import panel_digest

PRICES = hnp.arrays(np.float64, (12, 3), elements=st.one_of(st.floats(1.0, 1e3), st.just(np.nan)))


def panel(close: np.ndarray, first: str = "2019-12-27") -> Prices:
    dates = np.datetime64(first) + np.arange(len(close))
    return Prices("p", dates.astype("datetime64[D]"), ("A", "B", "C"), close.copy())


@given(PRICES)
def test_returns_run_from_one_observed_price_to_the_next(close: np.ndarray) -> None:
    frame = pd.DataFrame(close)
    made = panel(close)
    for column in frame:
        seen = frame[column].dropna()
        expected = seen.pct_change().reindex(frame.index)
        assert made.observed[:, column].tolist() == expected.notna().tolist()
        assert made.returns[:, column] == pytest.approx(expected.fillna(0.0).to_numpy(), rel=1e-12, abs=1e-14)


@given(PRICES)
def test_returns_between_sessions_compound_what_lies_between(close: np.ndarray) -> None:
    made = panel(close)
    rows = np.array([0, 3, 4, 9, 11])
    growth = np.cumprod(1 + made.returns, axis=0)[rows]
    expected = growth[1:] / growth[:-1] - 1
    expected[np.isnan(made.last[rows[:-1]])] = 0.0
    assert made.returns_between(made.dates[rows]) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(PRICES, st.integers(0, 11), st.integers(0, 2))
def test_one_price_changes_its_own_digests_and_the_next_partitions_entry(
    close: np.ndarray, row: int, column: int
) -> None:
    changed = close.copy()
    changed[row, column] = 2000.0
    before, after = ({row[:3]: row[3] for row in panel(x).digests()} for x in (close, changed))
    differing = {key[0] for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert differing == {"ABC"[column]}
    label = str(panel(close).dates[row])[:4]
    assert before.get(("ABC"[column], label, "close")) != after[("ABC"[column], label, "close")]
    # the last observation of 2019 is what 2020 is entered with
    later = ("ABC"[column], "2020", "close")
    is_entry = label == "2019" and np.isnan(close[row + 1 : 5, column]).all()
    if label == "2019" and later in before:
        assert (before[later] != after[later]) == is_entry


def test_partitions_are_the_calendar_years_that_have_sessions() -> None:
    dates = np.array(["2019-12-31", "2020-01-02", "2020-05-01", "2022-01-03"], "datetime64[D]")
    assert partitions(dates) == [("2019", slice(0, 1)), ("2020", slice(1, 3)), ("2022", slice(3, 4))]
    assert partitions(dates[:0]) == []


@pytest.mark.parametrize("price", [0.0, -1.0, np.inf])
def test_a_price_that_is_not_positive_and_finite_is_refused(price: float) -> None:
    close = np.ones((3, 3))
    close[1, 2] = price
    with pytest.raises(DataError, match="C on 2019-12-28: price .* is not positive"):
        panel(close)


def test_arrays_cannot_be_written() -> None:
    made = panel(np.ones((3, 3)))
    for array in (made.close, made.returns, made.observed, made.priced, made.dates):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]


def test_a_wide_frame_is_normalised(sp500: pd.DataFrame) -> None:
    prices = sp500.iloc[:300, :3]
    plain = to_prices("p", prices)
    messy = prices.iloc[::-1, ::-1].astype(object)
    messy.loc[pd.Timestamp("1980-01-01")] = np.nan
    assert panel_digest(to_prices("p", messy)) == panel_digest(plain)
    assert to_prices("p", messy).close.tobytes() == plain.close.tobytes()
    assert plain.symbols == tuple(sorted(prices.columns))
    other = prices.copy()
    other.iloc[7, 1] *= 1 + 1e-15
    assert panel_digest(to_prices("p", other)) != panel_digest(plain)


@pytest.mark.parametrize("seed", range(3))
def test_rows_of_a_long_frame_may_stand_in_any_order(sp500: pd.DataFrame, seed: int) -> None:
    wide = sp500.iloc[:60, :4]
    long = wide.rename_axis(columns="symbol").stack().rename("close").reset_index()
    orders = long.sort_values(["symbol", "Date"]), long.iloc[::-1], long.sample(frac=1.0, random_state=seed)
    expected = panel_digest(to_prices("p", wide))
    assert [panel_digest(to_prices("p", rows)) for rows in orders] == [expected] * 3


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_rows_alone_are_as_in_the_whole_and_join_to_it_again(seed: int, n_cuts: int) -> None:
    rng = np.random.default_rng(seed)
    close = np.where(rng.random((30, 3)) < 0.5, np.nan, rng.uniform(1, 9, (30, 3)))
    whole = panel(close)
    cuts = [0, *sorted(rng.integers(0, 31, n_cuts).tolist()), 30]
    parts = [whole.rows(slice(a, b)) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
    for name in ("returns", "observed", "priced"):
        assert np.concatenate([getattr(part, name) for part in parts]).tobytes() == getattr(whole, name).tobytes()
    joined = join_rows(parts)
    assert joined.returns.tobytes() == whole.returns.tobytes()
    assert list(joined.digests()) == list(whole.digests())
    middle = whole.rows(slice(cuts[1], 30)).select(["A", "C"])
    assert middle.returns.tobytes() == whole.select(["A", "C"]).returns[cuts[1] :].tobytes()
    sessions = whole.dates[cuts[1] :]
    if len(sessions):
        between = whole.rows(slice(cuts[1], 30)).returns_between(sessions)
        assert between.tobytes() == whole.returns_between(sessions).tobytes()


VIEWS = {
    "columns": lambda base: base[:, :3],
    "rows": lambda base: base[1:13, :3],
    "a copy's view": lambda base: base[:12, :3].view(),
    "turned": lambda base: base.T[:3].T,
    "read-only": lambda base: np.broadcast_to(base[:1, :3], (12, 3)),
    "the memory of others": lambda base: np.frombuffer(base.data, np.float64)[: 12 * 3].reshape(12, 3),
}


@pytest.mark.parametrize("view", VIEWS)
def test_what_is_written_through_the_base_of_an_array_changes_no_prices(view: str) -> None:
    """Digests and returns, computed before or after, are those of the prices that were handed over."""
    base = 100.0 + np.arange(16 * 4.0).reshape(16, 4)
    given = VIEWS[view](base)
    kept, dates = panel(np.array(given)), panel(np.array(given)).dates.copy()
    made = Prices("p", dates[:], kept.symbols, given, given, entry=given[0])
    before = list(made.digests())
    base *= 2.0
    dates += np.timedelta64(1000, "D")
    wanted = Prices("p", kept.dates, kept.symbols, kept.close, kept.close, entry=kept.close[0])
    assert before == list(made.digests()) == list(wanted.digests())
    assert np.array_equal(made.returns, wanted.returns)
    assert not any(array.flags.writeable for array in (made.dates, made.close, made.volume, made.entry))  # type: ignore[union-attr]


def test_prices_share_memory_that_nobody_writes_to() -> None:
    """An array that owns its memory is kept, and rows of prices are not copied."""
    close = np.full((12, 3), 2.0)
    made = panel(close)
    owned = Prices("p", made.dates, made.symbols, close)
    assert owned.close is close and np.shares_memory(owned.rows(slice(3, 7)).close, close)
