"""Compose a configuration into plain values.

1. Sort the overrides: groups and settings are Hydra's, `portfolio.*` are edits.
2. Let Hydra compose the files; a portfolio that includes nothing goes past it (`stand_ins`).
3. Apply the edits, then resolve interpolations: references alone, since what settings say is stored.
4. Check the settings, and that nothing asks to be instantiated.

Values of settings and sleeves are checked where they are used, so that YAML, Python and the command line agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from metabt.config import edits
from metabt.config.documents import read
from metabt.config.files import PRIMARY, conf_dirs, packaged_dir
from metabt.config.hydra_settings import package_of
from metabt.config.interpolation import is_asked, resolve, resolve_at
from metabt.config.overrides import CARRIED, OPTIONAL, SEARCH, SETTINGS, is_of_search, split
from metabt.config.search import load, load_briefly
from metabt.config.searches.optuna_sweeper import NAME, said_instead
from metabt.config.stand_ins import filled_in, stand_well
from metabt.config.veil import restored
from metabt.errors import ConfigError, StoreError, nearest
from metabt.lakehouse.catalog.connection_string import parse_connection_string
from metabt.lakehouse.catalog.local_paths import remote
from metabt.lakehouse.ledger.study import study_name

TOO_DEEP = "configuration nests or refers to itself too deeply; look for interpolations that refer to each other"
"""Said where Python itself can follow no further."""


def compose(overrides: list[str] | None = None, *, config_dir: str | Path | None = None) -> dict[str, Any]:
    """Return the settings and the portfolio tree as plain values.

    Parameters
    ----------
    overrides : list of str
        Hydra overrides such as ``portfolio=demo``, ``portfolio.lookback=63`` or ``start=2000-01-01``.
    config_dir : path, optional
        Folder searched before the files that come with metabt; ``./conf`` by default.

    Returns
    -------
    dict
        Keys lakehouse, catalog, cache, engine, local, cluster, start, end, as_of, is_meta_backtest, benchmark, study
        and portfolio (a dict).

    Raises
    ------
    ConfigError
        For anything that cannot be composed, naming the culprit and the cure.
    """
    dirs = conf_dirs(config_dir)
    for text in filter(is_of_search, overrides or []):
        raise ConfigError(f"'{text}' is of a search, which has many configurations: metabt backtest -m {text} ...")
    with explained(dirs):
        for_hydra, tree_edits = split(list(overrides or []), dirs)
        composed = load_briefly(dirs, for_hydra)
        if not stand_well(cast(dict[Any, Any], OmegaConf.to_container(composed, resolve=False))):
            composed = load(dirs, for_hydra)
        return finish(draft(composed), tree_edits)


def load_portfolio(name: str, *, config_dir: str | Path | None = None) -> dict[str, Any]:
    """Return the tree of `conf/portfolio/NAME.yaml` as plain values, its interpolations resolved.

    Raises
    ------
    ConfigError
        If there is no such file, or it cannot be composed.
    """
    return compose([f"portfolio={name}"], config_dir=config_dir)["portfolio"]


def resolved_lakehouse(file: Path, dirs: tuple[Path, ...]) -> tuple[str, str | None]:
    """Return the lakehouse that a file names and its catalogue, interpolations resolved; no portfolio is composed."""
    with explained(dirs):
        settings = {key: value for key, value in read(file).items() if key not in ("defaults", "hydra")}
        stated, catalog = (resolve_at(settings, key) for key in ("lakehouse", "catalog"))
    if stated is None:
        raise ConfigError(f"{file} states no lakehouse; add `lakehouse: data/lakehouse`, or pass --lakehouse")
    return str(stated), None if catalog is None else str(catalog)


def draft(composed: DictConfig, hydra: DictConfig | None = None) -> dict[str, Any]:
    """Return plain values of what Hydra composed, unresolved, so that edits can still be applied.

    Parameters
    ----------
    composed : DictConfig
        What Hydra composed; edits that it carries are left out.
    hydra : DictConfig, optional
        Hydra's own node, where `composed` holds it no longer.
    """
    own: Any = composed.hydra if hydra is None else hydra
    raw = OmegaConf.to_container(composed, resolve=False)
    assert isinstance(raw, dict)  # a mapping stays a mapping
    plain = restored(filled_in({str(key): value for key, value in raw.items() if key not in ("hydra", CARRIED)}))
    tree = plain.get("portfolio")
    if not isinstance(tree, dict):
        raise ConfigError(f"portfolio is {tree!r}, wanted the keys of a sleeve; choose one with portfolio=NAME")
    tree.setdefault("name", str(own.runtime.choices.get("portfolio")))
    return plain


def finish(plain: dict[str, Any], tree_edits: list[str]) -> dict[str, Any]:
    """Return the configuration of a draft: edits applied, interpolations resolved, checked. `plain` itself is changed.

    Raises
    ------
    ConfigError
        For an edit, an interpolation or a setting that cannot be.
    """
    for text in tree_edits:
        edits.apply(plain, text)
    return check(resolve(plain) if is_asked(plain) else plain)


def check(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration unchanged, if every setting is known and none is missing.

    Raises
    ------
    ConfigError
        For an unknown or missing setting, or a key that asks for instantiation.
    """
    for key in config:
        if key not in SETTINGS:
            raise ConfigError(f"unknown setting '{key}' in {PRIMARY}.yaml{nearest(key, SETTINGS)}")
    missing = [key for key in SETTINGS if key not in config and key not in OPTIONAL]
    if missing:
        model = packaged_dir() / f"{PRIMARY}.yaml"
        raise ConfigError(f"{PRIMARY}.yaml states no {', '.join(missing)}; copy the lines from {model}")
    _refuse_targets(config, "")
    if config.get("is_meta_backtest") not in (None, True, False):
        raise ConfigError(f"is_meta_backtest is {config['is_meta_backtest']!r}; write true, false or null")
    if config.get("catalog") is not None:
        parse_connection_string(str(config["catalog"]))
    study_name(config.get("study"))
    try:
        remote(str(config["lakehouse"]))
    except StoreError as error:
        raise ConfigError(str(error)) from None
    return {key: config.get(key) for key in SETTINGS if key != SEARCH}


@contextmanager
def explained(dirs: tuple[Path, ...]) -> Iterator[None]:
    """Within the block, turn errors of Hydra, OmegaConf and YAML into ConfigError with the culprit and the cure."""
    try:
        yield
    except MissingConfigException as error:
        raise ConfigError(_missing(error, dirs)) from None
    except RecursionError:
        raise ConfigError(TOO_DEEP) from None
    except OSError as error:
        raise ConfigError(f"configuration: {error.filename or 'a file'}: {error.strerror}; name another") from None
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_first_lines(error.__cause__ or error)) from None


def _missing(error: MissingConfigException, dirs: tuple[Path, ...]) -> str:
    group, _, name = str(error.missing_cfg_file).rpartition("/")
    if (group, name) == ("hydra/sweeper", NAME):
        return f"{group}={name} {said_instead()}"
    if package := package_of(group, name):
        return f"{group}={name} is of a package that is not installed; pip install {package}, or take it out"
    where = str(error).split(":")[0] if str(error).startswith("In ") else ""
    searched = ", ".join(str(folder / group) for folder in dirs)
    included = f" ({where[0].lower()}{where[1:]})" if where and where != f"In '{PRIMARY}'" else ""
    return f"no {group or 'file'} '{name}'{nearest(name, error.options or [])}{included}; searched {searched}"


def _first_lines(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and "object_type" not in line]
    return "configuration: " + "; ".join(lines[:3])


def _refuse_targets(node: Any, path: str) -> None:
    if isinstance(node, list):
        for position, item in enumerate(node):
            _refuse_targets(item, f"{path}.{position}")
    elif isinstance(node, dict):
        for key, value in node.items():
            if isinstance(key, str) and "${" in key:
                raise ConfigError(
                    f"{path.lstrip('.') or PRIMARY} has the key '{key}'; interpolations stand in values alone: "
                    "write the name"
                )
            if key == "_target_":
                raise ConfigError(
                    f"{path.lstrip('.')} has a '_target_'; configuration cannot call code; name an estimator: erc"
                )
            _refuse_targets(value, f"{path}.{key}")
