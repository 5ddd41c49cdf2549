"""Guard: what a file or an override may ask of Hydra, decided on what was parsed before Hydra acts on it.

1. A file: its package, its list of includes, and what it states beneath `hydra`, which config.yaml alone may.
2. A file in its place: once Hydra knows where it lands, it may land in the tree or among the settings; where runs are
   stored and which cluster computes them is said by config.yaml and the command line alone.
3. An override: a choice or a plain setting that is listed, or a file of a group; never a place to search.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, QuotedString, RangeSweep
from omegaconf import DictConfig

from metabt.config.documents import plain_number, unprintable
from metabt.config.files import PRIMARY
from metabt.config.hydra_settings import CHOICES, LOGGING, check_choice, check_stated, states_params
from metabt.config.interpolation import refuse_resolvers
from metabt.errors import ConfigError

PLACES = ("lakehouse", "catalog", "cache", "local", "cluster")
"""Settings that decide where runs are stored, with whom blocks are shared, and who computes them."""
HYDRAS_OWN = (
    "hydra/config",
    *(f"hydra/{group}/default" for group in ("output", "help", "hydra_help", "env", "job_logging", "hydra_logging")),
)
"""Files of Hydra's that a composition takes where nothing else is chosen."""
NAME = re.compile(r"[^$@:\x00-\x1f]*")
"""A group, file or package in a list of includes."""


def check_file(file: Path, values: dict[Any, Any], package: str | None, *, is_primary: bool) -> None:
    """Raise ConfigError if a file asks Hydra for anything but to include files of `conf/`.

    Parameters
    ----------
    file : where it is, for the message
    values : what it states
    package : what its first lines say, ``# @package NAME``
    is_primary : whether it is config.yaml
    """
    if package is not None and (is_primary or not NAME.fullmatch(package) or _is_hydras(package)):
        raise ConfigError(f"{file}: '@package {package}' cannot be; take the line out, or write '# @package _global_'")
    if "hydra" in values:
        if not is_primary:
            raise ConfigError(f"{file}: hydra is stated, which {PRIMARY}.yaml alone may; take it out")
        _check_params(check_stated(values["hydra"], str(file)), str(file))
    entries = values.get("defaults")
    for entry in entries if isinstance(entries, list) else []:
        _check_entry(entry, str(file), is_primary)


def check_landing(name: str, package: str | None, composed: Any, is_own: bool) -> None:
    """Raise ConfigError if a file lands where it may not.

    Parameters
    ----------
    name : the file as Hydra calls it, such as ``sleeve/energy``
    package : where it lands
    composed : what it states, from the root on
    is_own : whether it is a file of a folder of configuration, not one of Hydra's
    """
    if not is_own:
        group, _, member = name.rpartition("/")
        if name not in HYDRAS_OWN:
            check_choice(group, member, f"{name} in {package}")
        if package != "hydra" and package != group.replace("/", "."):
            raise ConfigError(f"{name} lands in {package}, wanted {group.replace('/', '.')}; take it out")
        return
    if name == PRIMARY or not isinstance(composed, DictConfig):
        return
    for key in composed:
        if key == "hydra":
            raise ConfigError(f"{name} lands in {package}, beneath hydra, which {PRIMARY}.yaml alone may state")
        if key in PLACES:
            raise ConfigError(
                f"{name} states {key}, which {PRIMARY}.yaml and the command line alone may: it decides where runs are "
                f"stored and who computes them; take it out, or pass {key}=VALUE"
            )


def check_override(override: Override) -> None:
    """Raise ConfigError if an override asks for what none may: beneath `hydra`, outside `conf/`, or of a resolver."""
    key, said = override.key_or_group, f"'{override.input_line}'"
    if _is_hydras(key):
        _check_hydras(override, said)
    elif override.package is not None and not _is_place_for_a_file(override.package):
        raise ConfigError(f"{said}: a file goes into portfolio.sleeves.NAME, not into '{override.package}'")
    for value in _texts(override._value):
        _check_value(key, value, said)


def chosen_files(overrides: Iterable[Override]) -> list[str]:
    """Return the files that overrides may choose, as Hydra calls them; keys of settings come along, and do no harm."""
    chosen = []
    for override in overrides:
        if not override.is_delete() and not _is_hydras(override.key_or_group):
            chosen += [f"{override.key_or_group}/{_raw(value)}" for value in _texts(override._value)]
    return chosen


def _check_entry(entry: Any, who: str, is_primary: bool) -> None:
    for key, value in entry.items() if isinstance(entry, dict) else [(entry, None)]:
        words = str(key).split()
        for text in [str(key), *(value if isinstance(value, list) else [value])]:
            if isinstance(text, str) and (not NAME.fullmatch(text.replace("@", "", 1)) or ".." in text.split("/")):
                raise ConfigError(
                    f"{who}: defaults includes '{text}', wanted the name of a file in conf/, without '..', '$' and ':'"
                )
        group, _, package = (words[-1] if words else "").partition("@")
        is_hydras = _is_hydras(group.lstrip("/"))
        if package and not _is_place_for_a_file(package, in_file=True):
            raise ConfigError(f"{who}: defaults puts '{key}' into '{package}'; a file goes into sleeves.NAME")
        if is_hydras and not (is_primary and words[0] == "override" and not package):
            raise ConfigError(
                f"{who}: defaults includes '{key}', which {PRIMARY}.yaml alone may, as 'override {group.lstrip('/')}'"
            )
        if is_hydras:
            check_choice(group.lstrip("/"), value, f"{who}: defaults")


def _check_hydras(override: Override, said: str) -> None:
    key = override.key_or_group
    if override.package is not None or override.is_delete() or override.is_sweep_override():
        raise ConfigError(f"{said}: beneath hydra a choice or a plain setting can be set, as in hydra/launcher=basic")
    value = override.value()
    if key in CHOICES or key in LOGGING:
        return check_choice(key, value, said)
    node: Any = value
    for step in reversed(key.split(".")[1:]):
        node = {step: node}
    if states_params(node):  # and Hydra's own merge of a mapping into its null fails with a traceback
        raise ConfigError(f"{said}: {PRIMARY}.yaml alone states hydra.sweeper.params; sweep here as portfolio.lag=1,2")
    check_stated(node, said)


def _check_params(params: dict[str, Any], who: str) -> None:
    """Raise ConfigError if overrides that a sweeper is to add ask for what those of the command line may not."""
    for key, value in params.items():
        for parsed in OverridesParser.create().parse_overrides([f"{key}={value}"]):
            if _is_hydras(parsed.key_or_group):
                raise ConfigError(f"{who}: hydra.sweeper.params sets {key}, which is no setting of a configuration")
            check_override(parsed)


def _is_hydras(name: str) -> bool:
    """Return whether a group, key or package is Hydra's own."""
    steps = re.split(r"[./@:\[]", name.strip().lstrip("/"))
    return "hydra" in (steps[0], *(steps[1:2] if steps[0] in ("_global_", "_group_", "_name_", "") else ()))


def _is_place_for_a_file(package: str, *, in_file: bool = False) -> bool:
    first = package.split(".")[0]
    if not NAME.fullmatch(package) or _is_hydras(package):
        return False
    return in_file or first in ("portfolio", "_global_")


def _texts(value: Any) -> Iterator[Any]:
    """Yield every single value in a value of an override: of lists, mappings and sweeps too."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, ChoiceSweep):
        yield from _texts(value.list)
    elif not isinstance(value, RangeSweep | Glob):
        yield value


def _check_value(key: str, value: Any, said: str) -> None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        wrong = plain_number(str(value)) if isinstance(value, int) else None
    else:
        wrong = _wrong_text(key, value)
    if wrong:
        raise ConfigError(f"{said}: {wrong}")


def _wrong_text(key: str, value: Any) -> str | None:
    text = _raw(value)
    if not isinstance(text, str):
        return None
    refuse_resolvers(key, text)
    if wrong := unprintable(text):
        return wrong
    return None if isinstance(value, QuotedString) else plain_number(text)


def _raw(value: Any) -> Any:
    return value.text if isinstance(value, QuotedString) else value
