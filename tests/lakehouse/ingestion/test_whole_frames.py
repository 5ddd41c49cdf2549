"""A wide frame that is taken in one piece is what it is cell by cell: the same prices to the bit, the same refusals."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from metabt.errors import DataError
from metabt.lakehouse.ingestion import whole_frames
from metabt.lakehouse.price_source import to_prices
from tests.shared.laws import DRAWS, examples

NAMES = (
    *("BB", "AA", " AA ", "aa", "É", "close", "volume", "high", "low", "open", "symbol", "day", "index", "date", ""),
    *("AA_close", "AA_volume", "BB_close", "Unnamed: 0", "level_0", "2020-01-02", "1.5", "31-Jan-2020", "X\t", "nav"),
)
"""Names of columns: symbols, words for something else, and what is neither."""


def made(rng: np.random.Generator) -> pd.DataFrame:
    """Return a wide frame as it should be, and in some ways as it should not."""
    odd = rng.random(6) < 0.15
    n_rows, n_columns = int(rng.choice([1, 3, 60])), int(rng.choice([1, 2, 5, 20]))
    plain = [f"S{place:02d}" for place in rng.permutation(n_columns)]
    names = [str(rng.choice(NAMES)) if rng.random() < 0.2 * odd[0] else name for name in plain]
    values = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (n_rows, n_columns)), axis=0))
    if odd[1]:
        values *= 1e-3
    if odd[2]:
        values[rng.integers(n_rows), rng.integers(n_columns)] = rng.choice([0.0, -1.0, np.inf, -np.inf])
    values[rng.random(values.shape) < rng.choice([0.0, 0.3, 0.95])] = np.nan
    days = pd.bdate_range("2020-01-01", periods=n_rows).to_numpy().copy()
    if odd[3]:
        days[rng.integers(n_rows)] = rng.choice(np.array(["2020-01-02", "2020-01-03T16:00", "1700-01-01"], days.dtype))
    frame = pd.DataFrame(values, pd.DatetimeIndex(days), names)
    frame.index.name = rng.choice([None, "date", "Day", "BB"]) if odd[4] else "date"
    if not odd[5]:
        return frame
    kind = str(rng.choice(["float32", "object", "Float64"]))
    return pd.concat([frame.iloc[:, place].astype(kind) for place in range(n_columns)], axis=1)


def outcome(frame: pd.DataFrame) -> tuple[object, ...]:
    try:
        found = to_prices("p", frame)
    except DataError as error:
        return ("refused", str(error))
    return found.dates.tobytes(), found.symbols, found.close.tobytes(), found.close.flags.c_contiguous, found.volume


@given(seed=DRAWS)
@examples(150)
def test_a_frame_comes_to_what_its_cells_come_to(seed: int) -> None:
    frame = made(np.random.default_rng(seed))
    whole = outcome(frame)
    with patch.object(whole_frames, "prices_of", lambda name, frame: None):
        assert whole == outcome(frame)


@pytest.mark.parametrize("column", range(5))
def test_what_is_infinite_is_refused_without_a_warning(column: int) -> None:
    """Five columns may be one asset's bars: their ratios are looked at."""
    values = np.random.default_rng(3).uniform(5, 9, (60, 1)) * [1.0, 1.02, 0.98, 1.01, 0.99]
    values[4, column] = np.inf
    frame = pd.DataFrame(values, pd.bdate_range("2021-03-01", periods=60), list("ABCDE"))
    assert outcome(frame)[0] == "refused"


@pytest.mark.parametrize("n_columns", [1, 5, 20])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_plain_frame_is_taken_whole(n_columns: int, order: str) -> None:
    rng = np.random.default_rng(n_columns)
    values = np.array(rng.uniform(5, 9, (50, n_columns)), order=order)
    values[7], values[9, 0] = np.nan, np.nan
    names = [f"S{place:02d}" for place in rng.permutation(n_columns)]
    frame = pd.DataFrame(values, pd.bdate_range("2021-03-01", periods=50), names)
    expected = frame.dropna(how="all").sort_index(axis=1)
    found = whole_frames.prices_of("p", frame)
    assert found is not None and found.symbols == tuple(expected.columns)
    np.testing.assert_array_equal(found.dates, expected.index.to_numpy("datetime64[D]"))
    np.testing.assert_array_equal(found.close, expected.to_numpy())
    frame.iloc[:, :] = 1.0
    np.testing.assert_array_equal(found.close, expected.to_numpy())


def test_what_is_not_plain_is_left_to_be_read_cell_by_cell() -> None:
    frame = pd.DataFrame({"AA": [5.0, 6.0], "BB": [7.0, 8.0]}, pd.bdate_range("2021-03-01", periods=2, name="date"))
    odd = {
        "no frame": frame["AA"],
        "another kind": frame.astype("float32"),
        "texts": frame.set_axis(frame.index.strftime("%Y-%m-%d")),
        "a time of day": frame.set_axis(frame.index + pd.Timedelta("16h")),
        "a time zone": frame.tz_localize("Asia/Tokyo"),
        "out of order": frame[::-1],
        "names of fields": frame.set_axis(["close", "volume"], axis=1),
        "names that are none": frame.set_axis([1, 2], axis=1),
        "two levels": frame.set_axis(pd.MultiIndex.from_tuples([("Close", "AA"), ("Close", "BB")]), axis=1),
        "no price": frame * np.nan,
        "returns": frame / 1000,
        "impossible": -frame,
        "empty": frame[:0],
    }
    assert {kind for kind, it in odd.items() if whole_frames.prices_of("p", it) is not None} == set()
