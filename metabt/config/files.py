"""Files: where configuration lies, and the settings that every command needs, read without composing anything."""

from __future__ import annotations

from pathlib import Path
from typing import TypeGuard

import yaml

from metabt.errors import ConfigError

PRIMARY = "config"
"""Name of the file that composition starts from."""


def conf_dirs(config_dir: str | Path | None = None) -> tuple[Path, ...]:
    """Return the folders to search, the first that has a file wins.

    Raises
    ------
    ConfigError
        If `config_dir` is given and is no folder.
    """
    if config_dir is not None and not Path(config_dir).is_dir():
        raise ConfigError(f"--config-dir '{config_dir}' is not a folder; name one that holds portfolio/NAME.yaml")
    own = Path(config_dir or "conf").resolve()
    return tuple(dict.fromkeys(d for d in (own, packaged_dir()) if d.is_dir()))


def packaged_dir() -> Path:
    """Return the conf folder that comes with metabt: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def stated_lakehouse(config_dir: str | Path | None = None) -> tuple[str, str | None]:
    """Return the lakehouse that configuration names and its catalogue, if that is stated.

    Raises
    ------
    ConfigError
        If it names none, or cannot be read.
    """
    dirs = conf_dirs(config_dir)
    file = next(d / f"{PRIMARY}.yaml" for d in dirs if (d / f"{PRIMARY}.yaml").is_file())
    stated = _plainly_stated(file)
    if stated is not None:
        return stated
    from metabt.config.composition import resolved_lakehouse

    return resolved_lakehouse(file, dirs)


def _plainly_stated(file: Path) -> tuple[str, str | None] | None:
    """Return what a file names in so many words; to import Hydra takes as long as printing weights."""
    try:
        settings = yaml.safe_load(file.read_bytes())
    except yaml.YAMLError:
        return None
    if not isinstance(settings, dict):
        return None
    stated, catalog = settings.get("lakehouse"), settings.get("catalog")
    return (stated, catalog) if _is_plain(stated) and (catalog is None or _is_plain(catalog)) else None


def _is_plain(setting: object) -> TypeGuard[str]:
    return isinstance(setting, str) and "${" not in setting and setting != "???"
