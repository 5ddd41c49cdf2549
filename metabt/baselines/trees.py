"""Trees made from a tree: the same sleeves under the same schedules, lags and costs, weighted in another way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

from metabt.sleeve import Estimator, Leaf, Rules, Sleeve

EQUAL = Estimator("equal")
"""The same weight for everything."""


def reweighted(tree: Sleeve, optimizer: Estimator) -> Sleeve:
    """Return a tree in which every meta sleeve has this optimizer; leaves stay what they are."""
    return _rebuilt(tree, optimizer, lambda leaf: leaf)


def equal_weight(tree: Sleeve) -> Sleeve:
    """Return a tree in which nothing is chosen: equal weights of all children, and of all assets of every leaf."""
    return _rebuilt(tree, EQUAL, lambda leaf: replace(leaf, optimizer=EQUAL, selector=Estimator("all")))


def _rebuilt(sleeve: Sleeve, optimizer: Estimator, leaf: Callable[[Leaf], Leaf]) -> Sleeve:
    if isinstance(sleeve.spec, Leaf):
        return Sleeve(sleeve.name, leaf(sleeve.spec))
    children = tuple(_rebuilt(child, optimizer, leaf) for child in sleeve.sleeves)
    return Sleeve.meta(sleeve.name, children, **{**meta_rules(sleeve), "optimizer": optimizer})


def meta_rules(sleeve: Sleeve) -> dict[str, object]:
    """Return what a meta sleeve's spec states besides its children."""
    rules = {field.name: getattr(sleeve.spec, field.name) for field in fields(Rules)}
    return {**rules, **{name: getattr(sleeve.spec, name) for name in ("warmup", "min_history")}}
