"""Whether tables begin, go on and end with the prices: each note against a loop over sessions, and in `check`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt.cli.main import main
from metabt.data.point_in_time.lives import EVER, Lives
from metabt.data.point_in_time.tables import DatedTable
from metabt.lakehouse import attach
from metabt.lakehouse.point_in_time.reach import MONTH, OF, beyond_prices
from metabt.lakehouse.stored_data import list_checks
from metabt.values.tables import Coded
from tests.lakehouse.conftest import wide

START = np.datetime64("2020-01-01", "D")
NAT = np.datetime64("NaT", "D")


def coded(texts: list[str]) -> Coded:
    names = sorted(set(texts))
    return Coded(np.array([names.index(text) for text in texts], np.int32), tuple(names))


def day(offset: int | None) -> np.datetime64:
    return NAT if offset is None else START + offset


def days(offsets: list[int | None]) -> np.ndarray:
    return np.array([day(offset) for offset in offsets], "datetime64[D]")


def found(sessions: np.ndarray, tables: dict[str, DatedTable], **known: Any) -> list[tuple[str, date, str, float]]:
    given_ = {"lives": Lives.of(("A", "B"), tables.get("assets")), "priced": {}, "ends": {}, "empty": {}, **known}
    return list(beyond_prices(sessions, tables, *(given_[name] for name in ("lives", "priced", "ends", "empty"))))


sessions_ = st.lists(st.integers(0, 40), min_size=1, max_size=15, unique=True).map(sorted).map(days)


@given(sessions_, st.lists(st.integers(-5, 45), min_size=1, max_size=6, unique=True))
def test_an_action_is_odd_between_sessions_alone(sessions: np.ndarray, offsets: list[int]) -> None:
    n = len(offsets)
    columns = {"asset": coded(["A"] * n), "kind": coded(["cash"] * n), "into": Coded(np.full(n, -1, np.int32), ())}
    numbers = {"ratio": np.full(n, np.nan), "cash": np.ones(n)}
    table = DatedTable.of("actions", {**columns, **numbers, "ex_date": days([*offsets])})
    wanted = []
    for offset in sorted(offsets):
        later = [it for it in sessions if it >= day(offset)]
        earlier = [it for it in sessions if it < day(offset)]
        if earlier and later and later[0] != day(offset):
            wait = float((later[0] - day(offset)).astype(int))
            wanted.append(("A", day(offset).item(), "action on no session", wait))
    assert found(sessions, {"actions": table}) == wanted


spell = st.tuples(st.integers(0, 40), st.one_of(st.none(), st.integers(0, 20)), st.integers(0, 3))


@given(
    sessions_, st.lists(spell, min_size=1, max_size=6), st.integers(-3, 30), st.one_of(st.none(), st.integers(0, 45))
)
def test_a_membership_is_odd_where_a_loop_finds_a_session_outside_of_the_life(
    sessions: np.ndarray, spells: list[tuple[int, int | None, int]], begins: int, ends: int | None
) -> None:
    n = len(spells)
    first = days([it[0] for it in spells])
    last = days([None if it[1] is None else it[0] + it[1] for it in spells])
    known = first + np.array([it[2] for it in spells])
    rows = {"universe": coded(["X"] * n), "asset": coded(["A"] * n)}
    table = DatedTable.of("members", {**rows, "first_date": first, "last_date": last, "known_at": known})
    lives = Lives(("A",), ("A",), days([begins]), EVER[1:])
    end = None if ends is None else next((it for it in sessions if it >= day(ends)), None)
    newest: dict[Any, Any] = {}
    for place in range(n):  # in the order of the table: of one beginning the last row counts
        newest[table.numbers("first_date")[place]] = table.numbers("last_date")[place]
    odd = []
    for one, until in newest.items():
        within = [it for it in sessions if it >= one and (np.isnat(until) or it <= until)]
        if any(it < day(begins) or (end is not None and it > end) for it in within):
            odd.append(one)
    wanted = [("A", min(odd).item(), "membership beyond its life", float(len(odd)))] if odd else []
    known_ends = {} if ends is None else {"A": day(ends)}
    assert found(sessions, {"members": table}, lives=lives, ends=known_ends) == wanted


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=12, unique=True).map(sorted).map(days),
    st.lists(st.integers(-100, 500), min_size=1, max_size=12, unique=True).map(sorted),
)
def test_a_rate_is_odd_where_a_loop_over_days_finds_it_late_old_or_with_a_gap(
    sessions: np.ndarray, offsets: list[int]
) -> None:
    n, name = len(offsets), "usd"
    numbers = {"date": days([*offsets]), "value": np.full(n, 0.01), "day_count": np.full(n, 360.0)}
    table = DatedTable.of("rates", {"name": coded([name] * n), **numbers})
    kinds = {kind: (when, value) for _, when, kind, value in found(sessions, {"rates": table})}
    first, last = sessions[0], sessions[-1]
    rows = [day(offset) for offset in offsets]
    wanted = {}
    if rows[0] > first:
        wanted["rate begins late"] = float((rows[0] - first).astype(int))
    if (last - rows[-1]).astype(int) > MONTH:
        wanted["rate ends early"] = float((last - rows[-1]).astype(int))
    gaps = [min(b, last) - max(a, first) for a, b in zip(rows, rows[1:], strict=False) if a < last and b > first]
    longest = max((float(gap.astype(int)) for gap in gaps), default=0.0)
    if longest > MONTH:
        wanted["gap in a rate"] = longest
    assert {kind: value for kind, (_, value) in kinds.items()} == wanted


@given(st.lists(st.sampled_from(["A", "B", "C", "*"]), min_size=1, max_size=8), st.sets(st.sampled_from(["A", "B"])))
def test_costs_are_odd_of_what_has_no_prices(assets: list[str], priced: set[str]) -> None:
    n = len(assets)
    numbers = {name: np.ones(n) for name in ("commission_bp", "slippage_bp", "borrow_bp")}
    table = DatedTable.of("costs", {"asset": coded(assets), "first_date": days([*range(n)]), **numbers})
    wanted = {it: float(assets.count(it)) for it in set(assets) - priced - {"*"}}
    odd = found(days([0]), {"costs": table}, priced={it: (START, START) for it in priced})
    assert {name: value for name, _, _, value in odd} == wanted
    assert {(name, when) for name, when, _, _ in odd} == {(it, day(assets.index(it)).item()) for it in wanted}


def test_nothing_is_odd_of_a_dataset_without_sessions() -> None:
    assert found(days([]), {}) == []


FRAME = wide(60)
DAY = FRAME.index


def put(lake: Path, table: str, columns: dict[str, object], **options: object) -> str:
    return str(metabt.ingest(pd.DataFrame(columns), dataset="d", lakehouse=lake, table=table, **options))


def checks(lake: Path) -> set[tuple[str, date, str, float]]:
    with attach(lake, read_only=True) as con:
        return {(symbol, when, kind, value) for symbol, when, kind, value in list_checks(con, "d")}


def test_check_lists_each_kind_and_forgets_it_once_it_is_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = tmp_path / "lake"
    frame = FRAME.copy()
    frame.loc[DAY[31] :, "CC"] = np.nan
    metabt.ingest(frame, dataset="d", lakehouse=lake, adjusted=False)
    sunday = next(it for it in DAY if it.weekday() == 0 and it > DAY[5]) - pd.Timedelta(days=1)
    put(lake, "actions", {"asset": ["AA"], "ex_date": [sunday], "kind": ["cash"], "cash": [1.0]})
    lives = {
        "asset": ["BB", "BB"],
        "symbol": ["BB", "NEW"],
        "first_date": [DAY[0], DAY[40]],
        "last_date": [DAY[39], pd.NaT],
    }
    put(lake, "assets", lives)
    put(lake, "delistings", {"asset": ["CC"], "date": [DAY[30]], "return": [-0.5]})
    put(lake, "members", {"universe": "X", "asset": ["BB", "CC"], "from": [DAY[0] - pd.Timedelta(days=9), DAY[0]]})
    put(lake, "members", {"universe": "Y", "asset": ["BB"], "from": [DAY[0]], "to": [DAY[20]]})
    put(lake, "costs", {"asset": ["*", "ZZ", "ZZ"], "first_date": [DAY[0], DAY[1], DAY[2]], "borrow_bp": 30.0})
    put(
        lake,
        "rates",
        {"name": "usd", "date": [DAY[1], DAY[1] + pd.Timedelta(days=40)], "value": 0.01, "day_count": 360},
    )
    metabt.ingest(FRAME[["AA"]] * 1.0, dataset="d", lakehouse=lake)
    odd = {row for row in checks(lake) if row[2] in OF}
    assert odd == {
        ("CC", DAY[0].date(), "membership beyond its life", 1.0),
        ("AA", sunday.date(), "action on no session", 1.0),
        ("BB", DAY[40].date(), "rename without prices", 1.0),
        ("ZZ", DAY[1].date(), "costs of no asset", 2.0),
        ("usd", DAY[1].date(), "rate begins late", float((DAY[1] - DAY[0]).days)),
        ("usd", DAY[1].date(), "gap in a rate", 40.0),
        ("usd", (DAY[1] + pd.Timedelta(days=40)).date(), "rate ends early", float((DAY[-1] - DAY[1]).days - 40)),
    }
    assert main(["check", "d", "--lakehouse", str(lake)]) == 0
    told = capsys.readouterr().out
    assert all(kind in told for _, _, kind, _ in odd)
    cash = {"asset": ["AA"], "ex_date": [sunday + pd.Timedelta(days=1)], "kind": ["cash"], "cash": [1.0]}
    put(lake, "actions", cash, replace=True)
    put(lake, "members", {"universe": "X", "asset": ["CC"], "from": [DAY[0]], "to": [DAY[30]]}, replace=True)
    put(lake, "rates", {"name": "usd", "date": DAY[[0, 20, 40]], "value": 0.01, "day_count": 360}, replace=True)
    put(lake, "costs", {"asset": ["*", "fx:EUR"], "first_date": DAY[0], "borrow_bp": 30.0}, replace=True)
    put(lake, "assets", {"asset": ["BB"], "symbol": ["BB"], "first_date": [DAY[0]]}, replace=True)
    assert not {row for row in checks(lake) if row[2] in OF}
