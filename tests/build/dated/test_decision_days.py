"""Which sessions days fall on, where a table of them is looked for, and which keys they are in."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt.build.dated.decision_days import first_sessions
from metabt.data import exchange_days
from metabt.errors import ConfigError
from tests.shared.agreement import same

DAY = st.dates(datetime.date(2020, 1, 1), datetime.date(2020, 4, 1))


def dates(days: set) -> np.ndarray:
    return np.array(sorted(days), "datetime64[D]")


@given(st.sets(DAY), st.sets(DAY, min_size=1), DAY)
def test_a_day_decides_in_the_first_session_on_or_after_it(days: set, sessions: set, since: datetime.date) -> None:
    found = first_sessions(dates(days), dates(sessions), np.datetime64(since))
    expected = {min((t for t in sessions if t >= d), default=None) for d in days if d >= since} - {None}
    assert dates(sessions)[found].tolist() == sorted(expected)


@given(st.sets(DAY), st.sets(DAY, min_size=2), DAY, st.data())
def test_neither_later_days_nor_later_sessions_change_a_session(
    days: set, sessions: set, since: datetime.date, data: st.DataObject
) -> None:
    ordered = sorted(sessions)
    kept = ordered[: data.draw(st.integers(1, len(ordered)))]
    whole = first_sessions(dates(days), dates(sessions), np.datetime64(since))
    known = {d for d in days if d <= kept[-1]}
    assert first_sessions(dates(known), dates(set(kept)), np.datetime64(since)).tolist() == whole[: len(kept)].tolist()


# ------------------------------------------------------------------------------------------------ on prices


def walks(seed: int = 0, n: int = 800) -> pd.DataFrame:
    steps = np.random.default_rng(seed).normal(0, 0.01, (n, 4))
    return pd.DataFrame(100 * np.exp(steps.cumsum(axis=0)), pd.bdate_range("2019-01-01", periods=n), list("ABCD"))


def schedules(**days: list[str]) -> pd.DataFrame:
    return pd.DataFrame([(name, date) for name, own in days.items() for date in own], columns=["name", "date"])


LEAF: dict[str, Any] = {"universe": "all", "optimizer": "inverse_volatility", "lookback": 10}
MONTHS = [str(d.date()) for d in pd.date_range("2019-01-31", "2022-06-30", freq="ME")]


def run(tree: Mapping[str, Any], prices: Any, cache: metabt.MemoryCache | None = None, **options: Any) -> metabt.Result:
    return metabt.backtest(dict(tree), prices, engine="local", cache=cache, **options)


def decided(result: metabt.Result, path: str) -> list[str]:
    return [str(pd.Timestamp(it).date()) for it in sorted(result.decisions(path)["date"].unique())]


def test_a_table_decides_and_its_dates_are_known_from_known_at_on() -> None:
    frame = walks()
    rows = schedules(fomc=["2019-03-02", "2019-07-10", "2020-01-01"])
    rows["known_at"] = ["2019-01-01", "2019-08-03", "2020-01-01"]
    found = run({"name": "x", **LEAF, "schedule": {"dates": "fomc"}}, frame, tables={"schedules": rows})
    assert decided(found, "x") == ["2019-03-04", "2019-08-05", "2020-01-01"]


def test_a_meta_sleeve_takes_a_table_from_beneath_it_or_from_anywhere() -> None:
    one, other = walks(1), walks(2).rename(columns=dict(zip("ABCD", "EFGH", strict=True)))
    leaves = {"x": {**LEAF, "dataset": "one"}, "y": {**LEAF, "dataset": "other"}}
    tree = {"name": "r", "lookback": 10, "sleeves": leaves, "defaults": {"schedule": {"dates": "fomc"}}}
    days = ["2019-03-01", "2019-07-10", "2020-01-01"]
    alone = run(tree, {"one": one, "other": other}, tables={"one": {"schedules": schedules(fomc=days)}})
    assert all(decided(alone, path) == days for path in ("r", "r/x", "r/y"))
    both = {name: {"schedules": schedules(fomc=days)} for name in ("one", "other")}
    assert same(dict(run(tree, {"one": one, "other": other}, tables=both).tables), dict(alone.tables))
    unlike = {**both, "other": {"schedules": schedules(fomc=days[1:])}}
    with pytest.raises(ConfigError, match="sleeve 'r': .*'fomc', of which datasets 'one' and 'other' have unlike ones"):
        run({**tree, "sleeves": {name: {**it, "schedule": "monthly"} for name, it in leaves.items()},
             "schedule": {"dates": "fomc"}}, {"one": one, "other": other}, tables=unlike)  # fmt: skip


def test_a_table_that_nobody_has_is_refused_with_the_nearest_and_the_cure() -> None:
    tree = {"name": "x", **LEAF, "schedule": {"dates": "fomk"}}
    with pytest.raises(ConfigError, match="sleeve 'x': .*no dataset of the tree has; ingest.*--table schedules"):
        run(tree, walks())
    with pytest.raises(ConfigError, match="did you mean 'fomc'"):
        run(tree, walks(), tables={"schedules": schedules(fomc=["2020-01-01"])})


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Return days on which an exchange is closed that is open on every other weekday."""
    found: set[str] = set()

    def sessions(exchange: str, first: np.datetime64, last: np.datetime64) -> np.ndarray:
        days = pd.bdate_range(str(first), str(last))
        return days[~days.isin(pd.DatetimeIndex(sorted(found)))].to_numpy("datetime64[D]")

    monkeypatch.setattr(exchange_days, "_sessions", sessions)
    monkeypatch.setattr(exchange_days, "_bounds", lambda exchange: (None, None))
    yield found


ON = {"on": "month_end", "exchange": "XNYS"}


def test_a_day_on_which_the_dataset_has_no_session_decides_in_the_next_one(closed: set[str]) -> None:
    frame = walks().drop(pd.Timestamp("2019-05-31"))
    found = decided(run({"name": "x", **LEAF, "schedule": ON}, frame), "x")
    assert found[:6] == ["2019-01-31", "2019-02-28", "2019-03-29", "2019-04-30", "2019-06-03", "2019-06-28"]
    started = run({"name": "x", **LEAF, "schedule": ON, "start": "2019-06-01"}, frame)
    assert decided(started, "x")[0] == "2019-06-28"  # a day before the start is over
    started = run({"name": "x", **LEAF, "schedule": ON, "start": "2019-05-31"}, frame)
    assert decided(started, "x")[0] == "2019-06-03"


def test_a_holiday_is_in_the_keys_of_its_year_and_one_to_come_in_none(closed: set[str]) -> None:
    frame, tree = walks(), {"name": "r", "lookback": 10, "sleeves": {"x": {**LEAF, "schedule": ON}, "y": LEAF}}
    known = metabt.MemoryCache()
    before = run(tree, frame, known)
    then = before.run_id
    closed |= {"2022-06-30", "2022-12-30"}  # the last session is in January 2022
    assert run(tree, frame, known).frame("stages")["cache_hit"].all()
    closed |= {"2021-04-30"}
    found, fresh = run(tree, frame, known), run(tree, frame)
    assert same(dict(found.tables), dict(fresh.tables)) and found.run_id != then
    again = found.frame("stages").query("not cache_hit")
    assert {(path, str(year)) for path, year in zip(again["path"], again["partition"], strict=True)} == {
        (path, "2021")
        for path in ("r", "r/x")  # by its end all is as it was
    }
    assert "2021-04-29" in decided(found, "r/x") and "2021-04-30" in decided(before, "r/x")


def test_days_of_another_name_or_to_come_are_in_no_key(closed: set[str]) -> None:
    frame, known, tree = walks(), metabt.MemoryCache(), {"name": "x", **LEAF, "schedule": {"dates": "ends"}}
    run(tree, frame, known, tables={"schedules": schedules(ends=MONTHS)})
    more = schedules(ends=[*MONTHS, "2025-01-01"], other=["2020-02-03"])
    assert run(tree, frame, known, tables={"schedules": more}).frame("stages")["cache_hit"].all()


def test_the_flat_baseline_decides_on_the_days_of_its_root() -> None:
    frame = walks()
    tree = {"name": "r", "lookback": 10, "optimizer": "equal", "sleeves": {"x": LEAF}, "schedule": {"dates": "ends"}}
    flat = run(tree, frame, is_meta_backtest=False, tables={"schedules": schedules(ends=MONTHS)})
    assert decided(flat, "r") == [
        str(min(t for t in frame.index if t >= pd.Timestamp(d)).date())
        for d in MONTHS
        if frame.index[10] <= pd.Timestamp(d) <= frame.index[-1]
    ]


def test_a_plan_says_on_which_days_and_how_many(closed: set[str]) -> None:
    text = metabt.plan({"name": "x", **LEAF, "schedule": {**ON, "band": 0.05}}, walks())
    assert "month_end of XNYS, band 0.05" in str(text) and "36 scheduled sessions" in str(text)
