"""What is said beforehand is what the run says afterwards, as far as it can be known from dates and gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt.lakehouse import ingest

DAYS = pd.date_range("2018-01-01", periods=420, name="Date")


def market(seed: int, gaps: float, symbols: str = "ABCD") -> pd.DataFrame:
    """Return prices on a 7-day calendar: the second on weekdays, the third with gaps, the fourth from late on."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(100 * np.exp(rng.normal(0, 0.01, (420, 4)).cumsum(axis=0)), DAYS, list(symbols))
    frame.loc[DAYS.day_of_week > 4, symbols[1]] = np.nan
    frame.loc[rng.random(420) < gaps, symbols[2]] = np.nan
    frame.loc[DAYS[:60], symbols[3]] = np.nan
    return frame


def tree(min_coverage: float, every: int, **root: object) -> dict[str, object]:
    leaf = {"lookback": 30, "schedule": {"every": every}, "min_coverage": min_coverage}
    sleeves = {
        "one": {"dataset": "x", "universe": ["A", "B"], **leaf},
        "two": {"dataset": "x", "universe": ["A", "C", "D"], **leaf},
    }
    return {"name": "m", "lookback": 30, "sleeves": sleeves, **root}


def line(text: str, begins: str) -> str | None:
    return next((it for it in text.splitlines() if it.startswith(begins)), None)


@given(
    seed=st.integers(0, 10**6),
    gaps=st.floats(0.0, 0.4),
    min_coverage=st.sampled_from([0.6, 0.8, 1.0]),
    every=st.integers(3, 12),
)
def test_assets_that_will_be_left_out_are_named_beforehand(
    seed: int, gaps: float, min_coverage: float, every: int
) -> None:
    frames = {"x": market(seed, gaps)}
    asked = tree(min_coverage, every)
    before, after = metabt.plan(asked, frames), metabt.backtest(asked, frames)
    assert line(before, "left out: ") == line(after.summary(), "left out: ")
    assert line(before, "ends on ") is line(after.summary(), "ends on ") is None


def test_the_dataset_that_will_end_it_is_named_beforehand() -> None:
    frames = {"x": market(0, 0.0), "y": market(1, 0.0, "EFGH").iloc[:200, :1]}
    asked = tree(0.6, 5)
    asked["sleeves"] = {**asked["sleeves"], "three": {"dataset": "y", "universe": ["E"], "lookback": 30}}  # type: ignore[dict-item]
    before, after = metabt.plan(asked, frames), metabt.backtest(asked, frames)
    said = line(before, "ends on ")
    assert said == line(after.summary(), "ends on ") and said is not None
    assert said.startswith("ends on 2018-07-19 with dataset 'y'; 'x' goes on for 7 months, to 2019-02-24")
    assert line(metabt.plan(asked, frames, end="2018-07-01"), "ends on ") is None


def test_where_nothing_is_to_be_said_the_plan_ends_with_its_numbers(tmp_path: Path) -> None:
    frame = market(0, 0.0)[["A", "D"]]
    ingest(tmp_path / "lake", "x", frame)
    leaf = {"name": "w", "dataset": "x", "universe": ["A", "D"], "lookback": 30}
    assert metabt.plan(leaf, tmp_path / "lake").splitlines()[-1].endswith("2 blocks")


def test_a_lakehouse_says_what_frames_say(tmp_path: Path) -> None:
    frame = market(3, 0.3)
    ingest(tmp_path / "lake", "x", frame)
    asked = tree(1.0, 5)
    said = line(metabt.plan(asked, tmp_path / "lake"), "left out: ")
    assert said is not None and said == line(metabt.plan(asked, {"x": frame}), "left out: ")
    result = metabt.backtest(asked, tmp_path / "lake")
    assert said == line(result.summary(), "left out: ") == line(metabt.load(tmp_path / "lake").summary(), "left out: ")


@pytest.mark.parametrize("flat", [None, False])
def test_a_flat_baseline_is_planned_too(flat: bool | None) -> None:
    assert "blocks" in metabt.plan(tree(0.6, 5), {"x": market(0, 0.0)}, is_meta_backtest=flat)
