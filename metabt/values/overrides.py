"""Overrides of many configurations, side by side: which keys differ, and the shortest names that tell them apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence


def stated(overrides: Iterable[str]) -> dict[str, str]:
    """Return key -> value of overrides as they were stated, quotes around a value left out.

    >>> stated(["portfolio.lookback=63", "portfolio.optimizer='erc'"])
    {'portfolio.lookback': '63', 'portfolio.optimizer': 'erc'}
    """
    pairs = (text.partition("=") for text in overrides)
    return {key: value.strip("'\"") for key, _, value in pairs}


def differing(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the keys that are not set to one and the same value everywhere, in the order in which they come up."""
    keys = dict.fromkeys(key for own in settings for key in own)
    return [key for key in keys if len({own.get(key) for own in settings}) > 1]


def short_names(keys: Sequence[str], taken: Collection[str] = ()) -> dict[str, str]:
    """Return key -> its shortest ending, at a dot, that no other key has and that is not taken.

    >>> short_names(["portfolio.optimizer", "portfolio.sleeves.a.lookback", "portfolio.sleeves.b.lookback"])
    {'portfolio.optimizer': 'optimizer', 'portfolio.sleeves.a.lookback': 'a.lookback', \
'portfolio.sleeves.b.lookback': 'b.lookback'}
    """
    endings = [ending for key in keys for ending in _endings(key)]
    return {
        key: next((it for it in _endings(key) if endings.count(it) == 1 and it not in taken), key.lstrip("+"))
        for key in keys
    }


def in_order(values: Iterable[str]) -> list[str]:
    """Return distinct values in their natural order: numbers by size before words, words as they first came up.

    >>> in_order(["erc", "126", "63", "hrp", "63"])
    ['63', '126', 'erc', 'hrp']
    """
    distinct = list(dict.fromkeys(values))
    numbers = sorted((it for it in distinct if _number(it) is not None), key=lambda it: _number(it) or 0.0)
    return [*numbers, *(it for it in distinct if _number(it) is None)]


def are_numbers(values: Iterable[str]) -> bool:
    """Return whether all values are numbers, so that what lies between two of them has a meaning."""
    return all(_number(it) is not None for it in values)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _endings(key: str) -> list[str]:
    steps = key.lstrip("+").split(".")
    return [".".join(steps[first:]) for first in reversed(range(len(steps)))]
