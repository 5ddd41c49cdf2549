"""Find configuration files: `./conf` (or `--config-dir`) first, then the files that come with metabt.

A file's top-level `defaults` is a list to Hydra: what to include. To a sleeve it is a mapping: what holds for all
beneath it. `ConfSource` lets a file that includes nothing use the second meaning; a file that needs both includes a
rule set with `- /rules@defaults: NAME`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.core.utils import setup_globals
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.types import RunMode
from hydra.version import setbase
from omegaconf import DictConfig, OmegaConf

from metabt.config.files import PRIMARY

OWN_DEFAULTS = "_sleeve_defaults_"
"""Key under which a file's mapping `defaults` travels through Hydra."""
HEADER = 512
"""Characters of a file within which it may state its package, `# @package NAME`."""


class ConfSource(ConfigSource):
    """Files of a conf folder, in which `defaults` may be a sleeve's mapping."""

    @staticmethod
    def scheme() -> str:
        """Return the scheme of this source in search paths."""
        return "conf"

    def load_config(self, config_path: str) -> ConfigResult:
        """Load a file, setting a mapping `defaults` aside for `restore_defaults`."""
        file = self._file(config_path)
        if not file.is_file():
            raise ConfigLoadError(f"Config not found : {file}")
        config = OmegaConf.load(file)
        if isinstance(config, DictConfig) and isinstance(config.get("defaults"), DictConfig):
            config[OWN_DEFAULTS] = config.pop("defaults")
        header = self._get_header_dict(file.read_text(encoding="utf-8")[:HEADER])
        return ConfigResult(provider=self.provider, path=self.full_path(), config=config, header=header)

    def available(self) -> bool:
        """Return whether the folder exists."""
        return self.is_group("")

    def is_group(self, config_path: str) -> bool:
        """Return whether a path beneath the folder is one of its folders."""
        return Path(self.path, config_path).is_dir()

    def is_config(self, config_path: str) -> bool:
        """Return whether a path beneath the folder, with or without its suffix, is a file."""
        return self._file(config_path).is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the names of the groups and files of a group."""
        names: list[str] = []
        for path in Path(self.path, config_path).iterdir():
            self._list_add_result(names, str(Path(config_path, path.name)), path.name, results_filter)
        return sorted(set(names))

    def _file(self, config_path: str) -> Path:
        return Path(self.path, self._normalize_file_name(config_path))


def options(dirs: tuple[Path, ...], group: str) -> list[str]:
    """Return the names of a group's members in every folder."""
    return sorted({file.stem for folder in dirs for file in (folder / group).glob("*.yaml")})


def groups(dirs: tuple[Path, ...]) -> set[str]:
    """Return the groups (folders of YAML files) that the search path offers."""
    return {str(f.parent.relative_to(d)) for d in dirs for f in d.rglob("*.yaml") if f.parent != d}


def search_path(dirs: tuple[Path, ...]) -> ConfigSearchPathImpl:
    """Return Hydra's search path over `dirs`."""
    path = ConfigSearchPathImpl()
    path.append("hydra", "pkg://hydra.conf")
    for folder in dirs:
        path.append("metabt", f"{ConfSource.scheme()}://{folder}")
    path.append("schema", "structured://")
    return path


def load(dirs: tuple[Path, ...], overrides: list[str], mode: RunMode = RunMode.RUN) -> DictConfig:
    """Return what Hydra composes, its own `hydra` node included; in a multirun, overrides that sweep are left out."""
    prepare()
    return loader(dirs).load_configuration(PRIMARY, overrides, mode, from_shell=False)


def loader(dirs: tuple[Path, ...]) -> ConfigLoaderImpl:
    """Return Hydra's loader over the files of `dirs`."""
    return ConfigLoaderImpl(search_path(dirs))


def prepare() -> None:
    """Set up what Hydra keeps per process (version base, resolvers, plug-ins, `ConfSource`), but no GlobalHydra.

    That one belongs to an application of Hydra's that may host this process.
    """
    setbase("1.3")
    setup_globals()
    Plugins.instance().register(ConfSource)


def restore_defaults(node: Any) -> Any:
    """Return composed plain values with every mapping `defaults` back under its own name."""
    if isinstance(node, list):
        return [restore_defaults(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: restore_defaults(value) for key, value in node.items() if key != OWN_DEFAULTS}
    if OWN_DEFAULTS in node:
        plain["defaults"] = {**plain.get("defaults", {}), **node[OWN_DEFAULTS]}
    return plain
