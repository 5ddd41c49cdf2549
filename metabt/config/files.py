"""Files: where configuration lies."""

from __future__ import annotations

from pathlib import Path

from metabt.errors import ConfigError

PRIMARY = "config"
"""Name of the file that composition starts from."""


def conf_dirs(config_dir: str | Path | None = None) -> tuple[Path, ...]:
    """Return the folders to search for a file, in order: `config_dir` (None is ./conf), then metabt's own.

    Raises
    ------
    ConfigError
        If `config_dir` is given and is no folder.
    """
    if config_dir is not None and not _is_folder(Path(config_dir)):
        raise ConfigError(f"--config-dir '{config_dir}' is not a folder; name one that holds portfolio/NAME.yaml")
    own = Path(config_dir or "conf").resolve()
    return tuple(dict.fromkeys(d for d in (own, packaged_dir()) if d.is_dir()))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # longer than any name, or with a null character
        return False


def packaged_dir() -> Path:
    """Return the conf folder that comes with metabt: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"
