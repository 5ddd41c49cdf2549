"""Trial settings: a resolved tree as what was tried, whatever it is called and whichever version resolved it.

1. Names are left out. Children are ordered by digest, and estimators know them by it.
2. Every default is written out, those of estimators too, so that `hrp` and `{name: hrp, covariance: sample}` are one
   trial, and a default whose value changes makes another one.
3. A setting that was introduced later is left out at the value that keeps the old behaviour: LATER of a spec
   (metabt.portfolio.sleeve), LATER_PARAMETERS of an estimator.
4. Of a universe that is drawn anew it is the rule that counts: who joins later is no setting.
5. Of a plug-in the digest of its files is there, of skfolio and other libraries the name and the parameters alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from metabt.estimators.moments.covariance import COVARIANCES
from metabt.estimators.moments.families import Family
from metabt.estimators.moments.mean import MEANS
from metabt.estimators.registry import OPTIMIZERS, SELECTORS, loaded, sources
from metabt.portfolio.child_names import by_child
from metabt.portfolio.sleeve import Estimator, Leaf, Meta
from metabt.values.digests import digest

LATER_PARAMETERS: Mapping[str, Mapping[str, object]] = {}
"""Estimator -> parameter that was introduced after the ledger -> the value with which it is left out."""
FAMILIES: Mapping[str, Family] = {"covariance": COVARIANCES, "mean": MEANS}
"""Parameter of an estimator that chooses one of a family."""
OWN_FILES = "metabt (files)"
"""What a plug-in's requirements say of metabt where that is installed for editing: newer code is no new trial."""


@dataclass(frozen=True)
class TrialSettings:
    """Digests of specs as trials; those that trees share are worked out once."""

    _known: dict[str, str] = field(default_factory=dict)

    def digest(self, spec: Leaf | Meta) -> str:
        """Return the SHA-256 (hex) of what a sleeve, and all beneath it, was told."""
        if spec.digest not in self._known:
            self._known[spec.digest] = digest(self.plain(spec))
        return self._known[spec.digest]

    def plain(self, spec: Leaf | Meta) -> dict[str, Any]:
        """Return what a sleeve was told as plain values, children as their digests."""
        children = spec.children if isinstance(spec, Meta) else ()
        labels = self._labels(children)
        stated: dict[str, Any] = {
            **spec.plain(),
            "optimizer": told("optimizer", spec.optimizer, labels),
            "fallback": [told("optimizer", each, labels) for each in spec.fallback],
        }
        if isinstance(spec, Meta):
            return {**stated, "children": sorted(map(self.digest, children))}
        stated["selector"] = told("selector", spec.selector, [])
        is_stated = spec.signal is None if spec.drawn is None else spec.drawn.stated
        return stated if is_stated else {name: it for name, it in stated.items() if name != "universe"}

    def _labels(self, children: tuple[Leaf | Meta, ...]) -> list[tuple[str, str]]:
        """Return (digest as a trial, digest of the spec) of each child; one trial of two specs keeps both apart."""
        pairs = {child.digest: self.digest(child) for child in children}
        several = len(set(pairs.values())) < len(pairs)
        return [(f"{own} {key}" if several else own, key) for key, own in pairs.items()]


def told(kind: str, estimator: Estimator, children: list[tuple[str, str]]) -> dict[str, Any]:
    """Return what an estimator was told: its name, all its parameters, and the files of a plug-in.

    `kind` is optimizer or selector; `children` are (what it is to know it by, digest of its spec) of each child.
    """
    name, params = estimator.name, dict(estimator.params)
    params = by_child(name, params, children) if params and children else params
    if name not in (OPTIMIZERS if kind == "optimizer" else SELECTORS):
        is_library = name.startswith("skfolio.")
        return {"name": name, "params": params, "files": {} if is_library else own_files(sources(kind, name))}
    whole = {**defaults(loaded(kind, name)), **params}
    whole = {key: _chosen(FAMILIES[key], it) if key in FAMILIES else it for key, it in whole.items()}
    return {"name": name, "params": _without(name, whole)}


def own_files(packages: Mapping[str, str]) -> dict[str, str]:
    """Return of packages and versions the digests of files that somebody wrote, metabt's own left out."""
    return {it: text for it, text in packages.items() if it.endswith(" (files)") and it != OWN_FILES}


@cache
def defaults(builder: Any) -> Mapping[str, Any]:
    """Return parameter -> default of what builds an estimator."""
    signature = inspect.signature(builder)
    return {name: it.default for name, it in signature.parameters.items() if it.default is not it.empty}


def _chosen(family: Family, choice: Any) -> dict[str, Any]:
    """Return a choice of a family with every parameter of it."""
    stated = {"name": choice} if isinstance(choice, str) else dict(choice)
    name = stated.pop("name")
    return {"name": name, "params": _without(f"{family.kind}.{name}", {**defaults(family.builders[name]), **stated})}


def _without(who: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters without those that came later and keep the old behaviour."""
    later = LATER_PARAMETERS.get(who, {})
    return {key: it for key, it in params.items() if key not in later or it != later[key]}
