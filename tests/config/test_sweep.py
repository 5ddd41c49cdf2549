"""A sweep composes what `compose` gives, hands it over at once, and keeps a mistake to the job that it is in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra

from metabt.config import Job, compose, sweep, sweeps
from metabt.config.files import conf_dirs
from metabt.config.jobs import compose_jobs
from metabt.config.search import load, prepare
from metabt.config.sweeps import RAY_LAUNCHER
from metabt.errors import ConfigError, RunError

COMMON = ["~portfolio.sleeves.factors", "portfolio.sleeves.equities.optimizer.max_weight=0.6"]


@dataclass
class Recorder:
    """A task that remembers what it was called with."""

    alone: list[dict[str, Any]] = field(default_factory=list)
    forests: list[list[Job]] = field(default_factory=list)

    def __call__(self, config: dict[str, Any]) -> None:
        self.alone.append(config)

    def forest(self, jobs: Sequence[Job]) -> list[None]:
        self.forests.append(list(jobs))
        return [None] * len(jobs)


@dataclass
class Scribe(Recorder):
    """A task that writes what it was called with, because it may run in another process."""

    folder: str = ""

    def __call__(self, config: dict[str, Any]) -> None:
        Path(self.folder, f"{config['portfolio']['lookback']}.json").write_text(json.dumps(config))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def compositions(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the overrides of every composition that Hydra makes from here on."""
    seen: list[list[str]] = []
    original = ConfigLoaderImpl.load_configuration

    def counted(self: Any, config_name: Any, overrides: list[str], *args: Any, **kwargs: Any) -> Any:
        seen.append(list(overrides))
        return original(self, config_name, overrides, *args, **kwargs)

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", counted)
    return seen


def swept(*overrides: str, **options: Any) -> list[Job]:
    task = Recorder()
    sweep(task, list(overrides), **options)
    assert not task.alone
    (jobs,) = task.forests
    return jobs


def test_all_jobs_come_at_once_with_what_compose_gives() -> None:
    jobs = swept("portfolio.lookback=20,30", "portfolio.sleeves.hedge.optimizer=erc,equal", *COMMON)
    wanted = [
        (f"portfolio.lookback={lookback}", f"portfolio.sleeves.hedge.optimizer={optimizer}", *COMMON)
        for lookback in (20, 30)
        for optimizer in ("erc", "equal")
    ]
    assert [job.overrides for job in jobs] == wanted
    assert [job.config for job in jobs] == [compose(list(overrides)) for overrides in wanted]
    assert [job.error for job in jobs] == [None] * 4


def test_groups_and_settings_are_swept_too() -> None:
    jobs = swept("start=2000-01-01,2005-01-01", "portfolio=demo,one", "+sleeve@portfolio.sleeves.oil=energy,hedge")
    assert [job.config for job in jobs] == [compose(list(job.overrides)) for job in jobs]
    assert [(job.overrides[0], job.overrides[1]) for job in jobs[::2]] == [
        (f"start={start}", f"portfolio={name}") for start in ("2000-01-01", "2005-01-01") for name in ("demo", "one")
    ]


AWKWARD = [
    "'a, b'",
    "'x=y'",
    r"'it\'s'",
    r'"a \"b\""',
    "'two words'",
    "' padded '",
    "'${portfolio.lookback}'",
    "{name:erc,max_weight:0.3}",
    "[equal,'inverse volatility']",
    "'007'",
    "''",
    "null",
]


def test_commas_quotes_and_spaces_survive() -> None:
    constant = [f"portfolio.note{number}={value}" for number, value in enumerate(AWKWARD)]
    first, second = swept(*constant, "portfolio.lookback=20,30")
    assert first.config == compose([*constant, "portfolio.lookback=20"]) == compose(list(first.overrides))
    assert second.config == compose([*constant, "portfolio.lookback=30"])
    assert first.config["portfolio"]["note0"] == "a, b"
    assert first.config["portfolio"]["note6"] == 20


def test_awkward_values_can_be_swept() -> None:
    jobs = swept(f"portfolio.note={','.join(AWKWARD)}")
    wanted = [compose([f"portfolio.note={value}"]) for value in AWKWARD]
    assert [job.config for job in jobs] == wanted
    assert len({repr(config) for config in wanted}) == len(AWKWARD)


def test_a_glob_sweeps_the_members_of_a_group() -> None:
    for launcher in ("metabt", "basic"):
        task = Recorder()
        sweep(task, ["portfolio=glob(*e*,exclude=[th*,market])", f"hydra/launcher={launcher}"])
        configs = task.alone or [job.config for job in task.forests[0]]
        assert [config["portfolio"]["name"] for config in configs if config] == ["demo", "one"]


def test_jobs_that_differ_in_edits_only_share_one_composition(compositions: list[list[str]]) -> None:
    assert len(swept("portfolio=one", "portfolio.lookback=range(20,520)")) == 500
    few = len(compositions)
    assert few <= 3  # of the sweep as a whole, twice, and of its jobs, once
    del compositions[:]
    swept("portfolio=one,demo", "start=null,2000-01-01", "portfolio.lookback=range(20,70)")
    assert len(compositions) == few + 3


def test_jobs_that_share_a_composition_share_no_value() -> None:
    first, second = swept("portfolio=demo", "portfolio.sleeves.hedge.lookback=20,30")
    assert first.config and second.config
    first.config["portfolio"]["sleeves"]["factors"]["planted"] = 1
    assert second.config["portfolio"] == compose(["portfolio.sleeves.hedge.lookback=30"])["portfolio"]


def test_a_job_that_cannot_be_composed_does_not_stop_the_others(compositions: list[list[str]]) -> None:
    jobs = swept("portfolio=one,dmo,demo", "portfolio.sleeves.hedge.lookback=range(20,40)")
    errors = [job.error for job in jobs]
    assert [job.config is None for job in jobs] == [error is not None for error in errors]
    assert sum(error is None for error in errors) == 20
    assert all("did you mean 'demo'" in str(error) for error in errors[20:40])
    assert all("no sleeve 'hedge'" in str(error) or "has no" in str(error) for error in errors[:20])
    assert len(compositions) == 5  # what cannot be composed is tried once, too


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["portfolio=dmo", "portfolio.lookback=20,30"], "no portfolio 'dmo'; did you mean 'demo'"),
        (["portfolio=dmo,on"], "did you mean 'demo'.*nor can any other of the 2 configurations"),
        (["portfolio.sleeves.hege.lookback=20,30"], "did you mean 'hedge'"),
        (["portfolo=demo,one"], "unknown setting 'portfolo'.*did you mean 'portfolio'"),
        (["portfolio.lookback=20,30}{"], "override 'portfolio.lookback=20,30}{'"),
        (["portfolio.lookback=interval(1,2)"], "does not support sweep type"),
        (["portfolio.lookback=20,'${hydra:job.num}'"], "portfolio.lookback asks for .* in each job"),
        (["hydra/launcher=basic", "portfolio.lookback=20,30", "start=${now:%Y}"], "start asks for .* in each job"),
        (["hydra/launcher=nope", "portfolio.lookback=20,30"], "no hydra/launcher 'nope'"),
        (["++hydra.callbacks.x._target_=os.system", "portfolio.lookback=20,30"], "cannot call code"),
        (["hydra.launcher._target_=os.system", "portfolio.lookback=20,30"], "cannot call code"),
    ],
)
def test_a_mistake_in_the_sweep_itself_is_one_error(overrides: list[str], says: str, tmp_path: Path) -> None:
    task = Recorder()
    with pytest.raises(ConfigError, match=says):
        sweep(task, overrides)
    assert not task.forests and not task.alone
    assert not list(tmp_path.iterdir())
    assert not GlobalHydra.instance().is_initialized()


def test_batches_are_handed_over_one_by_one() -> None:
    task = Recorder()
    sweep(task, ["portfolio=one", "portfolio.lookback=20,30,40", "hydra.sweeper.max_batch_size=2"])
    assert [len(jobs) for jobs in task.forests] == [2, 1]


def test_an_error_of_the_task_comes_through() -> None:
    class Ruined(Recorder):
        def forest(self, jobs: Sequence[Job]) -> list[None]:
            raise RunError("ruined")

    with pytest.raises(RunError, match="ruined"):
        sweep(Ruined(), ["portfolio=one", "portfolio.lookback=20,30"])
    assert not GlobalHydra.instance().is_initialized()


def test_another_launcher_runs_each_job_by_itself() -> None:
    overrides = ["portfolio.lookback=20,30", "portfolio=demo", *COMMON]
    task = Recorder()
    sweep(task, [*overrides, "hydra/launcher=basic"])
    assert not task.forests
    assert task.alone == [job.config for job in swept(*overrides)]


def test_hydras_own_sweeper_works_with_either_launcher() -> None:
    for launcher in ("metabt", "basic"):
        task = Recorder()
        sweep(task, ["portfolio.lookback=20,30", "hydra/sweeper=basic", f"hydra/launcher={launcher}"])
        configs = task.alone or [job.config for job in task.forests[0]]
        assert [config["portfolio"]["lookback"] for config in configs if config] == [20, 30]


def test_all_jobs_at_once_whatever_launcher_is_named() -> None:
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    assert [job.overrides for job in swept("portfolio.lookback=20,30", *launcher, at_once=True)] == [
        ("portfolio.lookback=20",),
        ("portfolio.lookback=30",),
    ]


def test_jobs_run_in_processes_of_their_own(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    overrides = ["portfolio.lookback=20,30", "portfolio.name='a, b'", "portfolio=one"]
    sweep(Scribe(folder=str(tmp_path)), [*overrides, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"])
    for job in swept(*overrides):
        assert job.config
        written = tmp_path / f"{job.config['portfolio']['lookback']}.json"
        assert json.loads(written.read_text()) == job.config


@pytest.fixture
def ray_launcher() -> Iterator[None]:
    """Have hydra-ray-launcher state its settings, installed or not."""
    prepare()
    group = ConfigStore.instance().repo["hydra"]["launcher"]
    before = dict(group)
    node = {"_target_": RAY_LAUNCHER, "ray": {"init": {"address": None}, "remote": {}}}
    ConfigStore.instance().store(group="hydra/launcher", name="ray", node=node)
    yield
    group.clear()
    group.update(before)


@pytest.mark.parametrize(
    ("stated", "told"),
    [((), ["null"]), (("+hydra.launcher.ray.init.object_store_memory=100000000",), ["100000000"])],
    ids=["by nobody", "by the user"],
)
def test_a_cluster_that_runs_is_not_told_its_memory(
    ray_launcher: None, monkeypatch: pytest.MonkeyPatch, stated: tuple[str, ...], told: list[str]
) -> None:
    """hydra-ray-launcher would, and Ray would refuse it."""
    handed: list[str] = []
    monkeypatch.setattr(sweeps, "_run_jobs", lambda task, overrides, dirs: handed.extend(overrides))
    sweep(Recorder(), ["portfolio.lookback=20,30", "hydra/launcher=ray", *stated])
    assert [text.partition("object_store_memory=")[2] for text in handed if "object_store_memory" in text] == told
    handed.clear()
    sweep(Recorder(), ["portfolio.lookback=20,30"])
    assert not any("object_store_memory" in text for text in handed)


@pytest.mark.parametrize("choice", ["launcher=joblib", "launcher=ray"])
def test_a_launcher_that_is_not_installed_is_named_with_its_package(
    choice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, _, name = choice.partition("=")
    prepare()
    monkeypatch.delitem(ConfigStore.instance().repo["hydra"][group], f"{name}.yaml", raising=False)
    with pytest.raises(ConfigError, match=f"hydra/{choice} is of .* not installed; pip install hydra-{name}-{group}"):
        sweep(Recorder(), ["portfolio.lookback=20,30", f"hydra/{choice}"])


def test_with_another_launcher_nothing_runs_when_one_job_cannot_be_composed(tmp_path: Path) -> None:
    task = Recorder()
    with pytest.raises(ConfigError, match="did you mean 'demo'"):
        sweep(task, ["portfolio=one,dmo", "hydra/launcher=basic"])
    assert not task.alone
    assert not list(tmp_path.iterdir())


def test_with_another_launcher_a_failing_job_does_not_take_the_others_along(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Ruined(Recorder):
        def __call__(self, config: dict[str, Any]) -> None:
            super().__call__(config)
            if len(self.alone) == 1:
                raise RunError("ruined")

    task = Ruined()
    with pytest.raises(RunError, match="ruined"):
        sweep(task, ["portfolio.lookback=20,30", "hydra/launcher=basic"])
    assert [config["portfolio"]["lookback"] for config in task.alone] == [20, 30]
    assert "portfolio_edits" in capsys.readouterr().err  # Hydra names the overrides of the job that failed


def test_the_launcher_refuses_a_task_of_another_application() -> None:
    from hydra.errors import HydraException

    from hydra_plugins.metabt_launcher import MetabtLauncher

    with pytest.raises(HydraException, match="hydra/launcher=basic"):
        MetabtLauncher().setup(hydra_context=None, task_function=print, config=None)  # type: ignore[arg-type]


def test_jobs_are_composed_without_a_launcher_too() -> None:
    dirs = conf_dirs()
    (job,) = compose_jobs([["portfolio=one", "portfolio.lookback=20"]], lambda texts: load(dirs, texts), dirs)
    assert job.config == compose(["portfolio=one", "portfolio.lookback=20"])
    assert compose_jobs([], lambda texts: load(dirs, texts), dirs) == []


def test_a_sweep_leaves_no_file_and_no_global_state(tmp_path: Path) -> None:
    swept("portfolio=one", "portfolio.lookback=20,30")
    assert not list(tmp_path.iterdir())
    assert not GlobalHydra.instance().is_initialized()


def test_composing_leaves_no_file_and_no_global_state(tmp_path: Path) -> None:
    compose()
    assert not list(tmp_path.iterdir())
    assert not GlobalHydra.instance().is_initialized()
