"""Registry: the closed list of names that a configuration may use for an optimizer or a selector.

1. A native name leads to one class, imported when it is first asked for.
2. `skfolio.X` leads to a class that skfolio exports, checked to be the right kind by
   `metabt.estimators.plugins.skfolio`.
3. Any other name must be an entry point of an installed distribution, in the group `metabt.optimizers`,
   `metabt.selectors` or, for what stands between prices and returns (metabt.estimators.steps), `metabt.steps`. A
   configuration names none of the modules that are imported: names are never code. What keys say of it are versions
   (`requirements`) and the digest of its files (`sources`, metabt.estimators.plugins.plugin_source).
4. Parameters are checked against the constructor's signature before anything is built (`metabt.estimators.parameters`).
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, entry_points
from importlib.metadata import distribution as metadata_of
from typing import Any

from metabt.errors import ConfigError, nearest
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.parameters import checked_parameters
from metabt.estimators.selectors.base import Selector

OPTIMIZERS: Mapping[str, str] = types.MappingProxyType(
    {
        "equal": "metabt.estimators.optimizers.equal:Equal",
        "erc": "metabt.estimators.optimizers.erc:EqualRiskContribution",
        "fixed": "metabt.estimators.optimizers.fixed:Fixed",
        "hrp": "metabt.estimators.optimizers.hrp:HierarchicalRiskParity",
        "inverse_volatility": "metabt.estimators.optimizers.inverse_volatility:InverseVolatility",
        "max_diversification": "metabt.estimators.optimizers.max_diversification:MaxDiversification",
        "max_sharpe": "metabt.estimators.optimizers.max_sharpe:MaxSharpe",
        "mean_variance": "metabt.estimators.optimizers.mean_variance:MeanVariance",
        "min_cvar": "metabt.estimators.optimizers.min_cvar:MinCVaR",
        "min_variance": "metabt.estimators.optimizers.min_variance:MinVariance",
    }
)
"""Native optimizers: name -> module:class."""

SELECTORS: Mapping[str, str] = types.MappingProxyType(
    {
        "all": "metabt.estimators.selectors.all:All",
        "decorrelate": "metabt.estimators.selectors.decorrelate:Decorrelate",
        "log_mps": "metabt.estimators.selectors.log_mps:LogMPS",
        "top_k": "metabt.estimators.selectors.top_k:TopK",
    }
)
"""Native selectors: name -> module:class."""


def optimizer(name: str, **params: Any) -> Optimizer:
    """Return the optimizer that a configuration calls `name`.

    Parameters
    ----------
    name : str
        One of OPTIMIZERS, `skfolio.X`, or an entry point of an installed package.
    **params
        Parameters of its constructor, as plain values.

    Returns
    -------
    Optimizer
        A fresh one; foreign ones are wrapped (`FittedOptimizer`).

    Raises
    ------
    ConfigError
        For an unknown name or parameter, or a parameter of the wrong type or range.
    """
    if name.startswith("skfolio."):
        from metabt.estimators.plugins.skfolio import optimizer as build

        return build(name.removeprefix("skfolio."), params)
    found = loaded("optimizer", name)
    if inspect.isclass(found) and issubclass(found, Optimizer):
        return found(**checked_parameters(f"optimizer '{name}'", found, params))
    from metabt.estimators.optimizers.fitted import fitted_optimizer

    return fitted_optimizer(f"optimizer '{name}'", found, params)


def selector(name: str, **params: Any) -> Selector:
    """Return the selector that a configuration calls `name`.

    Parameters
    ----------
    name : str
        One of SELECTORS, `skfolio.X`, or an entry point of an installed package.
    **params
        Parameters of its constructor, as plain values.

    Returns
    -------
    Selector
        A fresh one; foreign ones are wrapped (`FittedSelector`).

    Raises
    ------
    ConfigError
        For an unknown name or parameter, or a parameter of the wrong type or range.
    """
    if name.startswith("skfolio."):
        from metabt.estimators.plugins.skfolio import selector as build

        return build(name.removeprefix("skfolio."), params)
    found = loaded("selector", name)
    parameters = checked_parameters(f"selector '{name}'", found, params)
    if inspect.isclass(found) and issubclass(found, Selector):
        return found(**parameters)
    from metabt.estimators.selectors.fitted import FittedSelector

    return FittedSelector(lambda: found(**parameters), needs_variance=bool(getattr(found, "needs_variance", True)))


def canonical(kind: str, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of an estimator as its constructor types them: 1 becomes 1.0 where a float is wanted.

    `kind` is optimizer or selector. Parameters of plug-ins, and of names that are not known, are returned as they are.

    Raises
    ------
    ConfigError
        As `optimizer` and `selector` do.
    """
    native = _native(kind)
    return checked_parameters(f"{kind} '{name}'", loaded(kind, name), params) if name in native else dict(params)


def known_optimizers() -> tuple[str, ...]:
    """Return every name that `optimizer` takes, except skfolio's; sorted."""
    return tuple(sorted({*OPTIMIZERS, *_plugins("optimizer")}))


def known_selectors() -> tuple[str, ...]:
    """Return every name that `selector` takes, except skfolio's; sorted."""
    return tuple(sorted({*SELECTORS, *_plugins("selector")}))


def known_steps() -> tuple[str, ...]:
    """Return every name of a registered step (metabt.estimators.steps); sorted. metabt has none of its own."""
    return tuple(sorted(_plugins("step")))


def distribution(kind: str, name: str) -> tuple[str, str] | None:
    """Return the name and the version of the installed package that an estimator comes from; None for metabt's own.

    `kind` is optimizer, selector or step. Keys of runs and blocks include them: another version may give other weights.
    """
    found = _origin(kind, name)
    return None if found is None or found[1] is None else (found[1].name, found[1].version)


def _origin(kind: str, name: str) -> tuple[str, Distribution | None] | None:
    """Return module:Class of a plug-in and what has installed it, if anything; None for metabt's own."""
    if name.startswith("skfolio.") and kind != "step":
        return "skfolio", metadata_of("skfolio")
    point = _plugins(kind).get(name)
    if point is None or name in _native(kind):
        return None
    return point.value, point.dist


@cache
def sources(kind: str, name: str) -> dict[str, str]:
    """Return package -> short digest of its files, of what an estimator comes from; empty for metabt's own.

    `kind` is optimizer, selector or step. Of what the package requires there are those that are installed for editing,
    whose version stays while their code changes. Files are read once in a process.

    Raises
    ------
    ConfigError
        If one of its files or modules is missing.
    """
    found = _origin(kind, name)
    if found is None:
        return {}
    from packaging.utils import canonicalize_name

    from metabt.estimators.plugins.plugin_source import files_digest, modules_of

    entry, own = found
    who, module = f"{kind} '{name}'", entry.partition(":")[0]
    digests = {own.name if own else module.partition(".")[0]: files_digest(who, entry, own, [module])}
    for package in sorted(set(requirements(kind, name)) - {own and canonicalize_name(own.name)}):
        required = metadata_of(package)
        if modules := modules_of(required):
            digests[package] = files_digest(who, package, required, modules)
    return {f"{package} (files)": digest[:16] for package, digest in digests.items()}


@cache
def requirements(kind: str, name: str) -> dict[str, str]:
    """Return package -> version of what an estimator comes from and of all that this requires; empty for metabt's own.

    `kind` is optimizer or selector. A solver beneath a plug-in decides its weights as much as the plug-in does. What a
    package requires on other systems or versions of Python is left out, and what is optional unless it is asked for by
    name (`package[extra]`).
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found, seen = dict[str, str](), set[tuple[str, str]]()
    own = distribution(kind, name)
    pending = [Requirement(own[0])] if own else []
    while pending:
        wanted = pending.pop()
        try:
            installed = metadata_of(wanted.name)
        except PackageNotFoundError:  # a requirement that is not there changes nothing
            continue
        key = canonicalize_name(installed.name)
        found[key] = installed.version
        for extra in {"", *wanted.extras}:
            if (key, extra) not in seen:
                seen.add((key, extra))
                required = map(Requirement, installed.requires or ())
                pending += [it for it in required if it.marker is None or it.marker.evaluate({"extra": extra})]
    return found


def _plugins(kind: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"metabt.{kind}s")}


def _native(kind: str) -> Mapping[str, str]:
    if kind == "step":
        return {}
    return OPTIMIZERS if kind == "optimizer" else SELECTORS


def loaded(kind: str, name: str) -> Callable[..., Any]:
    """Return what a name stands for: a class, or a function. `kind` is optimizer, selector or step.

    Raises
    ------
    ConfigError
        For an unknown name, and for a plug-in one of whose files is missing.
    """
    native = _native(kind)
    if name in native:
        module, _, attribute = native[name].partition(":")
        return getattr(import_module(module), attribute)
    plugins = _plugins(kind)
    if name not in plugins:
        others = [] if kind == "step" else ["skfolio.*"]
        raise ConfigError(f"no {kind} is called {name!r}{nearest(name, [*native, *plugins, *others])}")
    sources(kind, name)  # before its code is read, so that they are of one text
    return plugins[name].load()
