"""What may be stated beneath `hydra`, where files may land, and that values travel through Hydra whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from metabt.config.guard import check_landing, check_override
from metabt.config.hydra_settings import check_composed, check_stated
from metabt.config.interpolation import resolve, resolve_at
from metabt.config.overrides import parse
from metabt.config.search import load
from metabt.config.veil import restored, veiled
from metabt.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = [
    "hydra/launcher=basic",
    "hydra/launcher=joblib",
    "hydra.launcher.n_jobs=2",
    "hydra.launcher.timeout=null",
    "hydra.launcher.batch_size=auto",
    "hydra/sweeper=optuna",
    "hydra/sweeper/sampler=tpe",
    "hydra.sweeper.sampler.seed=1",
    "hydra.sweeper.n_trials=20",
    "hydra.sweeper={max_batch_size: 2}",
    "+hydra.launcher.ray.init.num_cpus=2",
    "+hydra.launcher.ray.init.object_store_memory=null",
    "sleeve@portfolio.sleeves.x=energy",
    "+experiment=one",
    "portfolio.sleeves.hydra.lookback=3",
    "portfolio.note='${portfolio.lookback}'",
]


@pytest.mark.parametrize("text", ALLOWED)
def test_plain_settings_go_through(text: str) -> None:
    check_override(parse(text))


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    """Return Hydra's own node as metabt's files make it."""
    node: Any = OmegaConf.to_container(load((ROOT / "conf",), []).hydra, resolve=False)
    assert isinstance(node, dict)
    return node


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("callbacks.x._target_", "os.system"),
        ("callbacks.x", {"a": 1}),
        ("launcher._target_", "hydra_plugins.evil.Launcher"),
        ("launcher.x", {"_target_": "hydra_plugins.metabt_launcher.MetabtLauncher"}),
        ("sweeper._target_", "hydra_plugins.metabt_launcher.MetabtLauncher"),
        ("sweeper.sampler", {"_target_": "os.system"}),
        ("job_logging.handlers", {"x": {"()": "os.mkdir"}}),
        ("job_logging.handlers", [{"class": "logging.FileHandler"}]),
        ("job_logging.handlers", {"file": {"class": "logging.FileHandler", "filename": "/tmp/x"}}),
        ("hydra_logging.formatters", {"x": {"class": "os.system"}}),
        ("searchpath", ["pkg://x"]),
        ("job.env_set", {"X": "1"}),
        ("job.env_copy", ["X"]),
    ],
)
def test_what_came_out_of_hydra_is_looked_at_once_more(where: str, value: Any, composed: dict[str, Any]) -> None:
    check_composed(composed)
    changed = OmegaConf.create(composed)
    OmegaConf.update(changed, where, value, force_add=True)
    plain: Any = OmegaConf.to_container(changed, resolve=False)
    with pytest.raises(ConfigError, match=f"hydra.{where.split('.')[0]}"):
        check_composed(plain)


def test_a_file_may_land_in_the_tree_and_among_settings_alone() -> None:
    good, evil, place = (OmegaConf.create({key: {"x": 1}}) for key in ("portfolio", "hydra", "cluster"))
    check_landing("sleeve/a", "portfolio.sleeves.a", good, True)
    check_landing("config", "", place, True)
    for name, package, content, is_own in (
        ("sleeve/a", "hydra.callbacks", evil, True),
        ("sleeve/a", "cluster", place, True),
        ("hydra/launcher/submitit", "hydra.launcher", evil, False),
        ("hydra/launcher/basic", "hydra.callbacks", evil, False),
        ("hydra/env/other", "hydra.env", evil, False),
    ):
        with pytest.raises(ConfigError, match=f"{name} "):
            check_landing(name, package, content, is_own)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("hydra.sweeper.n_trials=1000000000", r"makes 1,000,000,000 configurations, the limit is.*METABT_MAX_JOBS="),
        ("hydra.sweeper.n_jobs=1000000", "is 1000000, wanted a whole number up to 1024"),
        ("hydra.launcher.n_jobs=-1000000", "is -1000000, wanted a whole number up to 1024"),
    ],
)
def test_numbers_that_would_start_a_million_are_refused(text: str, what: str) -> None:
    with pytest.raises(ConfigError, match=rf"{text.partition('=')[0]} {what}"):
        check_override(parse(text))


def test_overrides_of_a_sweeper_are_handed_on_to_be_checked() -> None:
    assert check_stated({"sweeper": {"params": {"a.b": "1,2"}}}, "x") == {"a.b": "1,2"}
    assert check_stated({"sweeper": {"params": {"a": {"b": 1}}}}, "x") == {"a": {"b": 1}}


KEYS = st.sampled_from(["a", "b", "c", "defaults", "universe"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False), st.text(max_size=5), st.just("${.a}-${b}")
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.integers(0, 3), inner, max_size=3)
)


@given(values=st.dictionaries(KEYS.filter(lambda key: key != "defaults"), VALUES, max_size=4))
def test_values_come_out_as_they_went_in(values: dict[str, Any]) -> None:
    given_to_hydra = veiled(values)
    assert restored(given_to_hydra) == values
    assert "${" not in repr(given_to_hydra)


def test_defaults_of_a_sleeve_are_set_aside_at_the_top_of_a_file_alone() -> None:
    values = {"defaults": {"lag": 1, "universe": ["${x}"]}, "a": {"defaults": {"lag": 2}}}
    assert "defaults" not in veiled(values) and restored(veiled(values)) == values
    listed = {"defaults": [{"/rules@defaults": "monthly"}], "hydra": {"job": {"name": "x"}}}
    assert veiled(listed) == listed


REFERENCES = st.sampled_from(
    ["${a}", "${b.x}", "${c[0]}", "x-${a}-${b.y}", "${.z}", "${..a}", "\\${a}", "\\\\${a}", "${b}"]
)
NODES = st.one_of(st.integers(0, 3), st.text("xyz", max_size=2), REFERENCES)
TREES = st.fixed_dictionaries(
    {
        "a": NODES,
        "b": st.fixed_dictionaries({"x": NODES, "y": NODES, "z": st.integers()}),
        "c": st.lists(NODES, min_size=1, max_size=3),
        "z": st.just(1),
    }
)


@given(tree=TREES)
def test_references_are_what_omegaconf_makes_of_them(tree: dict[str, Any]) -> None:
    try:
        wanted = OmegaConf.to_container(OmegaConf.create(tree), resolve=True, throw_on_missing=True)
    except Exception:  # what it raises is as manifold as what can be wrong
        with pytest.raises(ConfigError):
            resolve(tree)
        return
    assert resolve(tree) == wanted


def test_one_value_is_resolved_without_the_others() -> None:
    tree = {"a": "${b}", "b": "x", "c": "${nowhere}"}
    assert (resolve_at(tree, "a"), resolve_at(tree, "d")) == ("x", None)
