"""What breaks when a name of Hydra's inside goes: each is used as Hydra 1.3 has it."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.hydra import Hydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigSource
from hydra.types import RunMode

from metabt.config import search
from metabt.config.veil import OWN_DEFAULTS


@pytest.fixture
def dirs(tmp_path: Path) -> tuple[Path, Path]:
    """Make two folders of configuration, of which the first hides a file of the second."""
    for name, lookback in (("first", 1), ("second", 2)):
        (tmp_path / name / "portfolio").mkdir(parents=True)
        (tmp_path / name / "config.yaml").write_text("defaults: [{portfolio: p}, _self_]\n")
        (tmp_path / name / "portfolio" / "p.yaml").write_text(f"# @package there\nlookback: {lookback}\n")
    (tmp_path / "second" / "portfolio" / "q.yaml").write_text("defaults: {lookback: 3}\n")
    return tmp_path / "first", tmp_path / "second"


def test_files_are_composed(dirs: tuple[Path, Path]) -> None:
    """ConfigLoaderImpl: the only one that composes without Hydra's global state, and for a sweep."""
    assert search.load(dirs, []).there == {"lookback": 1}
    assert search.load(dirs, ["portfolio=q"], RunMode.MULTIRUN).portfolio == {OWN_DEFAULTS: {"lookback": 3}}
    assert list(inspect.signature(ConfigLoaderImpl.load_sweep_config).parameters)[1:] == [
        "master_config",
        "sweep_overrides",
    ]


def test_folders_are_searched_in_order(dirs: tuple[Path, Path]) -> None:
    """ConfigSearchPathImpl: a folder of the user's ahead of those that come with metabt."""
    assert search.load(dirs[::-1], []).there == {"lookback": 2}
    path = search.search_path(dirs)
    assert isinstance(path, ConfigSearchPathImpl)
    assert [element.path for element in path.get_path()] == [
        "pkg://hydra.conf",
        *(f"conf://{folder}" for folder in dirs),
        "structured://",
    ]


def test_a_sweep_is_handed_to_its_launcher() -> None:
    """Hydra.create_main_hydra2 and multirun: what hydra.main does without reading sys.argv."""
    assert list(inspect.signature(Hydra.create_main_hydra2).parameters) == ["task_name", "config_search_path"]
    assert list(inspect.signature(Hydra.multirun).parameters)[1:4] == ["config_name", "task_function", "overrides"]


def test_files_of_a_folder_are_found_by_a_source_of_our_own(dirs: tuple[Path, Path]) -> None:
    """_normalize_file_name, _list_add_result and _get_header_dict: what ConfigSource leaves to its subclasses."""
    search.prepare()
    assert search.ConfSource in Plugins.instance().discover(ConfigSource)
    source = search.ConfSource("metabt", f"conf://{dirs[1]}")
    assert source.available() and not search.ConfSource("metabt", "conf:///nowhere").available()
    assert source.is_group("portfolio") and source.is_config("portfolio/q") and source.is_config("portfolio/q.yaml")
    assert not source.is_config("portfolio") and not source.is_group("portfolio/q")
    assert source.list("", None) == ["config", "portfolio"] and source.list("portfolio", None) == ["p", "q"]
    assert source.load_config("portfolio/p").header == {"package": "there"}
    with pytest.raises(HydraException, match="Config not found"):
        source.load_config("portfolio/none")
