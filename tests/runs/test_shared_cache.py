"""A team's store in configuration: runs and sweeps of two lakehouses, whose identities and rows do not depend on it."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import metabt
from metabt import lakehouse
from metabt.build.cache.shared import cache as shared_module
from metabt.build.cache.shared.signature import KEY
from metabt.build.cache.shared.stated import Share
from metabt.cli.main import main
from metabt.config import compose
from metabt.errors import ConfigError
from metabt.runs.audit import audit
from metabt.runs.stored_notes import told_settings
from metabt.runs.sweep import run_sweep
from tests.shared import panels
from tests.shared.agreement import same
from tests.shared.jobs import book, job

OURS = "ours-" + "k" * 40


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("stocked") / "lake"
    frame = panels.stocks(5, 330, gaps=True, first="2020-09-01")
    lakehouse.ingest(lake, "stocks", frame.rename_axis("date"))
    return lake


@pytest.fixture
def lakes(stocked: Path, tmp_path: Path) -> Callable[[], str]:
    """Return what makes the lakehouse of another user."""
    return lambda: str(shutil.copytree(stocked, tmp_path / secrets.token_hex(4)))


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(shared_module, "_said", set())
    monkeypatch.setenv(KEY, OURS)
    (tmp_path / "team").mkdir()
    return str(tmp_path / "team")


def jobs(cache: Any) -> list[Any]:
    settings = {} if cache is None else {"cache": cache}
    return [job(book(optimizer=name), f"portfolio.optimizer={name}", **settings) for name in ("equal", "erc")]


def test_a_sweep_elsewhere_computes_nothing_and_stores_the_same(lakes: Callable[[], str], team: str) -> None:
    alone = run_sweep(jobs(None), lakes(), keep="all")
    first, second = (run_sweep(jobs({"shared": team, "recheck": 0.0}), lakes(), keep="all") for _ in range(2))
    assert first.computed == alone.computed > 0 and second.computed == 0
    facts = [[(it.run_id, it.status, it.metrics) for it in swept.runs] for swept in (alone, first, second)]
    assert facts[0] == facts[1] == facts[2]


def test_a_run_elsewhere_has_the_same_identity_and_rows(
    lakes: Callable[[], str], team: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (tmp_path / "conf" / "portfolio").mkdir(parents=True)
    (tmp_path / "conf" / "portfolio" / "mine.yaml").write_text(
        "name: mine\nlookback: 40\noptimizer: erc\ndefaults: {lookback: 30, dataset: stocks}\n"
        "sleeves:\n  a: {universe: [AA, BB]}\n  b: {universe: [CC, DD]}\n"
    )
    monkeypatch.chdir(tmp_path)
    results = []
    for recheck in (None, "0", "1"):
        lake = lakes()
        shared = [] if recheck is None else [f"cache.shared={team}", f"cache.recheck={recheck}"]
        assert main(["backtest", "--quiet", "portfolio=mine", *shared, "--lakehouse", lake]) == 0
        with metabt.connect(lake) as con:
            (run_id,) = con.execute("select run_id from runs").fetchone()
            (hits,) = con.execute("select count(*) from stages where cache_hit").fetchone()
        results.append((run_id, metabt.load(lake, run_id), hits))
    # the first who shares computes; the second would find all, but for what it computes again
    assert len({run_id for run_id, _, _ in results}) == 1 and [hits for _, _, hits in results] == [0, 0, 0]
    lake = lakes()
    assert (
        main(["backtest", "--quiet", "portfolio=mine", f"cache.shared={team}", "cache.recheck=0", "--lakehouse", lake])
        == 0
    )
    with metabt.connect(lake) as con:
        assert con.execute("select count(*) from stages where not cache_hit").fetchone() == (0,)
    for other in (*(it for _, it, _ in results[1:]), metabt.load(lake, results[0][0])):
        assert same(dict(results[0][1].tables), dict(other.tables))
    capsys.readouterr()
    # what was taken is among the first that are computed again
    assert audit(lake, 1.0).alarms == ()


def test_where_blocks_come_from_is_none_of_a_runs_settings() -> None:
    assert told_settings(["portfolio=mine", "cache.shared=s3://a/b", "cache.recheck=1", "start=2020-01-01"]) == (
        "start=2020-01-01",
    )


def test_in_python_it_is_a_cache_as_any_other(lakes: Callable[[], str], team: str) -> None:
    for number in range(2):
        lake = lakes()
        with metabt.SharedCache(f"{lake}/.cache", team, 0.0) as cache:
            metabt.backtest(book(), lake, cache=cache)
            assert (cache.counts["taken"] > 0) == (number == 1)


def test_what_cannot_be_meant_is_refused(
    lakes: Callable[[], str], team: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for settings, said in (
        ({"share": team}, "cache has no setting 'share'; did you mean 'shared'"),
        ({"shared": "gs://bucket/x"}, "cache.shared 'gs://bucket/x' is refused"),
        ({"shared": team, "recheck": 2}, "cache.recheck is int 2, wanted a number from 0 to 1"),
        ({"key": OURS}, "cache has no setting 'key'"),
    ):
        with pytest.raises(ConfigError, match=said) as raised:
            Share.stated(settings)
        assert OURS not in str(raised.value)
    with pytest.raises(ConfigError, match=r"a sweep has one cache, its configurations ask for 2"):
        run_sweep([*jobs({"shared": team}), *jobs({"shared": None})], lakes())
    assert Share.stated(None) is None and Share.stated({"shared": None, "recheck": 0.5}) is None
    assert Share.stated({"shared": team, "recheck": None}) == Share(team, 0.01)
    monkeypatch.delenv(KEY)
    lake = lakes()
    assert main(["backtest", "portfolio=demo", f"cache.shared={team}", "--lakehouse", lake]) == 1
    assert KEY in capsys.readouterr().err


def test_configuration_states_that_nothing_is_shared() -> None:
    assert compose(["portfolio=demo"])["cache"] == {"shared": None, "recheck": 0.01}
