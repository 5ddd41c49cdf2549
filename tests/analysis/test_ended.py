"""Which holdings were closed because their asset ended: from a run over a small market, and in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.analysis.note_lines import concerns, ends, escapes

DAYS = pd.bdate_range("2020-01-01", periods=60, name="date")
TREE = {
    "name": "t",
    "optimizer": "equal",
    "lookback": 10,
    "lag": 0,
    "schedule": {"every": 20},
    "universe": ["A", "B", "C", "D"],
    "delisting": {"unknown": -0.4},
}


def market() -> pd.DataFrame:
    moves = np.random.default_rng(3).normal(0, 0.01, (60, 4))
    frame = pd.DataFrame(100 * np.exp(np.cumsum(moves, axis=0)), DAYS, list("ABCD"))
    frame.loc[DAYS[31] :, "A"] = np.nan  # a Friday's price is its last
    frame.loc[DAYS[46] :, "B"] = np.nan
    return frame


def tables() -> dict[str, pd.DataFrame]:
    gone = [
        ("A", DAYS[30] + pd.Timedelta("1D"), -0.55, "performance"),
        ("B", DAYS[46], np.nan, "unknown"),
        ("D", DAYS[-1] + pd.Timedelta("9D"), -1.0, "performance"),  # it has not come to that yet
    ]
    return {"delistings": pd.DataFrame(gone, columns=["asset", "date", "return", "kind"])}


def test_what_ended_is_named_with_what_was_held_and_at_which_return() -> None:
    result = metabt.backtest(TREE, market(), tables=tables())
    found = {it.symbol: it for it in result.notes.ended}
    assert found.keys() == {"A", "B"}
    held = result.frame("weights").set_index(["symbol", "date"])["before"]
    for symbol, day in (("A", 31), ("B", 46)):
        assert found[symbol].date == np.datetime64(DAYS[day], "D")
        assert found[symbol].weight == held[symbol, DAYS[day]] > 0
    assert (found["A"].stated, found["A"].assumed) == (-0.55, ())
    assert np.isnan(found["B"].stated) and found["B"].assumed == (-0.4,)
    line = ends(result.notes.ended)
    assert line.startswith("ended while held: 2 holdings (") and line.endswith("; of 1 no return was stated")
    assert "performance -55%" in line and "unknown, assumed -40%" in line
    assert result.metrics().loc["t", "ended_closed"] == 2


def test_the_money_is_what_the_returns_say() -> None:
    result, frame = metabt.backtest(TREE, market(), tables=tables()), market()
    moves = frame.ffill().pct_change().fillna(0.0)
    moves.loc[DAYS[31], "A"], moves.loc[DAYS[46], "B"] = -0.55, -0.4
    held, gross = dict.fromkeys("ABCD", 0.0), {}
    for t in range(60):
        earned = sum(held[a] * moves[a].iloc[t] for a in held)
        gross[DAYS[t]] = earned
        held = {a: h * (1 + moves[a].iloc[t]) / (1 + earned) for a, h in held.items()}
        for symbol, day in (("A", 31), ("B", 46)):
            held[symbol] = 0.0 if t >= day else held[symbol]
        if t in (20, 40):  # the scheduled sessions that have a lookback behind them
            alive = [a for a in held if frame[a].notna().iloc[t]]
            held = {a: 1 / len(alive) if a in alive else 0.0 for a in held}
    stream = result.returns("t")["gross"]
    np.testing.assert_allclose(stream, [gross[day] for day in stream.index], atol=1e-14)
    assert stream[DAYS[31]] < -0.1 and len(stream) == 39


def test_without_such_tables_nothing_is_said() -> None:
    assert metabt.backtest(TREE, market()).notes.ended == ()


STALE = {**TREE, "universe": ["A", "C", "D"], "stale_after": 5}
"""Its A is closed five sessions after its last price, on the 31st."""


def late(**changes: object) -> dict[str, pd.DataFrame]:
    row = {"asset": ["A"], "date": [DAYS[45]], "return": [-0.9], "kind": ["performance"], "included": [False]}
    return {"delistings": pd.DataFrame({**row, **{name: [value] for name, value in changes.items()}})}


@pytest.mark.parametrize("after", range(2, 20))
def test_a_delisting_after_a_stale_closing_is_named_with_the_return_that_it_escaped(after: int) -> None:
    result = metabt.backtest({**STALE, "stale_after": after}, market(), tables=late())
    weights = result.frame("weights").set_index(["symbol", "date"])
    held = weights.loc["A"]
    if after > 14:  # the delisting comes first: the 46th session is the 15th without a price
        assert result.notes.escaped == () and [it.symbol for it in result.notes.ended] == ["A"]
        return
    closing = DAYS[30 + after]
    assert held.at[closing, "target"] == 0 and result.notes.ended == ()
    (found,) = result.notes.escaped
    assert (found.symbol, found.date, found.stated) == ("A", np.datetime64(DAYS[45], "D"), -0.9)
    assert found.weight == held.at[closing, "before"] > 0
    line = escapes(result.notes.escaped)
    assert line in concerns(result.notes)
    assert (
        line.startswith("closed as stale before their end: 1 holding (A on 2020-03-04, ") and "performance -90%" in line
    )
    assert result.metrics().loc["t", ["stale_closed", "ended_closed"]].tolist() == [1, 0]


def test_what_was_not_held_or_has_had_it_in_its_prices_escaped_nothing() -> None:
    for changes in ({"included": True}, {"asset": "B"}, {"date": DAYS[-1] + pd.Timedelta("9D")}):
        assert metabt.backtest(STALE, market(), tables=late(**changes)).notes.escaped == ()
    sold = {**STALE, "universe": ["A", "C", "D"], "schedule": {"every": 5}, "selector": {"name": "top_k", "k": 1}}
    names = {it.symbol for it in metabt.backtest(sold, market(), tables=late()).notes.escaped}
    held = metabt.backtest(sold, market(), tables=late()).frame("weights").set_index(["symbol", "date"])
    assert ("A" in names) == (("A", DAYS[35]) in held.index and held.loc[("A", DAYS[35]), "before"] > 0)


def test_an_assumed_return_and_a_merger_escape_too() -> None:
    (found,) = metabt.backtest(STALE, market(), tables=late(**{"return": np.nan, "kind": "unknown"})).notes.escaped
    assert found.assumed == (-0.4,) and "unknown, assumed -40%" in escapes([found])
    merger = pd.DataFrame({"asset": ["A"], "ex_date": [DAYS[45]], "kind": ["merger"], "cash": [50.0]})
    run = metabt.backtest(STALE, market(), tables={"actions": merger}, adjusted=False)
    (found,) = run.notes.escaped
    assert found.merged and np.isnan(found.stated) and not found.assumed
