"""The lakehouse that configuration names: every command needs it, and most compose nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TypeGuard

from metabt.config.documents import read
from metabt.config.files import PRIMARY, conf_dirs


def stated_lakehouse(config_dir: str | Path | None = None) -> tuple[str, str | None]:
    """Return the lakehouse that configuration names, and its catalogue or None.

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
    """Return the lakehouse and the catalogue that a file states literally; None where only Hydra can tell.

    Importing Hydra takes as long as printing weights.
    """
    settings = read(file)
    stated, catalog = settings.get("lakehouse"), settings.get("catalog")
    return (stated, catalog) if _is_plain(stated) and (catalog is None or _is_plain(catalog)) else None


def _is_plain(setting: object) -> TypeGuard[str]:
    return isinstance(setting, str) and "${" not in setting and setting != "???"
