"""A command line states a search: Hydra's grammar of sweeps is its space, and each point is a grid's job."""

from __future__ import annotations

from pathlib import Path

import pytest

from metabt.config import Searching, compose, read_search
from metabt.errors import ConfigError
from metabt.search.settings import Settings
from metabt.search.space import Choice, Interval, Steps

SEARCH = ["sweep.sampler=random", "sweep.objective=sharpe"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(*overrides: str) -> Searching:
    found = read_search([*overrides, *SEARCH])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("value", "dimension"),
    [
        ("erc,hrp", Choice(("erc", "hrp"))),
        ("choice(erc,hrp,erc)", Choice(("erc", "hrp"))),
        ("shuffle(3,1,2)", Choice(("3", "1", "2"))),
        ("sort(3,1,2)", Choice(("1", "2", "3"))),
        ("range(21,85,21)", Steps(("21", "42", "63", "84"))),
        ("shuffle(range(1,5))", Steps(("1", "2", "3", "4"))),
        ("range(0,1,0.25)", Steps(("0.0", "0.25", "0.5", "0.75"))),
        ("interval(0.1,0.5)", Interval(0.1, 0.5)),
        ("interval(1,5)", Interval(1.0, 5.0)),
        ("int(interval(1,5))", Interval(1, 5, integer=True)),
        ("tag(log,interval(0.001,1))", Interval(0.001, 1.0, log=True)),
        ("tag(log,int(interval(21,252)))", Interval(21, 252, log=True, integer=True)),
        ("int(tag(log,interval(21,252)))", Interval(21, 252, log=True, integer=True)),
        ("{name:erc,max_weight:0.5},equal", Choice(("{name:erc,max_weight:0.5}", "equal"))),
    ],
)
def test_every_kind_of_sweep_states_what_a_key_may_be(value: str, dimension: object) -> None:
    found = read("portfolio=demo", f"portfolio.lookback={value}").space
    assert dict(found) == {"portfolio.lookback": dimension} and type(found["portfolio.lookback"]) is type(dimension)


def test_groups_and_settings_are_searched_too() -> None:
    found = read("portfolio=glob(o*)", "start=2000-01-01,2005-01-01", "+sleeve@portfolio.sleeves.oil=energy,hedge")
    assert list(found.space) == ["portfolio", "start", "+sleeve@portfolio.sleeves.oil"]
    assert found.space["portfolio"] == Choice(("one",))


def test_a_point_is_composed_as_a_job_of_a_grid() -> None:
    found = read("portfolio=demo", "portfolio.lookback=range(21,85,21)", "~portfolio.sleeves.factors", "start=null")
    (job,) = found.compose([("63",)])
    assert job.overrides == ("portfolio=demo", "portfolio.lookback=63", "~portfolio.sleeves.factors", "start=null")
    assert job.config == compose(list(job.overrides)) and job.error is None


def test_the_last_override_of_a_key_decides() -> None:
    found = read("portfolio.lookback=1,2", "portfolio.lag=0,1", "portfolio.lookback=interval(3,4)")
    assert list(found.space) == ["portfolio.lookback", "portfolio.lag"]
    assert found.space["portfolio.lookback"] == Interval(3.0, 4.0)


def test_a_point_that_cannot_be_composed_fails_alone_and_all_of_them_at_once() -> None:
    found = read("portfolio=one,nope", "portfolio.lag=0,1")
    assert [job.error is None for job in found.compose([("one", "0"), ("nope", "0")])] == [True, False]
    with pytest.raises(ConfigError, match="no portfolio 'nope'"):
        found.compose([("nope", "0")])
    assert found.compose([("nope", "0")], strict=False)[0].error is not None


def test_settings_come_from_the_command_line_and_from_config_yaml(tmp_path: Path) -> None:
    stated = ["sweep.sampler=tpe", "sweep.n=7", "sweep.batch=3", "sweep.seed=9", "sweep.direction=minimize"]
    found = read_search(["portfolio.lag=0,1", "sweep.objective=cagr", *stated])
    assert found and found.settings == Settings("tpe", "cagr", "minimize", 7, 3, 9)
    packaged = (Path(__file__).parents[3] / "conf" / "config.yaml").read_text(encoding="utf-8")
    (tmp_path / "conf").mkdir()
    own = packaged.replace("  sampler: null", "  sampler: sobol").replace("  objective: null", "  objective: calmar")
    (tmp_path / "conf" / "config.yaml").write_text(own, encoding="utf-8")
    found = read_search(["portfolio.lag=0,1", "sweep.n=5"])
    assert found and found.settings == Settings("sobol", "calmar", "maximize", 5, 32, 0)
    assert read_search(["portfolio.lag=0,1", "sweep.sampler=grid"]) is None
    assert "sweep" not in compose(["portfolio=one"])


@pytest.mark.parametrize("overrides", [["portfolio.lag=0,1"], ["portfolio.lag=0,1", "sweep.sampler=grid"]])
def test_without_a_sampler_it_is_a_grid(overrides: list[str]) -> None:
    assert read_search(overrides) is None


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["portfolio.lag=0,1", "sweep.n=5"], "sweep.n is of a search, and a grid has none; add sweep.sampler="),
        (["portfolio.lag=0,1", "sweep.sampler=tpe"], "sweep.sampler=tpe has no objective"),
        (["portfolio.lag=0,1", "sweep.samplr=tpe"], "unknown setting 'sweep.samplr'.*did you mean 'sampler'"),
        (["portfolio.lag=0,1", "sweep.sampler=tpe,sobol"], "a search has one value of it"),
        (["portfolio.lag=0,1", "~sweep.sampler"], "a search has one value of it"),
        (["portfolio.lag=0", *SEARCH], "no free key"),
        ([*SEARCH], "no free key"),
        (["portfolio.lag=range(1,1)", *SEARCH], "'portfolio.lag=range\\(1,1\\)' stands for no value"),
        (["portfolio.lag=range(1,1000000000)", *SEARCH], "the limit is"),
        (["portfolio.lag=interval(2,1)", *SEARCH], "'portfolio.lag=interval\\(2,1\\)': interval.*is empty"),
        (["portfolio.lag=tag(log,interval(0,1))", *SEARCH], "bounds above 0"),
        (["portfolio.lag=tag(odd,interval(0,1))", *SEARCH], "has the tag odd; a search knows one, log"),
        (["portfolio.lag=tag(log,range(1,5))", *SEARCH], "has the tag log; a search knows one, log, of an interval"),
        (["lookback=1,2", *SEARCH], "did you mean 'portfolio.lookback'"),
        (["portfolio.lag=0,1", "hydra/launcher=basic", *SEARCH], "which hydra/launcher=metabt alone does"),
    ],
)
def test_what_cannot_be_searched_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_search(overrides)


def test_one_configuration_is_no_search() -> None:
    with pytest.raises(ConfigError, match="'sweep.n=3' is of a search.*metabt backtest -m sweep.n=3"):
        compose(["sweep.n=3"])


def test_hydras_own_sweeper_is_refused_with_the_command_that_searches() -> None:
    stated = ["portfolio.lag=0,1", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=20", "hydra/sweeper/sampler=random"]
    with pytest.raises(ConfigError) as error:
        read_search([*stated, "hydra.sweeper.sampler.seed=3", "hydra.sweeper.n_jobs=2"])
    typed = "portfolio.lag=0,1 sweep.sampler=random sweep.n=20 sweep.objective=sharpe sweep.seed=3"
    assert str(error.value).endswith(f"type: metabt backtest -m {typed}")
    assert read_search(typed.split()), "what is to be typed is a search"
