"""Find configuration files: `./conf` (or `--config-dir`) first, then the files that come with metabt.

A file's top-level `defaults` is a list to Hydra: what to include. To a sleeve it is a mapping: what holds for all
beneath it. `ConfSource` lets a file that includes nothing use the second meaning; a file that needs both includes a
rule set with `- /rules@defaults: NAME`.
"""

from __future__ import annotations

import builtins
from pathlib import Path, PurePosixPath
from typing import Any, cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import IConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.default_element import ResultDefault
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import setup_globals
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.types import RunMode
from hydra.version import setbase
from omegaconf import DictConfig, OmegaConf

from metabt.config.documents import read
from metabt.config.files import PRIMARY
from metabt.config.guard import check_file, check_landing, check_override, chosen_files
from metabt.config.hydra_settings import check_composed
from metabt.config.includes import count_includes
from metabt.config.stand_ins import can_stand_in, stand_in
from metabt.config.veil import veiled
from metabt.errors import ConfigError

PROVIDER = "conf"
"""What Hydra calls the source of our files."""
HEADER = 512
"""Characters of a file within which it may state its package, `# @package NAME`."""


class ConfSource(ConfigSource):
    """Files of a conf folder, in which `defaults` may be a sleeve's mapping."""

    stands_in = False
    """Whether a portfolio's file that includes nothing is named, instead of handed over (`stand_ins`)."""

    @staticmethod
    def scheme() -> str:
        """Return the scheme of this source in search paths."""
        return "conf"

    def load_config(self, config_path: str) -> ConfigResult:
        """Load a file after checking what it asks of Hydra, its values made to travel through Hydra unread.

        Raises
        ------
        ConfigError
            If the file asks for what no configuration may.
        """
        file = self._file(config_path)
        if not file.is_file():
            raise ConfigLoadError(f"Config not found : {file}")
        if PurePosixPath(config_path).parts[0] == "hydra":
            raise ConfigError(f"{file} would be a part of hydra, which no file of conf/ can be; put it elsewhere")
        values = read(file)
        header = self._header(file)
        is_primary = file == Path(self.path, f"{PRIMARY}.yaml")
        check_file(file, values, header["package"], is_primary=is_primary)
        is_stood_in_for = self.stands_in and header["package"] is None and can_stand_in(config_path, values)
        given = stand_in(file) if is_stood_in_for else veiled(values)
        return ConfigResult(
            provider=self.provider, path=self.full_path(), config=OmegaConf.create(given), header=header
        )

    def _header(self, file: Path) -> dict[str, str | None]:
        try:
            return {"package": None, **self._get_header_dict(file.read_text(encoding="utf-8-sig")[:HEADER])}
        except ValueError as error:
            raise ConfigError(f"{file}: {error}; write '# @package NAME', or take the line out") from None

    def available(self) -> bool:
        """Return whether the folder exists."""
        return self.is_group("")

    def is_group(self, config_path: str) -> bool:
        """Return whether a path beneath the folder is one of its folders."""
        return self._inside(config_path).is_dir()

    def is_config(self, config_path: str) -> bool:
        """Return whether a path beneath the folder, with or without its suffix, is a file."""
        return self._file(config_path).is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the names of the groups and files of a group."""
        names: list[str] = []
        for path in self._inside(config_path).iterdir():
            self._list_add_result(names, str(Path(config_path, path.name)), path.name, results_filter)
        return sorted(set(names))

    def _file(self, config_path: str) -> Path:
        return self._inside(self._normalize_file_name(config_path))

    def _inside(self, config_path: str) -> Path:
        """Return the place of a path beneath the folder; one that leads out of it is refused."""
        if ".." in PurePosixPath(config_path).parts or config_path.startswith("/"):
            raise ConfigError(
                f"'{config_path}' leads out of the folder of configuration {self.path}; put the file there"
            )
        return Path(self.path, config_path)


class BriefSource(ConfSource):
    """The same files, of which Hydra gets no more than the name where that may do."""

    stands_in = True

    @staticmethod
    def scheme() -> str:
        """Return the scheme of this source in search paths."""
        return "brief"


def options(dirs: tuple[Path, ...], group: str) -> list[str]:
    """Return the names of a group's members in every folder."""
    return sorted({file.stem for folder in dirs for file in (folder / group).glob("*.yaml")})


def groups(dirs: tuple[Path, ...]) -> set[str]:
    """Return the groups (folders of YAML files) that the search path offers."""
    return {str(f.parent.relative_to(d)) for d in dirs for f in d.rglob("*.yaml") if f.parent != d}


def search_path(dirs: tuple[Path, ...], source: type[ConfSource] = ConfSource) -> ConfigSearchPathImpl:
    """Return Hydra's search path over `dirs`."""
    path = ConfigSearchPathImpl()
    path.append("hydra", "pkg://hydra.conf")
    for folder in dirs:
        path.append(PROVIDER, f"{source.scheme()}://{folder}")
    path.append("schema", "structured://")
    return path


class GuardedLoader(ConfigLoaderImpl):
    """Hydra's loader, which composes only what `guard` lets through: for one configuration, a sweep and each job."""

    def __init__(self, dirs: tuple[Path, ...], own: str | None = None, source: type[ConfSource] = ConfSource) -> None:
        super().__init__(search_path(dirs, source))
        self._dirs, self._own = dirs, own

    def load_configuration(
        self, config_name: str | None, overrides: builtins.list[str], *args: Any, **options: Any
    ) -> DictConfig:
        """Compose, after checking the overrides and counting the files that they include."""
        parsed = OverridesParser.create().parse_overrides([text for text in overrides if text != self._own])
        for override in parsed:
            check_override(override)
        count_includes([PRIMARY, *chosen_files(parsed)], self._dirs)
        composed = super().load_configuration(config_name, overrides, *args, **options)
        check_composed(cast(dict[str, Any], OmegaConf.to_container(composed.hydra, resolve=False)))
        return composed

    def _load_single_config(self, default: ResultDefault, repo: IConfigRepository) -> ConfigResult:
        """Load a file into its package, after checking that it may land there."""
        loaded = super()._load_single_config(default, repo)
        is_own = loaded.provider == PROVIDER
        check_landing(str(default.config_path), default.package, loaded.config, is_own)
        return loaded


def load(dirs: tuple[Path, ...], overrides: list[str], mode: RunMode = RunMode.RUN) -> DictConfig:
    """Return what Hydra composes, its own `hydra` node included; in a multirun, overrides that sweep are left out."""
    prepare()
    return loader(dirs).load_configuration(PRIMARY, overrides, mode, from_shell=False)


def load_briefly(dirs: tuple[Path, ...], overrides: list[str]) -> DictConfig:
    """Return what Hydra composes of files of which some may only be named (`stand_ins`)."""
    prepare()
    return GuardedLoader(dirs, source=BriefSource).load_configuration(PRIMARY, overrides, RunMode.RUN, from_shell=False)


def loader(dirs: tuple[Path, ...], own: str | None = None) -> GuardedLoader:
    """Return a loader over the files of `dirs`; `own` is an override of metabt's own, which passes unchecked."""
    return GuardedLoader(dirs, own)


def prepare() -> None:
    """Set up what Hydra keeps per process (version base, resolvers, plug-ins, `ConfSource`), but no GlobalHydra.

    That one belongs to an application of Hydra's that may host this process.
    """
    setbase("1.3")
    setup_globals()
    for source in (ConfSource, BriefSource):
        Plugins.instance().register(source)
