"""What cash earns in a session: closed forms, a loop over days, and the same bits wherever sessions are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.data.point_in_time.accrual import Rate, idle_returns
from metabt.data.point_in_time.tables import DatedTable
from metabt.values.tables import Coded
from tests.shared.laws import DRAWS, examples


def rates(*rows: tuple[str, str, float, float]) -> DatedTable:
    names = [name for name, *_ in rows]
    texts = tuple(sorted(set(names)))
    columns = {
        "name": Coded(np.array([texts.index(name) for name in names], np.int32), texts),
        "date": np.array([date for _, date, *_ in rows], "M8[D]"),
        "value": np.array([value for *_, value, _ in rows]),
        "day_count": np.array([days for *_, days in rows]),
    }
    return DatedTable.of("rates", columns)


def test_five_per_cent_actual_360_over_a_weekend() -> None:
    dates = np.array(["2021-01-07", "2021-01-08", "2021-01-11"], "M8[D]")
    rate = Rate.of(rates(("cash", "2021-01-01", 0.05, 360.0), ("other", "2021-01-01", 0.5, 365.0)), "cash")
    found = idle_returns(dates, np.datetime64("2021-01-06"), rate)
    assert found.returns.tolist() == pytest.approx([0.05 / 360, 0.05 / 360, 0.15 / 360], rel=1e-15)
    assert found.unknown == 0


def test_a_new_rate_counts_from_the_session_after_its_date() -> None:
    """Money earns from the close before: what is known there. A rate of Friday is that of Friday to Monday."""
    dates = np.array(["2021-01-07", "2021-01-08", "2021-01-11", "2021-01-12"], "M8[D]")
    rate = Rate.of(rates(("c", "2021-01-07", 0.01, 365.0), ("c", "2021-01-09", 0.02, 360.0)), "c")
    found = idle_returns(dates, np.datetime64("2021-01-06"), rate)
    assert found.returns.tolist() == pytest.approx([0.0, 0.01 / 365, 0.03 / 365, 0.02 / 360], rel=1e-15)
    assert found.unknown == 1  # nothing was known on the 6th


def test_without_a_session_before_nothing_is_earned_and_nothing_is_unknown() -> None:
    dates = np.array(["2021-01-07", "2021-01-08"], "M8[D]")
    assert idle_returns(dates, None, 0.0365).returns.tolist() == pytest.approx([0.0, 1e-4])
    found = idle_returns(dates, None, Rate.of(rates(("c", "2021-01-08", 0.01, 365.0)), "absent"))
    assert found.returns.tolist() == [0.0, 0.0] and found.unknown == 1


@examples(80)
@given(DRAWS, st.integers(1, 12), st.integers(0, 12), st.booleans())
def test_a_loop_over_days_agrees_wherever_it_is_cut(seed: int, n: int, cut: int, constant: bool) -> None:
    rng, cut = np.random.default_rng(seed), min(cut, n - 1)
    first = np.datetime64("2021-01-04")
    sessions = first + np.cumsum(rng.integers(1, 5, n + 1))
    known = np.sort(rng.choice(40, 4, replace=False))
    rows = [("c", str(first + day), float(rng.normal(0.02, 0.02)), float(rng.choice([360, 365]))) for day in known]
    rate = 0.03 if constant else Rate.of(rates(*rows), "c")
    whole = idle_returns(sessions[1:], sessions[0], rate)
    unknown = 0
    for t in range(1, n + 1):
        newest = [(value, days) for _, date, value, days in rows if np.datetime64(date) <= sessions[t - 1]]
        value, days = (0.03, 365.0) if constant else newest[-1] if newest else (0.0, 365.0)
        unknown += not constant and not newest
        held = (sessions[t] - sessions[t - 1]).astype(int)
        assert whole.returns[t - 1] == pytest.approx(value * held / days, rel=1e-14, abs=1e-18)
    assert whole.unknown == unknown
    parts = [idle_returns(sessions[1 : cut + 1], sessions[0], rate)] if cut else []
    parts.append(idle_returns(sessions[cut + 1 :], sessions[cut], rate))
    assert np.concatenate([part.returns for part in parts]).tobytes() == whole.returns.tobytes()
    assert sum(part.unknown for part in parts) == unknown
