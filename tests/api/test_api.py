"""What names a run, and what a lakehouse makes of it."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pandas as pd
import pytest

import metabt
from metabt import lakehouse
from metabt.build.sleeve_code import run_code
from metabt.config import Job
from metabt.data.prices import Prices
from metabt.errors import ConfigError, StoreError
from metabt.estimators import registry
from metabt.portfolio.sleeve import Estimator, Leaf, Meta
from metabt.runs.request import CODE
from metabt.runs.sweep import run_sweep
from metabt.values.reached_code import Code
from tests.shared.agreement import same
from tests.shared.panels import stocks
from tests.shared.resealed import reseal
from tests.shared.small_tree import LEAF, tree

CONFIG = {"start": None, "end": None, "engine": "local", "is_meta_backtest": None}


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    lakehouse.ingest(tmp_path / "lake", "stocks", stocks(5).rename_axis("date"))
    return tmp_path / "lake"


def snapshots(lake: Path) -> int:
    with lakehouse.attach(lake, read_only=True) as connection:
        return lakehouse.snapshot(connection)


def test_the_same_run_is_found_and_has_the_same_bytes(lake: Path) -> None:
    first = metabt.backtest(tree(), lake)
    stored = snapshots(lake)
    second = metabt.backtest(tree(), lake)
    assert (first.found, second.found) == (False, True)
    assert first.run_id == second.run_id and snapshots(lake) == stored + 1  # that it was asked for again
    assert same(first.tables, second.tables)
    assert same(first.tables, metabt.load(lake, first.run_id[:8]).tables)


def test_a_run_is_found_where_nothing_can_be_written_and_no_asking_is_kept(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = metabt.backtest(tree(), lake)
    stored = snapshots(lake)

    def refuse(path: object) -> None:
        raise StoreError(f"lakehouse '{path}' cannot be written")

    monkeypatch.setattr("metabt.lakehouse.catalog.attachment.check_folder", refuse)
    again = metabt.backtest(tree(), lake)
    assert again.found and again.run_id == first.run_id and snapshots(lake) == stored
    with pytest.raises(StoreError, match="cannot be written"):
        metabt.backtest(tree(lookback=7), lake)


def test_a_run_that_is_kept_as_a_summary_is_loaded_whole(lake: Path) -> None:
    whole = metabt.backtest(tree(), {"stocks": stocks(5)})
    job = Job(("portfolio.x=1",), {"portfolio": tree(), **CONFIG}, None)
    (member,) = run_sweep([job], str(lake)).runs
    with lakehouse.attach(lake, read_only=True) as connection:
        before = lakehouse.run_row(connection, member.run_id)
        kept = lakehouse.load_run(connection, member.run_id)[1]
    assert before["keep"] == "summary" and len(kept["weights"]["date"]) == 0
    loaded = metabt.load(lake, member.run_id[:9])
    assert same(loaded.tables, whole.tables) and len(loaded.weights) > 0
    with lakehouse.attach(lake, read_only=True) as connection:
        after = lakehouse.run_row(connection, member.run_id)
        assert connection.execute("select count(*) from asked").fetchall() == [(1,)]  # to load is not to ask
    assert {name for name in after if after[name] != before[name]} <= {"keep", "seconds"}
    assert metabt.load(lake, member.run_id).found


def test_a_summary_that_other_code_made_names_the_command_that_runs_it_again(lake: Path) -> None:
    job = Job(("portfolio=small", "portfolio.x=[1, 2]"), {"portfolio": tree(), **CONFIG}, None)
    (member,) = run_sweep([job], str(lake)).runs
    with lakehouse.attach(lake) as connection:
        connection.execute("update runs set run_id = 'f00d', versions = '{}'")
        reseal(connection)
    with pytest.raises(StoreError, match=r"`metabt backtest portfolio=small 'portfolio.x=\[1, 2\]'`"):
        metabt.load(lake, "f00d")


def test_daily_is_every_session_under_the_same_key(lake: Path) -> None:
    """Misspelt, it is named."""
    daily, every = (metabt.backtest(tree(schedule=rule), lake) for rule in ("daily", {"every": 1}))
    assert daily.run_id == every.run_id and every.found
    with pytest.raises(ConfigError, match="schedule: unknown period 'dayly'; did you mean 'daily'"):
        metabt.backtest(tree(schedule="dayly"), lake)


def test_a_frame_and_a_lakehouse_give_one_answer_under_one_name(lake: Path) -> None:
    in_memory = metabt.backtest(tree(), {"stocks": stocks(5)})
    assert in_memory.run_id == metabt.backtest(tree(), lake).run_id
    assert same(in_memory.tables, metabt.load(lake).tables)


def test_prices_in_memory_are_digested_when_the_run_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(prices: Prices) -> NoReturn:
        raise AssertionError("digested")

    stored = metabt.backtest(tree(), {"stocks": stocks(5)}).run_id
    with monkeypatch.context() as patched:
        patched.setattr(Prices, "digests", refuse)
        result = metabt.backtest(tree(), {"stocks": stocks(5)})
        assert len(result.weights) > 0
        with pytest.raises(AssertionError, match="digested"):
            metabt.backtest(tree(), {"stocks": stocks(5)}).run_id  # noqa: B018
    assert result.run_id == stored and stored[:12] in repr(result)


def test_a_result_asks_once_for_what_names_it() -> None:
    asked: list[str] = []
    result = metabt.Result(lambda: asked.append("asked") or "3f2a", {})
    assert not asked and (result.run_id, result.run_id) == ("3f2a", "3f2a")
    assert asked == ["asked"]
    with pytest.raises(FrozenInstanceError):
        result.run_id = "other"  # type: ignore[misc]


def test_a_plug_in_that_nothing_identifies_is_refused_before_prices_in_memory_are_walked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(spec: object) -> dict[str, str]:
        raise ConfigError("its module 'gone' is not found")

    monkeypatch.setattr("metabt.runs.request.plugin_versions", refuse)
    monkeypatch.setattr("metabt.engines.backtest_engine.BacktestEngine.run", lambda *_: pytest.fail("walked"))
    with pytest.raises(ConfigError, match="its module 'gone' is not found"):
        metabt.backtest(tree(), {"stocks": stocks(5)})


def test_a_table_has_rows_of_a_sleeve_or_of_the_benchmark_alone() -> None:
    result = metabt.backtest(tree(), {"stocks": stocks(5)}, benchmark="EE")
    whole = result.frame("returns")
    paths = [*result.paths, "benchmark:EE"]
    assert sum(len(result.frame("returns", path)) for path in paths) == len(whole) > 0
    for path in paths:
        own = result.frame("returns", path)
        assert own["net"].tolist() == whole.loc[whole["path"] == path, "net"].tolist() == [*result.returns(path)["net"]]
        assert "path" not in own and own.index.tolist() == list(range(len(own)))
    with pytest.raises(ConfigError, match="has no sleeve 'benchmark:EE'"):
        result.decisions("benchmark:EE")
    with pytest.raises(ConfigError, match="has no sleeve 'nobody'"):
        result.returns("nobody")
    with pytest.raises(ConfigError, match="table 'weights' is of the whole portfolio.*leave path out"):
        result.frame("weights", result.name)
    with pytest.raises(ConfigError, match="has no table 'return'; did you mean 'returns'"):
        result.frame("return")


def test_what_a_run_depends_on_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = stocks(5)
    names = {
        "as it is": metabt.backtest(tree(), {"stocks": prices}).run_id,
        "name": metabt.backtest(tree(name="other"), {"stocks": prices}).run_id,
        "setting": metabt.backtest(tree(lag=2), {"stocks": prices}).run_id,
        "end": metabt.backtest(tree(), {"stocks": prices}, end="2021-06-01").run_id,
        "flat": metabt.backtest(tree(), {"stocks": prices}, is_meta_backtest=False).run_id,
    }
    corrected = prices.copy()
    corrected.iloc[70, 0] *= 1.001
    names["price"] = metabt.backtest(tree(), {"stocks": corrected}).run_id
    unrelated = prices.copy()
    unrelated["EE"] *= 2
    assert metabt.backtest(tree(), {"stocks": unrelated}).run_id == names["as it is"]
    monkeypatch.setattr("metabt.runs.request.run_code", lambda *of: Code("other code", {}, {}))
    names["code"] = metabt.backtest(tree(), {"stocks": prices}).run_id
    assert len(set(names.values())) == len(names)


def test_a_run_is_named_by_all_the_code_that_it_runs() -> None:
    leaf = Leaf(dataset="d", universe=("A",), optimizer=Estimator("erc"), selector=Estimator("log_mps"))
    modules = run_code(CODE, [leaf, Meta(children=(leaf,), optimizer=Estimator("hrp"))]).modules
    walked = {"metabt.walk.walk_forward", "metabt.walk.leaf", "metabt.walk.meta.meta_sleeve", "metabt.walk.holdings"}
    assembled = {"metabt.build.flat_baseline", "metabt.analysis.run_tables", "metabt.analysis.metrics.performance"}
    estimators = {"metabt.estimators.optimizers.erc", "metabt.estimators.optimizers.hrp"}
    assert walked | assembled | estimators | {"metabt.estimators.selectors.log_mps"} <= modules.keys()
    assert "metabt.estimators.optimizers.min_cvar" not in modules
    assert not {name for name in modules if name.startswith(("metabt.cli", "metabt.report", "metabt.config"))}


def test_the_version_of_a_plug_in_names_a_run_that_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skfolio")
    settings = {
        "name": "x",
        **LEAF,
        "schedule": {"every": 50},
        "universe": "all",
        "optimizer": "skfolio.InverseVolatility",
    }

    def named() -> tuple[str, str]:
        prices = {"stocks": stocks(5)}
        return metabt.backtest(settings, prices).run_id, metabt.backtest(
            {**settings, "optimizer": "equal"}, prices
        ).run_id

    before = named()
    found = registry.metadata_of

    def newer_solver(package: str) -> SimpleNamespace:
        real = found(package)
        other = "0.0.0" if package == "clarabel" else real.version
        return SimpleNamespace(name=real.name, version=other, requires=real.requires)

    monkeypatch.setattr(registry, "metadata_of", newer_solver)
    registry.requirements.cache_clear()
    after = named()
    registry.requirements.cache_clear()
    assert before[0] != after[0] and before[1] == after[1]


def test_of_a_run_that_fails_nothing_is_stored_but_that_it_was_tried(lake: Path) -> None:
    stored = snapshots(lake)
    with pytest.raises(metabt.MetabtError, match="nothing was traded"):
        metabt.backtest(tree(), lake, end="2021-01-20")
    with metabt.connect(lake) as connection:
        for table in ("runs", "asked", "trial_returns"):
            assert connection.execute(f"select count(*) from {table}").fetchall() == [(0,)]
        ((status, error),) = connection.execute("select status, error from trials").fetchall()
    assert status == "failed" and "nothing was traded" in error
    assert snapshots(lake) == stored + 1


def test_appended_data_are_another_run_that_agrees_with_the_first(lake: Path) -> None:
    first = metabt.backtest(tree(), lake)
    more = stocks(5, sessions=140).iloc[130:]
    lakehouse.ingest(lake, "stocks", more.rename_axis("date"))
    second = metabt.backtest(tree(), lake)
    fresh = metabt.backtest(tree(), {"stocks": pd.concat([stocks(5), more])})
    assert second.run_id == fresh.run_id != first.run_id and not second.found
    assert same(second.tables, fresh.tables)
    assert second.returns().loc[: first.returns().index[-1]].equals(first.returns())
