"""Ranges of partitions and numbers of things, in words: `2005-2007, 2012` and `3 blocks`."""

from __future__ import annotations

from collections.abc import Sequence


def plural(count: int, noun: str) -> str:
    """Return a number with its noun, such as `1 block` or `2 blocks`; the plural takes an s."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def spans(labels: Sequence[str], among: Sequence[str] | None = None) -> str:
    """Return labels in time order with neighbours joined: `2005-2007, 2012`.

    `labels` and `among` are in time order; neighbours are neighbours in `among`. None: labels are calendar years.
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
