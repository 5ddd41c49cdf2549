"""Edit a composed tree by path: `portfolio.sleeves.equities.optimizer.max_weight=0.3`.

1. Walk the path. A step that no file states is created, except beneath `sleeves`, where it must be a sleeve's name.
2. `optimizer: erc` is short for `{name: erc}`, and `schedule: monthly` for `{period: monthly}`, so a step into it opens
   the short form first.
3. Set the value. A mapping merges into a mapping, but an estimator and a schedule are replaced: another has other
   parameters. Or remove it; where a value is stated, only if it has that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from metabt.config.overrides import kind, parse
from metabt.errors import ConfigError, nearest

ESTIMATORS = ("optimizer", "selector")
"""Keys whose value is an estimator."""
SHORT = {**dict.fromkeys(ESTIMATORS, "name"), "schedule": "period"}
"""Keys whose value may be a bare name, and is replaced as a whole -> what the name is short for."""


def edited(tree: Mapping[Any, Any], texts: Iterable[str]) -> dict[Any, Any]:
    """Return a tree with edits such as ``portfolio.lookback=63``; the tree itself stays as it is.

    Raises
    ------
    ConfigError
        As `apply` does.
    """
    config = {"portfolio": _copied(tree)}
    for text in texts:
        apply(config, text)
    return config["portfolio"]


def _copied(node: Any) -> Any:
    """Return a copy of mappings and lists; what they hold, estimators that are objects too, is the same."""
    if isinstance(node, Mapping):
        return {key: _copied(value) for key, value in node.items()}
    return [_copied(item) for item in node] if isinstance(node, list) else node


def apply(config: dict[str, Any], text: str) -> None:
    """Apply one override, such as ``portfolio.lookback=63``, to the composed configuration in place.

    Raises
    ------
    ConfigError
        If the path leads through a sleeve that does not exist or through a plain value, or the value is a sweep.
    """
    override = parse(text)
    if override.is_sweep_override():
        raise ConfigError(f"'{text}' is a sweep; add --multirun to run it once per value, or write a list as [a,b]")
    steps = override.key_or_group.split(".")
    node: Any = config
    for depth in range(len(steps) - 1):
        node = _enter(node, steps, depth, text)
    _finish(node, steps, override.value(), kind(override), text)


def _enter(node: Any, steps: list[str], depth: int, text: str) -> Any:
    step, here = steps[depth], ".".join(steps[: depth + 1])
    if isinstance(node, list):
        return node[_index(node, step, text)]
    if step not in node:
        _refuse_unknown_sleeve(node, steps[: depth + 1], text)
        if step in ESTIMATORS:
            raise ConfigError(f"'{text}': {here} states no name; write {here}='{{name: ..., {steps[depth + 1]}: ...}}'")
        node[step] = {}
    if step in SHORT and isinstance(node[step], str):
        node[step] = {SHORT[step]: node[step]}
    if not isinstance(node[step], dict | list):
        raise ConfigError(
            f"'{text}': {here} is {node[step]!r}, which has no '{steps[depth + 1]}'; replace it as a whole: {here}=..."
        )
    return node[step]


def _finish(node: Any, steps: list[str], value: Any, how: str, text: str) -> None:
    step = steps[-1]
    if isinstance(node, list):
        node[_index(node, step, text)] = value
    elif how == "delete":
        if step not in node:
            raise ConfigError(f"'{text}': there is no '{step}' to remove{nearest(step, node)}")
        if value is not None and node[step] != value:
            raise ConfigError(f"'{text}': {'.'.join(steps)} is {node[step]!r}; to remove it anyway: ~{'.'.join(steps)}")
        del node[step]
    else:
        if how == "set":
            _refuse_unknown_sleeve(node, steps, text)
        node[step] = _merged(node.get(step), value) if step not in SHORT else value


def _refuse_unknown_sleeve(node: Mapping[str, Any], steps: list[str], text: str) -> None:
    if steps[-2:-1] != ["sleeves"] or steps[-1] in node:
        return
    templates = [name for name in node if "{" in name]
    cure = f" (to add one: +{'.'.join(steps)}='{{...}}')"
    if templates:
        cure = f" (sleeves made from the template '{templates[0]}' are edited in its file)"
    raise ConfigError(f"'{text}': no sleeve '{steps[-1]}' in {'.'.join(steps[:-1])}{nearest(steps[-1], node)}{cure}")


def _merged(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}


def _index(items: list[Any], step: str, text: str) -> int:
    if step.isdecimal() and int(step) < len(items):
        return int(step)
    raise ConfigError(f"'{text}': '{step}' is no position in a list of {len(items)}; replace the list as a whole")
