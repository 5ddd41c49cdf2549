"""Attribution rows by sleeve and item, and how many of a sleeve's are listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metabt.report.reading import numbers
from metabt.values.tables import Table, texts

EFFECTS = ("allocation", "selection", "interaction")
"""Names of the effects of an item."""

MAX_ASSETS = 6_000
"""Largest number of assets listed of all leaves together; each leaf has at least `FEWEST`."""
FEWEST = 4
"""Assets listed of a leaf with more than these."""
MOST = 40
"""Largest number of assets listed of a leaf."""


@dataclass(frozen=True)
class AttributionRow:
    """What one item of a sleeve contributed to returns."""

    item: str
    """A child or an asset, cash or costs."""
    kind: str
    """child, asset, cash or costs."""
    own: float
    """Contribution to the sleeve's net return, a fraction."""
    root: float
    """Contribution to the portfolio's net return, a fraction."""


def by_sleeve(table: Table) -> dict[str, list[AttributionRow]]:
    """Return path -> its rows, in the order of the table."""
    found: dict[str, list[AttributionRow]] = {}
    columns = [texts(table[name]) for name in ("path", "item", "kind")]
    values = (numbers(table, "own").tolist(), numbers(table, "root").tolist())
    for path, item, kind, own, root in zip(*columns, *values, strict=True):
        found.setdefault(path, []).append(AttributionRow(item, kind, own, root))
    return found


def by_effect(table: Table) -> dict[str, dict[tuple[str, str], dict[str, float]]]:
    """Return path -> (kind, item) -> effect -> contribution to the portfolio's net return."""
    found: dict[str, dict[tuple[str, str], dict[str, float]]] = {}
    columns = [texts(table[name]) for name in ("path", "kind", "item", "effect")]
    for path, kind, item, effect, root in zip(*columns, numbers(table, "root").tolist(), strict=True):
        found.setdefault(path, {}).setdefault((kind, item), {})[effect] = root
    return found


def listed(values: Sequence[float], most: int) -> tuple[list[int], list[int]]:
    """Return which of many are listed one by one, the largest first, and which are summed up."""
    order = sorted(range(len(values)), key=lambda place: -abs(values[place]))
    return (order, []) if len(order) <= most else (order[: most - 1], order[most - 1 :])


def most_assets(specs: Mapping[str, Mapping[str, Any]]) -> int:
    """Return how many assets of each leaf are listed."""
    leaves = sum(spec["kind"] == "leaf" for spec in specs.values())
    return min(MOST, max(FEWEST, MAX_ASSETS // max(leaves, 1)))


def closing(gap: float) -> str:
    """Return the sentence that says how well sums close."""
    return f"Largest gap between a row and what is beneath it: {gap:.0e}."
