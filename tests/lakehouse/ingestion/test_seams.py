"""A re-adjusted history beside the old one is refused, or the old one is multiplied; corrections are neither."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metabt.errors import DataError
from metabt.lakehouse import attach, ingest, load_prices
from tests.lakehouse.conftest import state, wide

FRAME = wide(60)
FACTORS = [0.25, 0.5, 1.5, 4.0, 0.9975, 1 / 3, 0.998]


def adjusted(factor: float, first: int, decimals: int | None = None) -> pd.DataFrame:
    """Return the history from row `first` on, with AA at another scale."""
    frame = FRAME.iloc[first:].copy()
    frame["AA"] = frame["AA"] * factor
    return frame if decimals is None else frame.round(decimals)


def closes(lake: Path) -> pd.DataFrame:
    with attach(lake, read_only=True) as con:
        found = load_prices(con, {"d": None})["d"]
    return pd.DataFrame(found.close, pd.DatetimeIndex(found.dates), list(found.symbols))


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("decimals", [None, 4])
def test_a_seam_is_refused_and_names_date_and_factor(fresh: Path, factor: float, decimals: int | None) -> None:
    ingest(fresh, "d", FRAME[:40] if decimals is None else FRAME[:40].round(decimals))
    before = state(fresh)
    with pytest.raises(DataError, match=r"AA: closes from 2019-11-12 on are .* rescale=True") as caught:
        ingest(fresh, "d", adjusted(factor, 30, decimals))
    told = float(str(caught.value).partition(" on are ")[2].partition(" times")[0])
    assert told == pytest.approx(factor, rel=1e-4)
    assert "10 dates tell" in str(caught.value) and "30 closes before would stay" in str(caught.value)
    assert state(fresh) == before


@settings(max_examples=5, deadline=None)
@given(factor=st.floats(0.01, 100.0).filter(lambda f: abs(f - 1) > 1e-3), first=st.integers(1, 37))
def test_rescaling_keeps_every_return(tmp_path_factory: pytest.TempPathFactory, factor: float, first: int) -> None:
    lake = tmp_path_factory.mktemp("seam") / "lake"
    ingest(lake, "d", FRAME[:40])
    report = ingest(lake, "d", adjusted(factor, first), rescale=True)
    assert report.rescaled == first
    found = closes(lake)
    np.testing.assert_allclose(found.pct_change()[1:], FRAME.pct_change()[1:], atol=1e-12)
    np.testing.assert_array_equal(found["AA"][first:], FRAME["AA"][first:] * factor)
    np.testing.assert_array_equal(found[["BB", "CC"]], FRAME[["BB", "CC"]])


def test_what_stays_after_the_incoming_closes_is_a_seam_too(fresh: Path) -> None:
    ingest(fresh, "d", FRAME)
    with pytest.raises(DataError, match=r"AA: closes up to 2019-11-25 are 0.5 times .* 20 closes after would stay"):
        ingest(fresh, "d", FRAME[:40] * [0.5, 1, 1])
    ingest(fresh, "d", FRAME[:40] * [0.5, 1, 1], rescale=True)
    np.testing.assert_array_equal(closes(fresh), FRAME * [0.5, 1, 1])


def test_the_whole_history_may_have_any_scale(fresh: Path) -> None:
    ingest(fresh, "d", FRAME[:40])
    ingest(fresh, "d", adjusted(0.25, 0))
    assert closes(fresh)["AA"].tolist() == (FRAME["AA"] * 0.25).tolist()


@pytest.mark.parametrize("changed", [slice(39, 40), slice(35, 36), slice(30, 31)])
def test_one_corrected_close_is_no_seam(fresh: Path, changed: slice) -> None:
    ingest(fresh, "d", FRAME[:40])
    new = FRAME.copy()
    new.iloc[changed, 0] *= 1.3
    ingest(fresh, "d", new[30:])
    assert closes(fresh)["AA"].tolist() == new["AA"].tolist()


def test_corrections_by_several_factors_are_no_seam(fresh: Path) -> None:
    ingest(fresh, "d", FRAME[:40])
    new = FRAME.copy()
    new.iloc[30:33, 0] *= [1.01, 0.97, 1.02]
    ingest(fresh, "d", new[30:])
    assert closes(fresh)["AA"].tolist() == new["AA"].tolist()


def test_one_date_in_common_tells_a_split_and_no_dividend(fresh: Path) -> None:
    ingest(fresh, "d", FRAME[:40])
    ingest(fresh, "d", adjusted(0.99, 39)[:10])  # the last close was provisional
    with pytest.raises(DataError, match=r"are 0.5 times the stored ones \(1 dates tell\)"):
        ingest(fresh, "d", adjusted(0.495, 48))


def test_rounding_is_no_factor(fresh: Path) -> None:
    ingest(fresh, "d", FRAME[:40])
    ingest(fresh, "d", FRAME[30:].round(2))
    assert closes(fresh)["AA"][30:].tolist() == FRAME["AA"][30:].round(2).tolist()


@settings(max_examples=6, deadline=None)
@given(factor=st.sampled_from(FACTORS), data=st.data())
def test_closes_that_a_new_scale_passes_over_are_a_seam_too(
    tmp_path_factory: pytest.TempPathFactory, factor: float, data: st.DataObject
) -> None:
    """The whole history at another scale, with empty cells where closes are stored."""
    lake = tmp_path_factory.mktemp("between") / "lake"
    ingest(lake, "d", FRAME[:40])
    gone = data.draw(st.sets(st.integers(1, 38), min_size=1, max_size=30))
    new = adjusted(factor, 0)[:40]
    new.iloc[sorted(gone), 0] = np.nan
    before = state(lake)
    with pytest.raises(DataError, match=r"AA: .* closes between 20\d\d-\d\d-\d\d and .* would stay at the old scale"):
        ingest(lake, "d", new)
    assert state(lake) == before
    assert ingest(lake, "d", new, rescale=True).rescaled == len(gone)
    np.testing.assert_allclose(closes(lake), FRAME[:40] * [factor, 1, 1], rtol=1e-12)


def test_what_a_file_that_replaces_passes_over_is_no_seam(fresh: Path) -> None:
    ingest(fresh, "d", FRAME[:40])
    new = adjusted(0.5, 0)[:40]
    new.iloc[7, 0] = np.nan
    assert ingest(fresh, "d", new, replace=True).withdrawn == 1
    np.testing.assert_array_equal(closes(fresh), new)
