"""Veil: values of files travel through Hydra unread, as one text each.

1. A mapping `defaults` of a sleeve gets another name: to Hydra, `defaults` is a list of includes.
2. An interpolation is no interpolation to Hydra, so that it resolves none.
3. A list is one text: Hydra replaces lists and never looks into them, and takes long to carry a hundred thousand
   symbols.

`restored` undoes it. The mark is a control character, which no file can hold.
"""

from __future__ import annotations

import json
from typing import Any

OWN_DEFAULTS = "_sleeve_defaults_"
"""Key under which a file's mapping `defaults` travels."""
MARK = "\x01"
"""Begins a list that travels as text; inside `${` it hides an interpolation."""
OPEN_TO_HYDRA = ("defaults", "hydra")
"""Keys of a file that Hydra itself reads; `guard` has checked them."""


def veiled(values: dict[Any, Any]) -> dict[Any, Any]:
    """Return what Hydra is given of a file."""
    given = {key: value if key in OPEN_TO_HYDRA else _veiled(value) for key, value in values.items()}
    if isinstance(given.get("defaults"), dict):
        given[OWN_DEFAULTS] = _veiled(given.pop("defaults"))
    return given


def restored(node: Any) -> Any:
    """Return composed plain values as the files state them, every mapping `defaults` under its own name."""
    if isinstance(node, str):
        return _restored_text(node)
    if isinstance(node, list):
        return [restored(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: restored(value) for key, value in node.items() if key != OWN_DEFAULTS}
    if OWN_DEFAULTS in node:
        plain["defaults"] = {**plain.get("defaults", {}), **restored(node[OWN_DEFAULTS])}
    return plain


def _veiled(value: Any) -> Any:
    if isinstance(value, str):
        return _hidden(value)
    if isinstance(value, dict):
        return {key: _veiled(item) for key, item in value.items()}
    if isinstance(value, list):
        return MARK + _hidden(json.dumps(value)) if _travels_as_text(value) else [_veiled(item) for item in value]
    return value


def _travels_as_text(value: Any) -> bool:
    """Return whether JSON gives back just what it is given: its keys are text."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _travels_as_text(item) for key, item in value.items())
    return all(map(_travels_as_text, value)) if isinstance(value, list) else True


def _hidden(text: str) -> str:
    return text.replace("${", f"${MARK}{{")


def _restored_text(text: str) -> Any:
    plain = text.replace(f"${MARK}{{", "${")
    return json.loads(plain[1:]) if plain.startswith(MARK) else plain
