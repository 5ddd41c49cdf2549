"""What `docs/hydra.md` says of differences from stock Hydra: each is composed both ways, on the same files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose as compose_by_hydra
from hydra import initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from metabt.cli.main import build_parser
from metabt.config import compose
from metabt.config.files import packaged_dir
from metabt.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "hydra.md").read_text(encoding="utf-8")
TREE = "optimizer: {name: erc, max_weight: 0.5}\nlookback: 100\nuniverse: [A, B]\ndataset: px\n"
REFUSED = "refused"


@pytest.fixture(autouse=True)
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of configuration that both read, with the portfolio `one`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "portfolio").mkdir(parents=True)
    shutil.copy(packaged_dir() / "config.yaml", tmp_path / "conf" / "config.yaml")
    (tmp_path / "conf" / "portfolio" / "one.yaml").write_text(TREE)
    return tmp_path / "conf"


def by_hydra(conf: Path, *overrides: str) -> Any:
    """Return what stock Hydra makes of the portfolio, every value read; REFUSED if it makes nothing of it."""
    try:
        with initialize_config_dir(str(conf), version_base="1.3"):
            composed = compose_by_hydra("config", overrides=["portfolio=one", *overrides])
        return OmegaConf.to_container(composed, resolve=True)["portfolio"]  # type: ignore[index]
    except (HydraException, OmegaConfBaseException, ValueError):
        return REFUSED


def by_metabt(*overrides: str) -> Any:
    try:
        return compose(["portfolio=one", *overrides])["portfolio"]
    except ConfigError:
        return REFUSED


def at(tree: Any, path: str) -> Any:
    """Return what stands at a path; REFUSED of what was."""
    for step in path.split(".") if tree != REFUSED else ():
        tree = tree.get(step)
    return tree


OVERRIDES = {
    "portfolio.lag=3": ("lag", REFUSED, 3),
    "portfolio.costs.commission_bp=2": ("costs", REFUSED, {"commission_bp": 2}),
    "portfolio.sleeves.x.lag=1": ("sleeves", REFUSED, REFUSED),
    "+portfolio.lookback=3": ("lookback", REFUSED, 3),
    "portfolio.optimizer={name: hrp}": ("optimizer", {"name": "hrp", "max_weight": 0.5}, {"name": "hrp"}),
    "lookback=3": ("lookback", REFUSED, REFUSED),
}


@pytest.mark.parametrize("override", OVERRIDES)
def test_overrides(override: str, conf: Path) -> None:
    path, stock, own = OVERRIDES[override]
    assert (at(by_hydra(conf, override), path), at(by_metabt(override), path)) == (stock, own)
    key, _, value = override.partition("=")
    assert re.search(rf"^\| `{re.escape(key)}='?{re.escape(value)}'?`", PAGE, re.MULTILINE), "the page has no such line"


def test_a_bare_name_of_an_estimator_gets_its_parameters(conf: Path) -> None:
    (conf / "portfolio" / "one.yaml").write_text(TREE.replace("{name: erc, max_weight: 0.5}", "erc"))
    assert by_hydra(conf, "portfolio.optimizer.max_weight=0.6") == REFUSED
    assert by_metabt("portfolio.optimizer.max_weight=0.6")["optimizer"] == {"name": "erc", "max_weight": 0.6}


@pytest.mark.parametrize(
    ("override", "left"),
    [("~portfolio.lookback", True), ("~portfolio.lookback=100", True), ("~portfolio.lookback=5", False)],
)
def test_what_is_removed_is_the_same(override: str, left: bool, conf: Path) -> None:
    for tree in (by_hydra(conf, override), by_metabt(override)):
        assert ("lookback" not in tree) if left else (tree == REFUSED)


VALUES = {
    "NO": (False, "NO"),
    "on": (True, "on"),
    "yes": (True, "yes"),
    "010": (8, REFUSED),
    "1:30": (90, REFUSED),
    "0x1F": (31, REFUSED),
    "${portfolio.lookback}": (100, 100),
    "${oc.env:HOME}": ("/somewhere", REFUSED),
    "${hydra.job.name}": (REFUSED, REFUSED),
    "${now:%Y}": (re.compile(r"20\d\d"), REFUSED),
    "???": ("???", REFUSED),
}


@pytest.mark.parametrize("text", VALUES)
def test_values_of_a_file(text: str, conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    (conf / "portfolio" / "one.yaml").write_text(f"{TREE}note: {text}\n")
    stock, own = VALUES[text]
    found = at(by_hydra(conf), "note")
    assert stock.fullmatch(found) if isinstance(stock, re.Pattern) else found == stock
    assert at(by_metabt(), "note") == own
    assert f"`{text}`" in PAGE


@pytest.mark.parametrize(
    ("text", "stock"),
    [("optimizer: {_target_: builtins.print}", {"_target_": "builtins.print"}), ("defaults: {lag: 2}", REFUSED)],
)
def test_keys_that_mean_something_else(text: str, stock: Any, conf: Path) -> None:
    stated = {**yaml.safe_load(TREE), **yaml.safe_load(text)}
    (conf / "portfolio" / "one.yaml").write_text(yaml.safe_dump(stated))
    assert at(by_hydra(conf), text.partition(":")[0]) == stock
    own = by_metabt()
    assert (own["defaults"] == {"lag": 2}) if "lag" in text else (own == REFUSED)


def test_a_portfolio_is_called_like_its_file(conf: Path) -> None:
    assert "name" not in by_hydra(conf) and by_metabt()["name"] == "one"


@pytest.mark.parametrize(
    "override", ["hydra.run.dir=out", "hydra.job.chdir=true", "hydra.mode=MULTIRUN", "hydra.verbose=true"]
)
def test_what_hydra_may_do(override: str, conf: Path) -> None:
    assert by_hydra(conf, override) != REFUSED and by_metabt(override) == REFUSED


def test_the_folder_of_the_command_line_is_in_place_of_the_own_one(tmp_path: Path) -> None:
    (tmp_path / "other" / "portfolio").mkdir(parents=True)
    with pytest.raises(ConfigError, match=f"no portfolio 'two'.*searched {tmp_path}/other"):
        compose(["portfolio=two"], config_dir=tmp_path / "other")
    assert compose(["portfolio=one"], config_dir=tmp_path / "other")["portfolio"] != by_metabt()  # metabt's own `one`


def test_options_of_hydras_programs_are_none_of_metabts(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = [line for line in PAGE.splitlines() if "`--config-path`" in line]
    options = re.findall(r"`(--[a-z-]+)`", line)
    assert len(options) == 8
    (commands,) = [it.choices for it in build_parser()._actions if isinstance(getattr(it, "choices", None), dict)]
    assert not set(options) & set(commands["backtest"]._option_string_actions)
