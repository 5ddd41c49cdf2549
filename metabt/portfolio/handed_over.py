"""Handed over: an estimator that Python states as an object or a class, where configuration states a name.

No digest can say what an object will do. It is known by its class and by its place among the objects of its tree, which
is enough within one walk and nowhere else: blocks and runs that such an estimator decides are remembered nowhere.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from metabt.errors import ConfigError
from metabt.estimators.handed_over import optimizer_of, selector_of
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.selectors.base import Selector
from metabt.portfolio.sleeve import Estimator, Leaf, Meta, Sleeve


@dataclass(frozen=True, repr=False)
class HandedOver(Estimator):
    """An optimizer or a selector that is there already; its name is its class and its number in the tree."""

    made: Any = None
    """The object, or the class to build one from."""
    stated: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the class, as they were given."""

    def __repr__(self) -> str:
        return f"{self.name} (handed over)"

    @cached_property
    def optimizer(self) -> Optimizer:
        """The optimizer; ConfigError for what is none."""
        return optimizer_of(f"optimizer {self.name}", self.made, self.stated)

    @cached_property
    def selector(self) -> Selector:
        """The selector; ConfigError for what is none."""
        return selector_of(f"selector {self.name}", self.made, self.stated)

    def within(self, low: float, high: float) -> HandedOver:
        """Return it with bounds of its weights: a class takes them as parameters, an object has its own.

        Raises
        ------
        ConfigError
            For an object that would have to honour bounds.
        """
        if (low, high) == (0.0, 1.0):
            return self
        if isinstance(self.made, type):
            return replace(self, stated={"min_weight": low, "max_weight": high, **self.stated})
        raise ConfigError(
            f"fallback {self.name} has no bounds, and the optimizer before it has [{low:g}, {high:g}]; hand over its "
            "class, with parameters min_weight and max_weight, or leave it out"
        )


def handed_over(name: str, made: object, params: Mapping[str, Any]) -> HandedOver:
    """Return an estimator that is known by `name`; of an object a copy is kept, as it is now.

    Raises
    ------
    ConfigError
        For an object that cannot be copied.
    """
    try:
        return HandedOver(name, {}, made if isinstance(made, type) else copy.deepcopy(made), dict(params))
    except Exception as error:  # foreign code: a lock, a connection or a generator in it
        raise ConfigError(
            f"estimator {name} cannot be copied ({type(error).__name__}: {error}), and every window is fitted by a "
            "fresh copy; hand over its class instead: {'name': " + type(made).__name__ + ", parameter: value}"
        ) from error


def is_handed_over(spec: Leaf | Meta) -> bool:
    """Return whether an estimator of a sleeve is an object or a class that a caller handed over."""
    return any(True for _ in _of(spec))


def objects_of(trees: Iterable[Sleeve]) -> tuple[str, ...]:
    """Return the names of the estimators that were handed over, in the order of the trees' nodes, each once.

    Raises
    ------
    ConfigError
        If several objects of different trees have one name: walked together, they would be taken for each other.
    """
    found: dict[str, HandedOver] = {}
    for it in (it for tree in trees for it in _in(tree)):
        if found.setdefault(it.name, it).made is not it.made:
            raise ConfigError(f"two trees have their own estimator {it.name}; walk them in an engine each")
    return tuple(found)


def _in(tree: Sleeve) -> Iterator[HandedOver]:
    for _, sleeve in tree.walk():
        yield from _of(sleeve.spec)


def _of(spec: Leaf | Meta) -> Iterator[HandedOver]:
    selector = (spec.selector,) if isinstance(spec, Leaf) else ()
    for estimator in (spec.optimizer, *spec.fallback, *selector):
        if isinstance(estimator, HandedOver):
            yield estimator
