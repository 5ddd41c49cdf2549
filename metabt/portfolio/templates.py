"""Templates: one sleeve written for many.

1. A sleeve with `expand: {variable: [values], ...}` becomes one sleeve per combination of the values, in the order in
   which they are listed; its key is the pattern of their names.
2. Text that is exactly "{variable}" becomes the value itself: a number, a list, a mapping.
3. "{variable}" inside a longer text is written into it; "{variable.key}" reads an item of a mapping.
4. A template within a template waits (`Within`) until it is its turn: it sees the variables around it beside its own,
   also in the lists of its `expand`. What a value brings along, be it a whole subtree, is taken as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from metabt.errors import ConfigError, nearest

LONGEST = 10_000
"""Characters that variables may add to a text."""

_PLACE = re.compile(r"\{([A-Za-z_]\w*(?:\.\w+)*)\}")


@dataclass(frozen=True)
class Within:
    """A template that stands within another one, which has been expanded."""

    template: Mapping[str, object]
    known: Mapping[str, object]
    """Values of the variables around it."""


def is_template(sleeve: object) -> bool:
    """Return whether what is stated for a sleeve stands for several."""
    return isinstance(sleeve, Within) or (isinstance(sleeve, Mapping) and "expand" in sleeve)


def expand(where: str, pattern: str, stated: Mapping[str, object] | Within) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield (name, sleeve) for every combination of a template's values; templates beneath it stay templates.

    Raises
    ------
    ConfigError
        For an `expand` that is no mapping of non-empty lists, a variable that nothing defines, or one that a template
        around it has, too.
    """
    template, around = (stated.template, stated.known) if isinstance(stated, Within) else (stated, {})
    over = _lists(where, fill(where, template["expand"], around) if around else template["expand"], around)
    body = {key: value for key, value in template.items() if key != "expand"}
    for values in product(*over.values()):
        known = {**around, **dict(zip(over, values, strict=True))}
        yield str(fill(where, pattern, known)), _filled_sleeve(where, body, known)


def _lists(where: str, over: object, around: Mapping[str, object]) -> Mapping[str, list[object]]:
    """Return the values of each variable of an `expand`, if it can be one."""
    if not isinstance(over, Mapping) or not over or not all(isinstance(v, list) and v for v in over.values()):
        raise ConfigError(
            f"sleeve '{where}': expand is {over!r}, wanted {{variable: [values], ...}} with at least one value"
        )
    for variable in over:
        if variable in around:
            raise ConfigError(
                f"sleeve '{where}': expand has a variable '{variable}', and so has a template around it; wanted a name "
                "of its own, since '{" + str(variable) + "}' cannot mean both: rename one of them"
            )
    return over


def _filled_sleeve(where: str, body: Mapping[str, object], known: Mapping[str, object]) -> dict[str, object]:
    """Return a sleeve with its variables replaced, all but those of templates beneath it."""
    listed = body.get("sleeves")
    if not isinstance(listed, Mapping):
        return _filled_mapping(where, body, known)
    own = {key: value for key, value in body.items() if key != "sleeves"}
    return {**_filled_mapping(where, own, known), "sleeves": _filled_children(where, listed, known)}


def _filled_children(where: str, listed: Mapping[str, object], known: Mapping[str, object]) -> dict[str, object]:
    children: dict[str, object] = {}
    for key, child in listed.items():
        if isinstance(child, Mapping) and "expand" in child:
            _put(where, children, str(key), Within(child, known))
            continue
        filled = _filled_sleeve(where, child, known) if isinstance(child, Mapping) else fill(where, child, known)
        _put(where, children, str(fill(where, key, known)), filled)
    return children


def _filled_mapping(where: str, value: Mapping[str, object], known: Mapping[str, object]) -> dict[str, object]:
    filled: dict[str, object] = {}
    for key, item in value.items():
        _put(where, filled, str(fill(where, key, known)), fill(where, item, known))
    return filled


def _put(where: str, into: dict[str, object], name: str, value: object) -> None:
    if name in into:
        raise ConfigError(f"sleeve '{where}': a template makes two entries called '{name}'; give each its own name")
    into[name] = value


def count_sleeves(tree: object, known: dict[int, int] | None = None) -> int:
    """Return how many sleeves a tree has, its templates counted and not expanded.

    A template's own templates count once for each of its sleeves. Where a variable stands for a whole subtree, or for
    the list of an inner template, that is not known here and counts as one.
    """
    known = {} if known is None else known  # by identity: a mapping may stand in several places, or contain itself
    listed = tree.get("sleeves") if isinstance(tree, Mapping) else None
    if isinstance(listed, Mapping) and id(tree) not in known:
        known[id(tree)] = 1
        known[id(tree)] += sum(_combinations(child) * count_sleeves(child, known) for child in listed.values())
    return known.get(id(tree), 1)


def count_characters(node: Mapping[str, object] | Sequence[object], known: dict[int, int] | None = None) -> int:
    """Return about how many characters a tree states, its templates counted and not expanded.

    Nothing is known here of what variables stand for, so it may be more.
    """
    known = {} if known is None else known  # by identity, as for sleeves
    if id(node) not in known:
        known[id(node)] = 2
        items = [item for key, item in node.items() if key != "expand"] if isinstance(node, Mapping) else node
        known[id(node)] += sum(
            _combinations(item) * count_characters(item, known)
            if isinstance(item, Mapping | list | tuple)
            else 4 + (len(item) if isinstance(item, str) else 0)  # quotes, a comma and a space
            for item in items
        )
    return known[id(node)]


def _combinations(template: object) -> int:
    over = template.get("expand") if isinstance(template, Mapping) else None
    return prod(len(v) for v in over.values() if isinstance(v, list)) if isinstance(over, Mapping) else 1


def fill(where: str, value: object, known: Mapping[str, object]) -> object:
    """Return `value` with every "{variable}" in its texts, however deep, replaced from `known`.

    Messages begin with `where`, a path.
    """
    if isinstance(value, str):
        whole = _PLACE.fullmatch(value)
        if whole:
            return _look_up(where, whole[1], known)
        return _filled_text(where, value, known)
    if isinstance(value, Mapping):
        return _filled_mapping(where, value, known)
    if isinstance(value, list):
        return [fill(where, item, known) for item in value]
    return value


def _filled_text(where: str, value: str, known: Mapping[str, object]) -> str:
    """Return a text with its variables written in, measured before it is made."""
    if "{" not in value:  # as most, such as a universe's
        return value
    texts = {place: str(_look_up(where, place, known)) for place in set(_PLACE.findall(value))}
    length = sum(len(texts[place]) for place in _PLACE.findall(value))
    if length > LONGEST:
        raise ConfigError(
            f"sleeve '{where}': a template makes a text of {length:,} characters, the limit is {LONGEST:,}"
        )
    return _PLACE.sub(lambda place: texts[place[1]], value)


def _look_up(where: str, name: str, known: Mapping[str, object]) -> object:
    value: object = known
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            options = value if isinstance(value, Mapping) else ()
            raise ConfigError(f"sleeve '{where}': template has no value for '{{{name}}}'{nearest(part, options)}")
        value = value[part]
    return value
