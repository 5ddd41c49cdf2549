"""Ranges of partitions and numbers of things, in words: `2005-2007, 2012` and `3 blocks`."""

from __future__ import annotations

from collections.abc import Sequence


def plural(count: int, noun: str) -> str:
    """Return `1 block`, `2 blocks`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def spans(labels: Sequence[str], among: Sequence[str] | None = None) -> str:
    """Return labels in time order with neighbours joined: `2005-2007, 2012`.

    `among` has all labels there are, in time order; without them calendar years follow one another.
    """
    runs: list[list[str]] = []
    place = {label: i for i, label in enumerate(among or _years(labels))}
    for label in labels:
        if runs and place[label] == place[runs[-1][-1]] + 1:
            runs[-1].append(label)
        else:
            runs.append([label])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _years(labels: Sequence[str]) -> list[str]:
    if labels and all(label.isdigit() for label in labels):
        return [f"{year:04d}" for year in range(int(labels[0]), int(labels[-1]) + 1)]
    return list(labels)
