"""Code of sleeves: which modules can change a bit of a sleeve's block, or of a run, and what they say.

1. A leaf is walked by other modules than a meta sleeve.
2. Of the estimators only those count that the sleeve names: its optimizer, its fallbacks, its selector, and the
   covariance and the mean among their parameters. Those of another package are fitted by modules of their own.
3. How keys are made changes keys and no block; so that module is left out.

Sleeves of one kind, which is all of this, share their code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from metabt.estimators.registry import OPTIMIZERS, SELECTORS
from metabt.portfolio.sleeve import Estimator, Leaf, Meta
from metabt.values.reached_code import Code, choices, reached

WALK = (
    "metabt.walk.walk_forward",
    "metabt.build.inputs",
    "metabt.build.cached_walk",
    "metabt.numerics.platform",
)
"""Modules that, with all they reach, decide what a block is."""
ADDRESSES = frozenset(
    {
        "metabt.build.keys",
        "metabt.build.sleeve_code",
        "metabt.estimators.plugins.plugin_source",
        "metabt.build.memory_estimate",
        "metabt.engines.usable_memory",
    }
)
"""Modules that name blocks, or refuse to walk them, and do not make them."""
LEAF, META = "leaf", "meta"
OTHERS = {
    LEAF: frozenset({"metabt.walk.meta.meta_sleeve", "metabt.walk.book"}),
    META: frozenset({"metabt.walk.leaf"}),
}
"""Kind of sleeve -> modules that only the other kind is walked by; what they alone import goes with them."""
FOREIGN = frozenset(
    {
        "metabt.estimators.optimizers.fitted",
        "metabt.estimators.plugins.skfolio",
        "metabt.estimators.selectors.fitted",
    }
)
"""Modules that estimators of other packages are fitted by."""

MOST = 2**17
"""Sleeves of which kinds are kept."""

Kind = tuple[str, ...]
"""leaf or meta, and the names that such a sleeve's estimators and their parameters choose, sorted."""

_kinds: dict[str, Kind] = {}
"""Spec digest -> kind: the sleeves of a sweep are those of many runs."""


def kind_of(spec: Leaf | Meta) -> Kind:
    """Return the kind of a sleeve: all of its spec that decides which code it is walked by."""
    kind = _kinds.get(spec.digest)
    if kind is None:
        if len(_kinds) >= MOST:
            _kinds.clear()
        kind = LEAF if isinstance(spec, Leaf) else META, *sorted(_names(_estimators(spec)))
        _kinds[spec.digest] = kind
    return kind


@cache
def code_of_kind(kind: Kind) -> Code:
    """Return the code that the blocks of all sleeves of a kind are computed by."""
    walked, *names = kind
    return reached(WALK, frozenset(names), ADDRESSES | OTHERS[walked] | _closed(names))


def walked_modules() -> frozenset[str]:
    """Return the modules that decide what the blocks of some kind of sleeve are."""
    return frozenset(reached(WALK, None, ADDRESSES).modules)


def run_code(entries: tuple[str, ...], specs: Iterable[Leaf | Meta]) -> Code:
    """Return the code of a run over some sleeves that begins at the modules `entries`."""
    names = frozenset({name for kind in {kind_of(spec) for spec in specs} for name in kind[1:]})
    return reached(entries, names, ADDRESSES | _closed(names))


def _closed(names: Iterable[str]) -> frozenset[str]:
    foreign = set(names) - choices() - OPTIMIZERS.keys() - SELECTORS.keys()
    return frozenset() if foreign else FOREIGN


def _estimators(spec: Leaf | Meta) -> tuple[Estimator, ...]:
    selector = (spec.selector,) if isinstance(spec, Leaf) else ()
    return (spec.optimizer, *spec.fallback, *selector)


def _names(estimators: Iterable[Estimator]) -> set[str]:
    """Return the names of estimators, and of the choices that their parameters make."""
    return {it.name for it in estimators} | {
        text for it in estimators for text in _texts(it.params) if text in choices()
    }


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
