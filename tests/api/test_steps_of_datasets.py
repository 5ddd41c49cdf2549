"""Steps between prices and returns, by an independent way: prices that have the step's returns, without any step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.build import step_checks
from metabt.errors import DataError
from tests.shared import stepping
from tests.shared.executors import LEAF, NESTED, years


def compounded(prices: pd.DataFrame, limit: float) -> pd.DataFrame:
    """Return prices whose returns, from one observation to the next, are capped."""
    found = prices.copy()
    for symbol, column in prices.items():
        held = column.dropna()
        moves = held.pct_change().fillna(0.0).clip(-limit, limit)
        found[symbol] = (held.iloc[0] * (1 + moves).cumprod()).reindex(prices.index)
    return found


def agree(one: metabt.Result, other: metabt.Result) -> None:
    for name in ("decisions", "returns", "weights", "contributions", "risk", "metrics", "orders"):
        found, wanted = one.frame(name), other.frame(name)
        assert list(found.columns) == list(wanted.columns) and len(found) == len(wanted), name
        for column in found.columns:
            if found[column].dtype.kind == "f":
                np.testing.assert_allclose(
                    found[column], wanted[column], rtol=1e-6, atol=1e-9, err_msg=f"{name}.{column}"
                )
            else:
                assert found[column].equals(wanted[column]), f"{name}.{column}"


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("gaps", [False, True])
def test_a_run_is_that_of_prices_which_have_the_step_s_returns(gaps: bool, flat: bool) -> None:
    """Mixed calendars, a short sleeve, costs, a benchmark, look-through, and the flat baseline."""
    frames, limit = years(3, gaps=gaps), 0.012
    tree: Any = {**NESTED, "defaults": {**NESTED["defaults"], "min_coverage": 0.8}}
    settings: dict[str, Any] = {"benchmark": "EE", **({"is_meta_backtest": False} if flat else {})}
    if flat:  # no asset may stand on both sides
        tree = {**tree, "sleeves": {name: it for name, it in tree["sleeves"].items() if name != "c"}}
    step = {"name": "capped", "limit": limit}
    found = metabt.backtest(tree, frames, panel={"stocks": step, "coins": step}, **settings)
    wanted = metabt.backtest(tree, {name: compounded(it, limit) for name, it in frames.items()}, **settings)
    agree(found, wanted)
    plain = metabt.backtest(tree, frames, **settings)
    assert not np.allclose(found.metrics()["volatility"], plain.metrics()["volatility"], rtol=1e-3)
    if not flat:
        for ask in ("attribution", "brinson"):
            one, other = getattr(found, ask)(), getattr(wanted, ask)()
            numbers = one.select_dtypes("number").columns
            np.testing.assert_allclose(one[numbers], other[numbers], rtol=1e-6, atol=1e-9)


def test_a_step_that_looks_ahead_is_refused_wherever_it_is_read() -> None:
    frames = years(3)
    for settings in ({}, {"is_meta_backtest": False}):
        with pytest.raises(DataError, match="dataset 'stocks': step 'peeking' looks ahead: its return of AA on"):
            metabt.backtest({**NESTED, "sleeves": {"a": NESTED["sleeves"]["a"], "b": NESTED["sleeves"]["b"]}}, frames,
                            panel={"stocks": "peeking"}, **settings)  # fmt: skip
    with pytest.raises(DataError, match="dataset 'coins': step 'peeking' looks ahead"):
        metabt.backtest(LEAF, frames, panel={"coins": "peeking"}, benchmark="coins:XBT")


def test_a_plan_and_a_run_say_which_steps_there_are() -> None:
    frames = years(3)
    said = metabt.plan(LEAF, frames, panel={"stocks": ["cleaned", "capped"]})
    steps = "cleaned, before: 0, over: asset; then capped, before: 0, over: asset"
    assert f"returns of stocks are made by {steps}; trades are at observed closes" in said
    assert "made by" not in metabt.plan(LEAF, frames)
    assert stepping.PLUGINS


def test_who_walks_a_stored_run_again_knows_that_its_steps_have_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, frame in years(3).items():
        metabt.ingest(frame, dataset=name, lakehouse=tmp_path, panel="capped")
    run = metabt.backtest(NESTED, tmp_path).run_id
    monkeypatch.setattr(step_checks, "_PASSED", set())  # another process
    monkeypatch.setattr(step_checks, "check_step", lambda dataset: pytest.fail("it was checked again"))
    assert len(metabt.load(tmp_path, run).attribution())
