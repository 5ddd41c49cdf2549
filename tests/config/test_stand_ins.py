"""A portfolio whose file goes past Hydra is composed as if its values had gone through it, merged with all else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from metabt.config import compose
from metabt.config.composition import draft, finish
from metabt.config.files import conf_dirs
from metabt.config.overrides import split
from metabt.config.search import load, load_briefly
from metabt.config.stand_ins import MARK, can_stand_in, filled_in, stand_in, stand_well
from metabt.errors import ConfigError
from tests.shared.laws import DRAWS

LEAVES = {"sleeve/energy": {"universe": ["XOM", "CVX"], "lookback": 63}}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, values: object) -> Path:
    file = Path("conf", f"{name}.yaml").resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(values if isinstance(values, str) else yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return file


def through_hydra(overrides: list[str]) -> dict[str, Any]:
    """Return what `compose` does where every value goes through Hydra."""
    dirs = conf_dirs()
    for_hydra, edits = split(overrides, dirs)
    return finish(draft(load(dirs, for_hydra)), edits)


def past_hydra(overrides: list[str]) -> bool:
    composed = load_briefly(conf_dirs(), split(overrides, conf_dirs())[0])
    return any(str(key).startswith(MARK) for key in composed.portfolio)


def valued(rng: np.random.Generator, depth: int) -> Any:
    """Return a value of a setting, some of which mean something to Hydra or to OmegaConf."""
    plain = (1, 2.5, True, None, "erc", "${lookback}", "a-${portfolio.lookback}", "x\\${y}", "é", "", "5", [], {})
    if depth == 0 or rng.random() < 0.4:
        return plain[rng.integers(len(plain))]
    if rng.random() < 0.4:
        return [valued(rng, depth - 1) for _ in range(rng.integers(3))]
    keys = rng.choice(["a", "b.c", "sleeves", "defaults", "name", "7", "lookback"], rng.integers(4), replace=False)
    return {str(key): valued(rng, depth - 1) for key in keys}


def answer(made: Any, overrides: list[str]) -> Any:
    try:
        return made(overrides)
    except ConfigError as error:
        return str(error)


@given(seed=DRAWS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_goes_past_hydra_is_what_goes_through_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    write("portfolio/mine", {"lookback": 63, "optimizer": "erc", **{f"k{i}": valued(rng, 3) for i in range(3)}})
    overrides = ["portfolio=mine", *(["portfolio.optimizer.max_weight=0.5"] if rng.random() < 0.3 else [])]
    assert past_hydra(overrides)
    assert answer(compose, overrides) == answer(through_hydra, overrides)


COMPOSED = {
    "a file that includes nothing": ({"optimizer": "erc", "defaults": {"lookback": 5}}, ["portfolio=mine"]),
    "a sleeve put beside": (
        {"sleeves": {"a": {"lookback": 7}}},
        ["portfolio=mine", "+sleeve@portfolio.sleeves.b=energy"],
    ),
    "a sleeve put into one": ({"sleeves": {"b": {"lag": 3}}}, ["portfolio=mine", "+sleeve@portfolio.sleeves.b=energy"]),
    "includes": ({"defaults": [{"/sleeve@sleeves.b": "energy"}], "optimizer": "erc"}, ["portfolio=mine"]),
    "a portfolio within another": ("defaults: [base, _self_]\nlag: 3\n", ["portfolio=mine"]),
    "nothing but another": ("defaults: [base]\n", ["portfolio=mine"]),
    "two at once": ({"lag": 3}, ["portfolio=[base,mine]"]),
    "a package of its own": ("# @package portfolio.sleeves.x\nlag: 3\n", ["portfolio=mine"]),
    "keys that are numbers": ("weights: {1: 0.5}\nlag: 3\n", ["portfolio=mine"]),
    "empty": ("", ["portfolio=mine"]),
}


@pytest.mark.parametrize("kind", COMPOSED)
def test_what_else_comes_into_the_portfolio_is_merged_with_it(kind: str) -> None:
    values, overrides = COMPOSED[kind]
    for name, leaf in LEAVES.items():
        write(name, leaf)
    write("portfolio/base", {"optimizer": "hrp", "sleeves": {"a": {"lookback": 11, "lag": 1}}})
    write("portfolio/mine", values)
    assert answer(compose, overrides) == answer(through_hydra, overrides)
    found = answer(compose, overrides)
    assert MARK not in str(found)


def test_a_sleeve_put_into_one_of_the_file_has_what_both_state() -> None:
    write("sleeve/energy", LEAVES["sleeve/energy"])
    write("portfolio/mine", {"sleeves": {"b": {"lag": 3}}})
    found = compose(["portfolio=mine", "+sleeve@portfolio.sleeves.b=energy"])["portfolio"]
    assert found == {"name": "mine", "sleeves": {"b": {"lag": 3, "universe": ["XOM", "CVX"], "lookback": 63}}}


def test_edits_change_no_file_that_is_read_again() -> None:
    write("portfolio/mine", {"optimizer": "erc", "sleeves": {"a": {"lookback": 7}}})
    edited = compose(["portfolio=mine", "portfolio.sleeves.a.lookback=9"])["portfolio"]
    again = compose(["portfolio=mine"])["portfolio"]
    assert (edited["sleeves"]["a"]["lookback"], again["sleeves"]["a"]["lookback"]) == (9, 7)


def test_only_a_portfolio_of_text_keys_without_includes_is_stood_in_for() -> None:
    assert can_stand_in("portfolio/mine.yaml", {"defaults": {"lookback": 5}, "sleeves": {"a": {}}})
    assert not can_stand_in("portfolio/mine.yaml", {"defaults": ["base"]})
    assert not can_stand_in("portfolio/mine.yaml", {"sleeves": [{"a": {2: 1}}]})
    assert not can_stand_in("sleeve/mine.yaml", {})
    assert not can_stand_in("portfolio/mine/deep.yaml", {})


def test_a_stand_in_counts_only_as_the_whole_portfolio() -> None:
    file = write("portfolio/mine", {"lag": 3})
    alone = {"portfolio": stand_in(file), "engine": "local"}
    assert stand_well(alone) and filled_in(alone) == {"portfolio": {"lag": 3}, "engine": "local"}
    assert stand_well({"portfolio": {"lag": 3}})
    assert not stand_well({"portfolio": {**stand_in(file), "lag": 4}})
    assert not stand_well({"portfolio": {"sleeves": {"x": stand_in(file)}}})
    assert not stand_well({"portfolio": stand_in(file), "other": [stand_in(file)]})
    assert not stand_well({"portfolio": stand_in(file) | stand_in(file.with_name("other.yaml"))})
