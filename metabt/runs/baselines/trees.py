"""Trees made from a tree: the same sleeves under the same schedules, lags and costs, weighted in another way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace

from metabt.portfolio.built_estimators import build_optimizer
from metabt.portfolio.sleeve import Estimator, Leaf, Rules, Sleeve

EQUAL = Estimator("equal")
"""The optimizer of equal weights."""

Weights = Mapping[str, Mapping[str, float]]
"""Path of a meta sleeve -> name of a child -> its weight."""


def reweighted(tree: Sleeve, optimizer: str) -> Sleeve:
    """Return a tree in which every meta sleeve has this optimizer, within its bounds; leaves stay what they are."""
    return _rebuilt(tree, "", lambda leaf: leaf, lambda path, it, children: _within(it, optimizer))


def equal_weight(tree: Sleeve) -> Sleeve:
    """Return a tree in which nothing is chosen: equal weights of all children, and of all assets of every leaf."""

    def unchosen(leaf: Leaf) -> Leaf:
        return replace(leaf, optimizer=EQUAL, selector=Estimator("all"))

    return _rebuilt(tree, "", unchosen, lambda path, it, children: EQUAL)


def static(tree: Sleeve, weights: Weights) -> Sleeve:
    """Return a tree in which every meta sleeve trades back to given weights once warm-up is over.

    Identical children share what they have: it makes no difference which of them holds it.
    """

    def fixed(path: str, sleeve: Sleeve, children: tuple[Sleeve, ...]) -> Estimator:
        twins: dict[str, list[str]] = {}
        for child in children:
            twins.setdefault(child.spec.digest, []).append(child.name)
        given = {
            name: sum(float(weights[path][twin]) for twin in same) / len(same)
            for same in twins.values()
            for name in same
        }
        return Estimator("fixed", {"weights": given, "warm_up": True})

    return _rebuilt(tree, "", lambda leaf: leaf, fixed)


def _within(sleeve: Sleeve, optimizer: str) -> Estimator:
    """Return an optimizer with the bounds of a sleeve's own, where these bind anything."""
    own = build_optimizer(sleeve.spec.optimizer)
    bounds = {"min_weight": own.min_weight, "max_weight": own.max_weight}
    return Estimator(optimizer, bounds if own.min_weight > 0.0 or own.max_weight < 1.0 else {})


def _rebuilt(
    sleeve: Sleeve,
    above: str,
    leaf: Callable[[Leaf], Leaf],
    optimizer: Callable[[str, Sleeve, tuple[Sleeve, ...]], Estimator],
) -> Sleeve:
    """Return a tree with other leaves, and other optimizers given path, sleeve and the children it now has."""
    path = f"{above}/{sleeve.name}" if above else sleeve.name
    if isinstance(sleeve.spec, Leaf):
        return Sleeve(sleeve.name, leaf(sleeve.spec))
    children = tuple(_rebuilt(child, path, leaf, optimizer) for child in sleeve.sleeves)
    names = [*(field.name for field in fields(Rules)), "warmup", "min_history"]
    rules = {name: getattr(sleeve.spec, name) for name in names}
    rules |= {"optimizer": optimizer(path, sleeve, children), "fallback": sleeve.estimators["fallback"]}
    return Sleeve.meta(sleeve.name, children, **rules)
