"""Stand-ins: a portfolio's file that includes nothing goes past Hydra, which is given its name instead of its values.

1. Hydra copies what it composes value by value, and a tree of hundreds of sleeves many times. A file whose keys are
   texts, and which states no list of includes, can be stood in for.
2. Where the portfolio comes out as that name and nothing else, it is what the file states. Where anything else was
   merged into it, or the name came to stand elsewhere, all has to be composed again, values and all.

Each file has a name of its own, so that two of them never merge into one. No file can state such a name: its mark is a
control character.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from metabt.config.documents import read

MARK = "\x02"
"""Begins the key that names a file."""
GROUP = "portfolio"
"""Group of the files that are stood in for, and the place where they land."""


def can_stand_in(config_path: str, values: dict[Any, Any]) -> bool:
    """Return whether the name of a file, as Hydra calls it, may be handed over instead of its values."""
    is_portfolio = PurePosixPath(config_path).parts[:-1] == (GROUP,)
    return is_portfolio and not isinstance(values.get("defaults"), list) and _has_texts_for_keys(values)


def stand_in(file: Path) -> dict[str, Any]:
    """Return what is handed over instead of the values of a file."""
    return {f"{MARK}{file}": True}


def stand_well(composed: dict[Any, Any]) -> bool:
    """Return whether composed plain values have a stand-in as the whole portfolio and nowhere else, or none at all."""
    named = _file_of(composed.get(GROUP))
    return not _is_named_in({key: value for key, value in composed.items() if key != GROUP or named is None})


def filled_in(composed: dict[str, Any]) -> dict[str, Any]:
    """Return composed plain values with what the file states that is named as the portfolio, if one is.

    What it states is shared: it is to be copied before it is changed.
    """
    file = _file_of(composed.get(GROUP))
    return composed if file is None else {**composed, GROUP: read(file)}


def _file_of(tree: Any) -> Path | None:
    """Return the file that is named as a portfolio; None where anything else is."""
    keys = list(tree) if isinstance(tree, dict) else []
    is_named = len(keys) == 1 and isinstance(keys[0], str) and keys[0].startswith(MARK)
    return Path(keys[0].removeprefix(MARK)) if is_named else None


def _is_named_in(node: Any) -> bool:
    if isinstance(node, dict):
        return any(isinstance(key, str) and key.startswith(MARK) or _is_named_in(it) for key, it in node.items())
    return isinstance(node, list) and any(map(_is_named_in, node))


def _has_texts_for_keys(node: Any) -> bool:
    if isinstance(node, dict):
        return all(isinstance(key, str) and _has_texts_for_keys(it) for key, it in node.items())
    return not isinstance(node, list) or all(map(_has_texts_for_keys, node))
