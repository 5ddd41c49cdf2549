"""Which engine is taken, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import metabt
from metabt import lakehouse
from metabt.engines import choice
from metabt.engines.choice import Auto, Cluster, executor_of
from metabt.engines.local import Local
from metabt.errors import ConfigError
from tests.shared.executors import LEAF, engine, years


@pytest.mark.parametrize(
    ("engine_name", "cluster", "says"),
    [
        ("lokal", {}, "did you mean 'local'"),
        ("ray", {"adress": "auto"}, "cluster has no setting 'adress'; did you mean 'address'"),
        ("ray", {"workers": "two"}, "cluster.workers is 'two', wanted int"),
        ("auto", {"workers": True}, "cluster.workers is True, wanted int"),
        ("auto", {"workers": 0}, "cluster.workers is 0, wanted at least 1"),
        ("local", {"dashboard": 1}, "cluster.dashboard is 1, wanted bool"),
    ],
)
def test_what_cannot_be_meant_is_refused(engine_name: str, cluster: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        executor_of(engine_name, cluster)


def test_names_and_executors_are_taken() -> None:
    assert executor_of("local").name == "local" and executor_of("ray", {"workers": 3}).name == "ray"
    local = Local()
    assert executor_of(local) is local
    assert executor_of("ray", {"workers": 3, "address": None}) == metabt.Ray(workers=3)
    assert executor_of("local", local={"threads": 3}) == metabt.Local(threads=3)
    assert executor_of("local", local={"threads": None}) == executor_of("local") == metabt.Local()


def chosen(monkeypatch: pytest.MonkeyPatch, seconds: float, threads: int | None = 1, **cluster: Any) -> tuple[str, str]:
    """Return which engine `auto` takes for so much work, and what it says."""
    monkeypatch.setattr(choice, "seconds_missing", lambda plan, known: seconds)
    monkeypatch.setattr(Cluster, "executor", lambda self: Named())
    told: list[str] = []
    auto = Auto(Cluster(**cluster), told.append, Local(threads))
    engine([LEAF], executor=auto).run()
    return auto.name, told[0]


class Named(Local):
    name = "ray"


def test_auto_takes_ray_when_it_saves_more_than_it_takes_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert chosen(monkeypatch, 5.0, workers=2) == (
        "local",
        "engine local: at most 5.0 s of work, Ray takes 12 s to start",
    )
    assert chosen(monkeypatch, 60.0, workers=2) == (
        "ray",
        "engine ray: about 60 s of work, 2 processes save 30 s over 1 thread, Ray takes 12 s to start",
    )
    assert chosen(monkeypatch, 20.0, workers=2)[0] == "local"
    assert chosen(monkeypatch, 20.0, workers=8)[0] == "ray"


def test_threads_of_this_process_are_counted_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """They share all of a walk but PYTHON of it: what Ray saves is what it saves over them."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    work = 1.01 * choice.START / (choice.PYTHON + (1 - choice.PYTHON) / 8 - 1 / 8)
    assert chosen(monkeypatch, work, threads=8, workers=8)[0] == "ray"
    assert chosen(monkeypatch, 0.98 * work, threads=8, workers=8)[0] == "local"


@pytest.mark.parametrize(
    ("local", "says"),
    [
        ({"thread": 2}, "local has no setting 'thread'; did you mean 'threads'"),
        ({"threads": 0}, "local.threads is 0, wanted at least 1, or null for one per processor"),
        ({"threads": "two"}, "local.threads is 'two', wanted int"),
        ({"threads": True}, "local.threads is True, wanted int"),
    ],
)
def test_threads_that_cannot_be_meant_are_refused(local: dict[str, Any], says: str) -> None:
    for engine_name in choice.ENGINES:
        with pytest.raises(ConfigError, match=says):
            executor_of(engine_name, None, None, local)
    with pytest.raises(ConfigError, match="threads"):
        metabt.Local(threads=0)


@pytest.mark.parametrize(("usable", "taken"), [(1, "local"), (64, "ray")])
def test_auto_counts_the_processors_that_this_process_may_use(
    usable: int, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those of the machine, of which a container may have a few."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(choice, "usable_cpus", lambda: usable)
    monkeypatch.setattr("os.cpu_count", lambda: 65 - usable)
    assert chosen(monkeypatch, 40.0)[0] == taken


def test_auto_takes_the_cluster_that_a_job_runs_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert chosen(monkeypatch, 1.0) == ("ray", "engine ray: about 1 s of work for the cluster")
    assert chosen(monkeypatch, 0.0) == ("local", "engine local: every block is known")


def test_a_run_records_the_engine_that_auto_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    lakehouse.ingest(tmp_path / "lake", "stocks", years(3)["stocks"])
    metabt.backtest(LEAF, str(tmp_path / "lake"))
    with metabt.connect(tmp_path / "lake") as connection:
        assert connection.execute("SELECT engine FROM runs").fetchall() == [("local",)]
