"""What a run is explained by: exactly what was changed, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

import metabt
from metabt import lakehouse
from metabt.cli.explanation import comparison_rows, comparison_text, explanation_rows, explanation_text
from metabt.config import Job
from metabt.errors import StoreError
from metabt.lakehouse.ingestion.ingestion import restate
from metabt.runs.comparison import compare, first_session_apart
from metabt.runs.explain import Explanation, explain
from metabt.runs.reproduce import reproduce
from metabt.values.ranges import spans
from tests.shared import stepping  # noqa: F401  # its steps
from tests.shared.panels import STOCKS, random_walk
from tests.shared.resealed import reseal

YEARS = pd.bdate_range("2019-01-01", "2022-06-30")


def prices() -> pd.DataFrame:
    return random_walk(5, YEARS, STOCKS).rename_axis("date")


def tree(**changes: Any) -> dict[str, Any]:
    leaf = {"dataset": "stocks", "lookback": 20, "schedule": "weekly"}
    sleeves = {
        "a": {**leaf, "universe": ["AA", "BB"], "optimizer": "inverse_volatility"},
        "b": {**leaf, "universe": ["CC", "DD", "EE"], "optimizer": {"name": "min_variance", "max_weight": 0.6}},
    }
    settings = {"lookback": 30, "schedule": {"every": 5}, "optimizer": "inverse_volatility", "sleeves": sleeves}
    return {"name": "book", **settings, **changes}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a lakehouse with one run in it, to be copied, and the run."""
    lake = tmp_path_factory.mktemp("explained") / "lake"
    lakehouse.ingest(lake, "stocks", prices())
    return lake, metabt.backtest(tree(), lake).run_id


@pytest.fixture
def lake(first: tuple[Path, str], tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(first[0], tmp_path / "lake"))


@contextmanager
def reading(lake: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with lakehouse.attach(lake, read_only=True) as connection:
        yield connection


def explained(lake: Path, run_id: str) -> Explanation:
    with reading(lake) as connection:
        return explain(connection, run_id)


def causes(found: Explanation) -> dict[str, list[tuple[str, str]]]:
    return {sleeve.path: [(cause.kind, cause.text) for cause in sleeve.causes] for sleeve in found.sleeves}


def test_a_first_run_is_computed_for_the_first_time(first: tuple[Path, str]) -> None:
    found = explained(*first)
    assert found.reference is None and found.found_blocks == 0
    assert set(causes(found)) == {"book", "book/a", "book/b"}
    assert {sleeve.computed for sleeve in found.sleeves} == {("2019", "2020", "2021", "2022")}
    assert {cause for of in causes(found).values() for cause in of} == {("first", "computed for the first time")}


def test_a_corrected_price_names_its_symbol_and_year_and_nothing_else(lake: Path, first: tuple[Path, str]) -> None:
    corrected = prices().loc["2020-05-05":"2020-05-05", ["CC"]] * 1.01
    lakehouse.ingest(lake, "stocks", corrected)
    found = explained(lake, metabt.backtest(tree(), lake).run_id)
    assert found.reference is not None and found.reference.run_id == first[1]
    assert causes(found) == {
        "book": [("child", "changed beneath it: b")],
        "book/b": [("prices", "stocks: CC close 2020 (1 observation corrected: 2020-05-05)")],
    }
    by_path = {sleeve.path: sleeve.computed for sleeve in found.sleeves}
    assert "2019" not in by_path["book/b"] and by_path["book/b"][0] == "2020"
    assert found.found_sleeves == 1  # book/a, which does not hold it


def test_an_append_names_the_new_sessions(lake: Path) -> None:
    more = random_walk(5, pd.bdate_range("2022-07-01", periods=3, name="date"), STOCKS)
    lakehouse.ingest(lake, "stocks", more)
    found = explained(lake, metabt.backtest(tree(), lake).run_id)
    appended = ("prices", "stocks: 3 sessions appended: 2022-07-01 to 2022-07-05 (partition 2022)")
    assert causes(found) == {
        "book": [("child", "changed beneath it: a, b")],
        "book/a": [appended],
        "book/b": [appended],
    }
    assert {sleeve.computed for sleeve in found.sleeves} == {("2022",)}


def test_a_vendor_who_re_adjusts_all_history_is_found_out(lake: Path) -> None:
    lakehouse.ingest(lake, "stocks", prices() * 0.97)
    found = explained(lake, metabt.backtest(tree(), lake).run_id)
    for path in ("book/a", "book/b"):
        ((kind, text),) = causes(found)[path]
        assert kind == "prices" and "symbols close from 2019 on" in text
        assert "the vendor has re-adjusted all history" in text


def test_one_re_adjusted_symbol_is_named(lake: Path) -> None:
    lakehouse.ingest(lake, "stocks", prices()[["AA"]] * 0.97)
    found = explained(lake, metabt.backtest(tree(), lake).run_id)
    assert set(causes(found)) == {"book", "book/a"}
    ((_, text),) = causes(found)["book/a"]
    assert text.startswith("stocks: AA close from 2019 on") and "re-adjusted" in text


def test_a_changed_setting_is_named_by_its_key(lake: Path) -> None:
    changed = tree()
    changed["sleeves"]["b"]["optimizer"]["max_weight"] = 0.5
    found = explained(lake, metabt.backtest(changed, lake).run_id)
    assert causes(found) == {
        "book": [("child", "changed beneath it: b")],
        "book/b": [("configuration", "optimizer.max_weight: 0.6 -> 0.5")],
    }
    assert found.found_blocks == 4


def test_a_step_that_is_stated_anew_is_named_with_what_it_says(lake: Path) -> None:
    restate(lake, "stocks", panel="capped")
    run = metabt.backtest(tree(), lake)
    found = causes(explained(lake, run.run_id))
    change = ("configuration", "panel.stocks: (nothing) -> capped, before: 0, over: asset")
    assert found["book/a"] == [change] == found["book/b"]
    restate(lake, "stocks", panel={"name": "capped", "limit": 0.5})
    again = metabt.backtest(tree(), lake)
    change = (
        "configuration",
        "panel.stocks: capped, before: 0, over: asset -> capped, before: 0, limit: 0.5, over: asset",
    )
    assert causes(explained(lake, again.run_id))["book/a"] == [change]
    with metabt.connect(lake) as con:
        (versions, config) = con.sql(f"select versions, config from runs where run_id = '{run.run_id}'").fetchall()[0]
    assert set(json.loads(versions)["steps"]) == {"stepping", "stepping (files)"}
    assert json.loads(config)["steps"] == {"stocks": ["capped, before: 0, over: asset"]}
    made_again = reproduce(lake, run.run_id)  # with the steps that its snapshot states
    assert made_again.differs is None and not made_again.inputs


def test_going_back_computes_nothing_and_a_sleeve_is_compared_with_the_run_that_had_it(lake: Path) -> None:
    metabt.backtest(tree(lookback=40), lake)
    lakehouse.ingest(lake, "stocks", prices().loc["2021-03-03":"2021-03-03", ["AA"]] * 1.01)
    found = explained(lake, metabt.backtest(tree(), lake).run_id)
    assert causes(found)["book"] == [("child", "changed beneath it: a")]  # not the lookback: the first run had it
    renamed = explained(lake, metabt.backtest(tree(name="other"), lake).run_id)
    assert renamed.sleeves == () and renamed.found_blocks == 12
    assert renamed.reference is not None and renamed.reference.portfolio == "book"
    assert "nothing was computed: every block of 3 sleeves was found" in explanation_text(renamed)


def test_a_new_sleeve_is_new_and_its_parent_has_it_beneath(lake: Path) -> None:
    grown = tree()
    grown["sleeves"]["c"] = {**grown["sleeves"]["a"], "universe": ["AA", "EE"]}
    found = explained(lake, metabt.backtest(grown, lake).run_id)
    assert causes(found) == {
        "book": [("child", "new beneath it: c")],
        "book/c": [("first", "computed for the first time")],
    }


def test_blocks_that_were_pruned_are_told_apart_from_inputs_that_changed(lake: Path) -> None:
    import shutil

    shutil.rmtree(lake / ".cache")
    found = explained(lake, metabt.backtest(tree(name="other"), lake).run_id)
    assert len(found.sleeves) == 3
    for ((kind, text),) in causes(found).values():
        assert kind == "unknown" and "nothing that it reads differs" in text and "pruned" in text


def rewrite(lake: Path, run_id: str, column: str, change: Any) -> None:
    """Let a stored run have been made with something else."""
    with lakehouse.attach(lake) as connection:
        (text,) = connection.execute(f"SELECT {column} FROM runs WHERE run_id = ?", [run_id]).fetchall()[0]
        value = json.loads(text)
        change(value)
        connection.execute(f"UPDATE runs SET {column} = ? WHERE run_id = ?", [json.dumps(value), run_id])
        reseal(connection)


def other_versions(versions: dict[str, Any]) -> None:
    versions["modules"]["metabt.walk.leaf"] = versions["modules"]["metabt.analysis.run_tables"] = "0"
    versions["libraries"]["numpy"] = "1.0"
    versions["platform"]["machine"] = "abacus"


def test_a_changed_module_a_library_and_a_platform_are_named(lake: Path, first: tuple[Path, str]) -> None:
    rewrite(lake, first[1], "versions", other_versions)
    second = metabt.backtest(tree(lookback=35), lake).run_id
    everywhere = {(cause.kind, cause.text.split(":")[0]) for cause in explained(lake, second).everywhere}
    # assembly names a run, but no block
    assert everywhere == {("code", "metabt.walk.leaf differs"), ("library", "numpy"), ("platform", "machine")}
    with reading(lake) as connection:
        found = compare(connection, first[1], second)
    assert {(cause.kind, cause.text.split(":")[0]) for cause in found.differences} == {
        *everywhere,
        ("code", "metabt.analysis.run_tables differs"),
        ("configuration", "portfolio.lookback"),
    }


def test_two_runs_differ_by_what_was_changed_between_them_and_by_its_effect(
    lake: Path, first: tuple[Path, str]
) -> None:
    lakehouse.ingest(lake, "stocks", prices().loc["2020-05-05":"2020-05-05", ["CC"]] * 1.01)
    changed = tree()
    changed["sleeves"]["a"]["universe"] = ["AA", "EE"]
    changed["sleeves"]["c"] = changed["sleeves"].pop("b")
    second = metabt.backtest(changed, lake)
    with reading(lake) as connection:
        found = compare(connection, first[1], second.run_id)
        same = compare(connection, first[1], first[1])
    assert [(cause.kind, cause.text) for cause in found.differences] == [
        ("configuration", "portfolio.sleeves.b: is called c now"),
        ("configuration", "portfolio.sleeves.a.universe: -BB +EE"),
        ("prices", "stocks: CC close 2020 (1 observation corrected: 2020-05-05)"),
    ]
    one, other = metabt.load(lake, first[1]).returns()["net"], second.returns()["net"]
    together = pd.concat([one, other], axis=1).dropna()
    parted = together.index[together.iloc[:, 0] != together.iloc[:, 1]][0]
    assert found.parted == str(parted.date())
    assert found.metrics["sharpe"][0] != found.metrics["sharpe"][1]
    assert f"net returns differ from {found.parted} on" in comparison_text(found)
    assert same.differences == () and "the same run" in comparison_text(same) and comparison_rows(same) == []


def test_a_view_that_ends_earlier_is_the_same_as_long_as_it_goes(lake: Path, first: tuple[Path, str]) -> None:
    second = metabt.backtest(tree(), lake, end="2021-12-31").run_id
    with reading(lake) as connection:
        text = comparison_text(compare(connection, first[1], second))
    assert "configuration: end: null -> 2021-12-31" in text
    assert "net returns are the same as long as both have them" in text and "2021-12-31" in text


def dated(first: str, *net: float) -> tuple[np.ndarray, np.ndarray]:
    return np.datetime64(first) + np.arange(len(net)), np.array(net)


def test_streams_differ_from_where_both_have_begun() -> None:
    one = dated("2020-01-01", 0.1, 0.2, 0.3, 0.4)
    assert first_session_apart(one, one) is None
    assert first_session_apart(one, dated("2020-01-02", 0.2, 0.3)) is None, (
        "other beginnings and ends are no difference"
    )
    assert first_session_apart(one, dated("2020-01-02", 0.2, np.nextafter(0.3, 1))) == "2020-01-03"
    without = tuple(column[[0, 1, 3]] for column in one)
    assert first_session_apart(one, without) == first_session_apart(without, one) == "2020-01-03"
    assert first_session_apart(one, dated("2021-01-01", 0.1)) is None


def test_a_comparison_says_which_sessions_its_metrics_are_of(lake: Path, first: tuple[Path, str]) -> None:
    def text(one: str, other: str) -> str:
        with reading(lake) as connection:
            return comparison_text(compare(connection, one, other))

    begun = metabt.load(lake, first[1]).returns().index
    early = metabt.backtest(tree(), lake, end=str(begun[0].date()))
    late = metabt.backtest(tree(), lake, start="2021-01-04")
    spans = [f"{frame.index[0].date()} to {frame.index[-1].date()}" for frame in (early.returns(), late.returns())]
    apart = text(early.run_id, late.run_id)
    assert f"each over its own sessions: {spans[0]} -> {spans[1]}" in apart
    assert "there is no session in which both have one" in apart
    assert "sharpe: none -> " in apart and "nan" not in apart  # of one session there is no Sharpe ratio
    later = text(first[1], late.run_id)
    assert f"net returns differ from {late.returns().index[0].date()} on" in later
    assert "each over" not in text(first[1], metabt.backtest(tree(lookback=35), lake, end=None).run_id)


def test_a_summary_is_explained_by_what_differs(lake: Path, first: tuple[Path, str]) -> None:
    from metabt.runs.sweep import run_sweep

    setting = {"engine": "auto", "start": None, "end": None, "is_meta_backtest": None}
    job = Job(("portfolio.lookback=35",), {**setting, "portfolio": tree(lookback=35), "lakehouse": str(lake)}, None)
    (swept,) = run_sweep([job], str(lake)).runs
    found = explained(lake, swept.run_id)
    assert found.sleeves == ()
    assert [(cause.kind, cause.text) for cause in found.everywhere] == [
        ("configuration", "portfolio.lookback: 30 -> 35")
    ]
    assert "a summary is kept" in explanation_text(found)


def test_where_a_snapshot_is_gone_it_is_said_that_prices_cannot_be_compared(
    lake: Path, first: tuple[Path, str]
) -> None:
    with lakehouse.attach(lake) as connection:
        connection.execute("UPDATE runs SET snapshot = 777")
        reseal(connection)
    same = metabt.backtest(tree(lookback=35), lake).run_id
    assert causes(explained(lake, same)) == {"book": [("configuration", "lookback: 30 -> 35")]}
    lakehouse.ingest(lake, "stocks", prices().loc["2020-05-05":"2020-05-05", ["CC"]] * 1.01)
    with lakehouse.attach(lake) as connection:
        connection.execute("UPDATE runs SET snapshot = 777")
        reseal(connection)
    second = metabt.backtest(tree(), lake).run_id
    ((kind, text),) = causes(explained(lake, second))["book/b"]
    assert kind == "prices" and "cannot be told" in text and "777" in text
    with reading(lake) as connection:
        (found,) = compare(connection, first[1], second).differences
    assert found.kind == "prices" and "cannot be told where" in found.text


def test_rows_say_what_the_text_says(lake: Path) -> None:
    lakehouse.ingest(lake, "stocks", prices().loc["2020-05-05":"2020-05-05", ["CC"]] * 1.01)
    found = explained(lake, metabt.backtest(tree(), lake).run_id)
    text = explanation_text(found)
    for path, partitions, computed, blocks, kind, detail in explanation_rows(found):
        assert f"{path}  {partitions} ({computed} of {blocks} blocks)" in text or computed == blocks
        assert f"  {kind}: {detail}" in text


def test_a_run_that_is_not_there_or_failed_is_refused(lake: Path, first: tuple[Path, str]) -> None:
    with pytest.raises(StoreError, match="no run 'nope'"):
        explained(lake, "nope")
    with lakehouse.attach(lake) as connection:
        connection.execute("UPDATE runs SET status = 'failed', error = 'ruined'")
        reseal(connection)
    with pytest.raises(StoreError, match=r"failed \(ruined\)"):
        explained(lake, first[1])


def test_neighbouring_partitions_are_joined() -> None:
    assert spans(["2005", "2006", "2007", "2012"]) == "2005-2007, 2012"
    assert spans(["2005", "2007"], ["2005", "2007", "2008"]) == "2005-2007"
    assert spans([]) == ""
