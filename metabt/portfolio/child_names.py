"""Names of children in an optimizer's parameters: weights, budgets and constraints of a meta sleeve go by them.

1. As stated, they are the short names of the tree; all must be there.
2. In a spec they are the children's digests: a renamed child, or another order, changes nothing that is computed.
3. Identical children have one digest, so that what is stated of one must hold for all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from metabt.errors import ConfigError
from metabt.estimators import registry
from metabt.estimators.optimizers.base import Optimizer


def by_digest(name: str, params: Mapping[str, object], children: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Return an optimizer's parameters with digests in place of names; `children` are (name, digest) of each.

    Raises
    ------
    ConfigError
        For the name of no child, a parameter by position, or identical children that are not treated alike.
    """
    optimizer = _speaking(name, params)
    if optimizer is None:
        return dict(params)
    who, digests = f"optimizer '{name}'", dict(children)
    for key in optimizer.by_position:
        raise ConfigError(f"{who}: {key} goes by position, which sleeves do not have; give a mapping by name")
    optimizer.check_names(tuple(digests), who, "among its sleeves")
    _check_twins(who, optimizer, params, digests)
    return _renamed(optimizer, params, {child: (digest,) for child, digest in children})


def by_child(name: str, params: Mapping[str, object], children: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Return an optimizer's parameters with names in place of digests: what `by_digest` makes them of."""
    optimizer = _speaking(name, params)
    names: dict[str, tuple[str, ...]] = {}
    for child, digest in children:
        names[digest] = (*names.get(digest, ()), child)
    return dict(params) if optimizer is None else _renamed(optimizer, params, names)


def _speaking(name: str, params: Mapping[str, object]) -> Optimizer | None:
    """Return the optimizer, where parameters like these may speak of items."""
    if not any(isinstance(value, Mapping | list | tuple | str) for value in params.values()):
        return None
    return registry.optimizer(name, **params)


def _check_twins(who: str, optimizer: Optimizer, params: Mapping[str, object], digests: Mapping[str, str]) -> None:
    twins: dict[str, list[str]] = {}
    for child, digest in digests.items():
        twins.setdefault(digest, []).append(child)
    for same in (names for names in twins.values() if len(names) > 1):
        told = " and ".join(f"'{child}'" for child in same)
        for key, missing in optimizer.by_name.items():
            stated: Any = params.get(key) or {}
            values = [stated.get(child, missing) for child in same]
            if any(child in stated for child in same) and any(value != values[0] for value in values):
                raise ConfigError(
                    f"{who}: {told} are identical, so that {key} cannot differ between them, got "
                    f"{', '.join('none' if value is None else str(value) for value in values)}; give each the same"
                )
        for key in optimizer.texts:
            if any(_pattern(same).search(text) for text in _texts(params.get(key))):
                raise ConfigError(f"{who}: {told} are identical, so that {key} cannot tell them apart; leave one out")


def _renamed(optimizer: Optimizer, params: Mapping[str, object], names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    found: dict[str, Any] = dict(params)
    for key in optimizer.by_name:
        if isinstance(stated := params.get(key), Mapping):
            found[key] = {new: value for old, value in stated.items() for new in names.get(old, (old,))}
    for key in optimizer.texts:
        if params.get(key) is not None:
            texts = [_pattern(names).sub(lambda it: names[it[0]][0], text) for text in _texts(params[key])]
            found[key] = texts[0] if isinstance(params[key], str) else texts
    return found


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [text for text in value or () if isinstance(text, str)]


def _pattern(names: Sequence[str] | Mapping[str, object]) -> re.Pattern[str]:
    """Return what finds names in an equation, the longest that fits, between operators and blanks."""
    longest = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<![^\s+\-*<=>])(?:{longest})(?![^\s+\-*<=>])")
