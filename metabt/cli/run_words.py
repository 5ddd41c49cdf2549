"""Words of the command line that name portfolios and runs.

1. `metabt backtest demo` is short for `metabt backtest portfolio=demo`.
2. Where a command takes a run, overrides after its name are of that run: `metabt weights demo portfolio.optimizer=hrp`.
   Before any name they are of the portfolio that `portfolio=NAME` names, or of any.

What a name means is said in metabt.lakehouse.runs.names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metabt.errors import ConfigError

LATEST = "latest"
"""What stands for no name."""


def is_name(word: str) -> bool:
    """Return whether a word of the command line is a name, and no override."""
    return "=" not in word and not word.startswith(("~", "+", "portfolio."))


def chosen(words: Sequence[str]) -> list[str]:
    """Return overrides, a bare name among them as the portfolio that it chooses.

    >>> chosen(["demo", "start=2000-01-01"])
    ['portfolio=demo', 'start=2000-01-01']

    Raises
    ------
    ConfigError
        For two portfolios.
    """
    names = [word for word in words if is_name(word)]
    stated = [word.partition("=")[2] for word in words if word.startswith("portfolio=")]
    if len(names) > 1 or (names and stated):
        both = " and ".join(f"'{name}'" for name in [*names, *stated])
        raise ConfigError(f"the portfolios {both} are named, and one can be run; several are: -m portfolio=NAME,NAME")
    return [f"portfolio={word}" if is_name(word) else word for word in words]


def named_runs(words: Sequence[str], most: int) -> dict[str, Any]:
    """Return the arguments `name` and `overrides`, with `most` = 2 also `other` and `other_overrides`.

    >>> named_runs(["demo", "demo", "portfolio.optimizer=hrp"], 2)
    {'name': 'demo', 'overrides': [], 'other': 'demo', 'other_overrides': ['portfolio.optimizer=hrp']}

    Raises
    ------
    ConfigError
        For more names than that.
    """
    runs = split(words)
    if len(runs) > most:
        found = ", ".join(name for name, _ in runs)
        raise ConfigError(f"got {len(runs)} runs ({found}), wanted {'one' if most == 1 else 'one or two'}")
    (name, overrides), *rest = runs or [(LATEST, [])]
    if most == 1:
        return {"name": name, "overrides": overrides}
    other, of_other = rest[0] if rest else (None, [])
    return {"name": name, "overrides": overrides, "other": other, "other_overrides": of_other}


def split(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return the runs that words name, each a name and its overrides; none for no words.

    >>> split(["demo", "demo", "portfolio.optimizer=hrp"])
    [('demo', []), ('demo', ['portfolio.optimizer=hrp'])]
    """
    runs: list[tuple[str, list[str]]] = []
    for word in words:
        if is_name(word):
            runs.append((word, []))
        else:
            runs = runs or [(_stated(words), [])]
            runs[-1][1].append(word)
    return runs


def _stated(words: Sequence[str]) -> str:
    stated = [word.partition("=")[2] for word in words if word.startswith("portfolio=")]
    return stated[-1] if stated else LATEST
