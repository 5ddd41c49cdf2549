"""Which run a name means: the resolver and the views against a naive reading of the same history of askings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from metabt.errors import ConfigError
from metabt.lakehouse import asked_with, attach, connect, resolve_run, run_list
from metabt.lakehouse.runs.names import settings as settings_of
from metabt.lakehouse.runs.run_seals import seal_askings
from tests.shared.resealed import reseal

Con = duckdb.DuckDBPyConnection
BEGIN = datetime(2026, 1, 2, 3, 4, 5)

PLAIN = ((), ("portfolio=demo",), ("engine=ray", "portfolio=demo"), ("start=2000-01-01",), ("portfolio.name=other",))
CHANGED = (
    ("portfolio.optimizer=erc",),
    ("portfolio.lookback=63", "portfolio.optimizer=erc"),
    ("sleeve@portfolio.sleeves.x=energy",),
    ("~portfolio.sleeves.hedge",),
    ("++portfolio.sleeves.x.lag=0", "portfolio.name=demo"),
)
IDLE = {"portfolio=demo", "engine=ray", "portfolio.name=other", "portfolio.name=demo"}
"""Overrides that make no run another one."""
FLAT = ("is_meta_backtest=false",)


class Asked(NamedTuple):
    """One asking, as a user would tell it."""

    portfolio: str
    overrides: tuple[str, ...]
    is_flat: bool
    sweep_id: str | None

    @property
    def run_id(self) -> str:
        """An identity of its own for every distinct configuration; that it was asked by a sweep is no part of it."""
        return f"{self.portfolio}-{(PLAIN + CHANGED).index(self.overrides)}{self.is_flat}"

    @property
    def kind(self) -> int:
        """0 by itself as it is stated, 1 with overrides of the tree, 2 of a sweep, 3 flat."""
        if self.is_flat:
            return 3
        return 2 if self.sweep_id else int(self.overrides in CHANGED)


ASKED = st.builds(
    Asked,
    st.sampled_from(("demo", "it's")),
    st.sampled_from(PLAIN + CHANGED),
    st.sampled_from((False, False, False, True)),
    st.sampled_from((None, None, "s1", "s2")),
)


@pytest.fixture(scope="module")
def folder(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse of this module's own."""
    return Path(shutil.copytree(template, tmp_path_factory.mktemp("names") / "lake"))


@pytest.fixture(scope="module")
def lake(folder: Path) -> Iterator[Con]:
    with attach(folder) as con:
        yield con


def write(con: Con, history: list[Asked], recorded: bool = True) -> None:
    """Store a history, a second between askings; a run starts when it is asked for first."""
    con.execute("DELETE FROM runs")
    con.execute("DELETE FROM asked")
    con.execute("DELETE FROM metrics")
    started: dict[str, Asked] = {}
    for place, asked in enumerate(history):
        at = BEGIN + timedelta(seconds=place)
        text = json.dumps([*asked.overrides, *(FLAT if asked.is_flat else ())])
        if asked.run_id not in started:
            started[asked.run_id] = asked
            row = (asked.run_id, asked.sweep_id, asked.portfolio, at, text)
            con.execute(
                "INSERT INTO runs (run_id, sweep_id, portfolio, started_at, overrides, status, keep) "
                "VALUES (?, ?, ?, ?, ?, 'ok', 'all')",
                row,
            )
            con.execute("INSERT INTO metrics VALUES (?, ?, 'sharpe', ?)", (asked.run_id, asked.portfolio, place))
        if recorded:
            con.execute("INSERT INTO asked VALUES (?, ?, ?, ?)", (asked.run_id, asked.sweep_id, at, text))
    reseal(con, ["metrics"])


def meant(history: list[Asked], portfolio: str) -> str:
    """Return the run of a bare name: of the askings of the first kind there is, the last."""
    own = [asked for asked in history if asked.portfolio == portfolio]
    first = min(asked.kind for asked in own)
    return [asked.run_id for asked in own if asked.kind == first][-1]


@given(st.lists(ASKED, min_size=1, max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_name_means_what_a_naive_reading_of_the_history_says(lake: Con, history: list[Asked]) -> None:
    write(lake, history)
    names = sorted({asked.portfolio for asked in history})
    expected = {name: meant(history, name) for name in names}
    said: dict[str, list[str]] = {name: [] for name in names}
    assert {name: resolve_run(lake, name, say=said[name].append) for name in names} == expected
    for name in names:  # a sentence where, and only where, the run is not as its portfolio is stated
        assert len(said[name]) == (min(asked.kind for asked in history if asked.portfolio == name) > 0)
        assert all(f"no run of '{name}' without overrides is stored" in text for text in said[name])
    assert dict(lake.execute("SELECT portfolio, run_id FROM latest.names").fetchall()) == expected
    for table in ("runs", "metrics"):
        found = lake.execute(f"SELECT run_id FROM latest.{table}").fetchall()
        assert sorted(found) == sorted((run_id,) for run_id in expected.values())
    alone = [asked.run_id for asked in history if asked.sweep_id is None]
    assert resolve_run(lake) == (alone or [asked.run_id for asked in history])[-1]


@given(st.lists(ASKED, min_size=1, max_size=12), st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_name_with_overrides_means_the_last_run_with_these(
    lake: Con, history: list[Asked], data: st.DataObject
) -> None:
    write(lake, history)
    told = [asked for asked in history if settings_of(asked.overrides) or asked.is_flat]
    assume(told)
    wanted = data.draw(st.sampled_from(told))
    words = data.draw(st.permutations([*wanted.overrides, *(FLAT if wanted.is_flat else ()), "engine=local"]))

    def told_as(asked: Asked) -> tuple[str, frozenset[str], bool]:
        return asked.portfolio, frozenset(asked.overrides) - IDLE, asked.is_flat

    expected = [asked.run_id for asked in history if told_as(asked) == told_as(wanted)][-1]
    assert resolve_run(lake, wanted.portfolio, words) == expected


def test_runs_from_before_askings_were_kept_count_as_asked_for_when_they_started(lake: Con) -> None:
    swept, plain = Asked("demo", CHANGED[0], False, "s1"), Asked("demo", PLAIN[1], False, None)
    write(lake, [plain, swept], recorded=False)
    assert resolve_run(lake, "demo") == resolve_run(lake) == plain.run_id


def test_a_run_that_failed_answers_to_no_name(lake: Con) -> None:
    write(lake, [Asked("demo", PLAIN[1], False, None), Asked("demo", PLAIN[3], False, None)])
    last = Asked("demo", PLAIN[3], False, None).run_id
    lake.execute("UPDATE runs SET status = 'failed' WHERE run_id = ?", [last])
    reseal(lake, ["metrics"])
    assert resolve_run(lake, "demo") == Asked("demo", PLAIN[1], False, None).run_id
    assert lake.execute("SELECT count(*) FROM latest.runs").fetchall() == [(1,)]


def test_the_sentence_says_which_run_it_is(lake: Con) -> None:
    said: list[str] = []
    write(lake, [Asked("demo", CHANGED[0], False, None)])
    resolve_run(lake, "demo", say=said.append)
    write(lake, [Asked("demo", CHANGED[0], False, "s1")])
    resolve_run(lake, "latest", say=said.append)
    assert said[0].endswith("of 'demo': portfolio.optimizer=erc")
    assert said[1].startswith("no run by itself is stored") and said[1].endswith("of sweep s1, portfolio.optimizer=erc")


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        (
            "demo",
            ["portfolio.lookback=5"],
            r"no run of 'demo' was asked for with portfolio.lookback=5; .*optimizer=erc",
        ),
        ("dem", ["portfolio.lookback=5"], "no run of 'dem' is stored; did you mean 'demo'"),
        ("demo-", [], r"'demo-' begins 2 runs .*\n  demo-.*  demo  portfolio.optimizer=erc"),
    ],
)
def test_what_means_no_run_or_several_is_refused_with_the_list(
    lake: Con, name: str, overrides: list[str], message: str
) -> None:
    write(lake, [Asked("demo", CHANGED[0], False, None), Asked("demo", PLAIN[1], False, None)])
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        resolve_run(lake, name, overrides)


def test_the_plainest_asking_tells_what_a_run_is(lake: Con) -> None:
    """One that a sweep has computed and that was asked for by itself later is refreshed, and listed, as that."""
    one = Asked("demo", CHANGED[0], False, "s1")
    write(lake, [one])
    lake.execute("INSERT INTO asked VALUES (?, NULL, ?, '[\"portfolio=demo\"]')", [one.run_id, BEGIN])
    seal_askings(lake)
    assert asked_with(lake, one.run_id) == ("portfolio=demo",)
    (row,) = run_list(lake)
    assert (row["overrides"], row["sweep_id"], row["sharpe"]) == ("", None, 0.0)


def test_a_connection_of_one_run_has_its_rows_alone(lake: Con, folder: Path) -> None:
    runs = [Asked("demo", PLAIN[1], False, None), Asked("demo", CHANGED[0], False, None)]
    write(lake, runs)
    with connect(folder, runs[1].run_id) as con:
        for table in ("runs", "metrics", "asked"):
            assert con.execute(f"SELECT run_id FROM {table}").fetchall() == [(runs[1].run_id,)]
            assert len(con.execute(f"SELECT run_id FROM lake.{table}").fetchall()) == 2
        assert con.execute("SELECT run_id FROM latest.metrics").fetchall() == [(runs[0].run_id,)]


def naive_parameters(asked: list[tuple[str, str, list[str]]]) -> set[tuple[str, str, str]]:
    """Return run, key and value of what varies within each sweep, from its members' overrides as dicts."""
    found = set()
    for sweep in {sweep for _, sweep, _ in asked}:
        members = [(run, dict(text.split("=", 1) for text in words)) for run, of, words in asked if of == sweep]
        for key in {key for _, own in members for key in own}:
            if len({own.get(key) for _, own in members}) > 1:
                found |= {(run, key, own[key]) for run, own in members if key in own}
    return found


WORDS = st.fixed_dictionaries(
    {"portfolio": st.just("demo")},
    optional={"portfolio.optimizer": st.sampled_from(("erc", "hrp")), "portfolio.lag": st.sampled_from(("0", "1"))},
)


@given(st.lists(st.tuples(st.sampled_from(("s1", "s2")), WORDS), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_parameters_of_sweeps_are_what_varies_within_them(lake: Con, members: list[tuple[str, dict]]) -> None:
    write(lake, [])
    asked = [(f"run{i}", sweep, [f"{k}={v}" for k, v in words.items()]) for i, (sweep, words) in enumerate(members)]
    for run_id, sweep_id, words in asked:
        lake.execute("INSERT INTO asked VALUES (?, ?, ?, ?)", [run_id, sweep_id, BEGIN, json.dumps(words)])
    found = lake.execute("SELECT run_id, key, value FROM sweep_parameters").fetchall()
    assert len(found) == len(set(found)) and set(found) == naive_parameters(asked)


def test_quotes_signs_and_deletions_of_a_sweep_are_told_plainly(lake: Con) -> None:
    write(lake, [])
    rows = [("a", ["+portfolio.x='two words'", "~portfolio.y"]), ("b", ["+portfolio.x={name: erc}"])]
    for run_id, words in rows:
        lake.execute("INSERT INTO asked VALUES (?, 's', ?, ?)", [run_id, BEGIN, json.dumps(words)])
    found = set(lake.execute("SELECT * FROM sweep_parameters").fetchall())
    assert found == {("a", "portfolio.x", "two words"), ("b", "portfolio.x", "{name: erc}"), ("a", "portfolio.y", None)}
