"""Decisions are counted as pandas counts them; of a tie, what came first is named first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.analysis.decision_counts import FALLBACK, DecisionCounts, code_of
from metabt.values.tables import Coded, Table
from metabt.walk.block import REASONS

STATUS = ("ok", "warmup", "cash", f"{FALLBACK}equal", f"{FALLBACK}previous")


def table(frame: pd.DataFrame) -> Table:
    texts = {name: Coded.of(frame[name].tolist()) if len(frame) else Coded(np.zeros(0, np.int32), ()) for name in frame}
    return {**texts, "date": frame["date"].to_numpy().astype("datetime64[D]")}


def drawn(seed: int) -> pd.DataFrame:
    """Return decisions of some sleeves over 1 to 4 items each, on dates that they may share."""
    rng, rows = np.random.default_rng(seed), []
    for path in ("r", "r/b", "r/a")[: rng.integers(1, 4)]:
        items = list("xyzw")[: rng.integers(1, 5)]
        for day in range(int(rng.integers(1, 7))):
            status = str(rng.choice(STATUS))
            reasons = [REASONS[rng.integers(len(REASONS))] if rng.random() < 0.6 else "" for _ in items]
            date = np.datetime64("2020-01-01") + day
            rows += [(path, date, item, status, reason) for item, reason in zip(items, reasons, strict=True)]
    return pd.DataFrame(rows, columns=["path", "date", "item", "status", "reason"])


@given(st.integers(0, 10**6))
def test_pandas_counts_the_same(seed: int) -> None:
    frame = drawn(seed)
    counts = DecisionCounts(table(frame))
    once = frame.drop_duplicates(["path", "date"]).reset_index(drop=True)
    assert counts.dates.tolist() == once["date"].dt.date.tolist()
    assert (
        counts.given.tolist()
        == frame.groupby(["path", "date"], sort=False)["reason"].agg(lambda r: (r == "").sum()).tolist()
    )
    fell = once["status"].str.startswith(FALLBACK)
    assert counts.fallen.tolist() == fell.tolist()
    assert counts.fallen_paths() == tuple(path for path in once["path"].unique() if fell[once["path"] == path].any())
    out = frame[frame["reason"] == "ineligible"]
    wanted = {path: rows["item"].value_counts().to_dict() for path, rows in out.groupby("path")}
    assert counts.ineligible() == wanted
    for path in once["path"].unique():
        own = counts.of(path)
        assert own.tolist() == once.index[once["path"] == path].tolist()
        mine = own[counts.fallen[own]]
        times = once["status"][mine].value_counts(sort=False)
        names = sorted(times.index, key=lambda name: -times[name])  # stable: the first of equal ones comes first
        assert counts.fallbacks(mine) == tuple(name.removeprefix(FALLBACK) for name in names)
    assert not len(counts.of("nowhere"))


def test_one_decision_and_none() -> None:
    one = drawn(0).head(1)
    counts = DecisionCounts(table(one))
    assert len(counts.dates) == 1 and counts.of("r").tolist() == [0]
    none = DecisionCounts(table(one.head(0)))
    assert not len(none.dates) and not len(none.given) and not none.ineligible() and none.fallen_paths() == ()
    assert not len(none.of("r"))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_reason_that_is_missing_is_none(order: tuple[int, int]) -> None:
    made = {
        "path": Coded.of(["r"] * 3),
        "date": np.full(3, np.datetime64("2020-01-01")),
        "item": Coded.of(["x", "y", "z"]),
        "status": Coded.of(["ok"] * 3),
        "reason": Coded(np.array([-1, *order], np.int32), ("ineligible", "")),
    }
    counts = DecisionCounts(made)
    assert counts.given.tolist() == [2] and counts.ineligible() == {"r": {"yz"[order.index(0)]: 1}}
    assert code_of(made["reason"], "unknown") == -2
