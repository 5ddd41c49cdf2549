"""Steps: the registered functions that may stand between a dataset's prices and its returns.

1. `panel:` of a dataset names one or several, each a name or a mapping: `{name: ..., before: 5, over: dataset, ...}`.
   What else it has are parameters of the step, checked against its signature.
2. A name is an entry point of an installed distribution in the group `metabt.steps`: a function of a sheet and its
   parameters, or a class that is built with them and called with a sheet. Nothing else is ever imported.
3. A step is addressed by the files and the versions of its distribution, as plug-in estimators are, by its parameters,
   by how it is called, and by the code that calls it.
4. A process that is to call a step has the same files, or refuses.
"""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from metabt.data.step import Step
from metabt.errors import ConfigError, DataError, nearest
from metabt.estimators.parameters import checked_parameters
from metabt.estimators.registry import known_steps, loaded, requirements, sources
from metabt.values.arguments import shown, whole
from metabt.values.digests import digest
from metabt.values.reached_code import reached
from metabt.values.scalars import plain_scalars

NONE = "none"
"""Stated for a dataset that is to have no step any more."""
OVER = ("asset", "dataset")
"""What a step is shown at a time: one asset, or all of the dataset."""
OWN = ("name", "before", "over")
"""Settings of every step; all others are parameters of it."""
CALLERS = ("metabt.data.panel.stepped",)
"""Modules that, with all they reach, call steps."""
MOST = 16
"""Steps that a dataset may have."""


def canonical_steps(who: str, stated: Any) -> tuple[dict[str, Any], ...]:
    """Return the steps that a dataset states, each with its settings and its parameters as the step types them.

    Parameters
    ----------
    who : str
        Begins messages, such as "panel of dataset 'mine'".
    stated : str, mapping or sequence of these
        A name, a name with settings, or several in the order in which they are applied; `none` and nothing are none.

    Raises
    ------
    ConfigError
        For a name that is not registered, or a setting that cannot be meant.
    """
    if stated is None or stated == NONE:
        return ()
    several = isinstance(stated, Sequence) and not isinstance(stated, str | bytes)
    found = tuple(_canonical(who, each) for each in (stated if several else [stated]))
    if len(found) > MOST:
        raise ConfigError(f"{who} has {len(found)} steps, wanted at most {MOST}; make one of several of them")
    return found


def built_steps(who: str, canonical: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """Return steps that can be called, from what `canonical_steps` returned, in this process or another one.

    Raises
    ------
    ConfigError
        For one that is not installed here, or is of other parameters.
    """
    return tuple(_built(who, json.dumps(each, sort_keys=True)) for each in canonical)


def _canonical(who: str, stated: Any) -> dict[str, Any]:
    settings = {"name": stated} if isinstance(stated, str) else plain_scalars(stated)
    if not isinstance(settings, Mapping) or not isinstance(settings.get("name"), str):
        raise ConfigError(
            f"{who} is {shown(stated)}, wanted the name of a registered step, or a mapping with one: "
            "{name: NAME, before: 5, over: dataset}"
        )
    name, spread = settings["name"], settings.get("over", OVER[0])
    if name not in known_steps():
        known = known_steps()
        cure = nearest(name, known) or f"; registered are {', '.join(known) or 'none'} (docs/panels.md)"
        raise ConfigError(f"{who}: no step is called '{name}'{cure}")
    if spread not in OVER:
        raise ConfigError(f"{who}: over of step '{name}' is {shown(spread)}, wanted {' or '.join(OVER)}")
    before = whole(f"{who}: before of step '{name}'", settings.get("before", 0), 0)
    given = {key: value for key, value in settings.items() if key not in OWN}
    params = checked_parameters(_who(who, name), _signed(name), given)
    try:
        json.dumps(params, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{who}: step '{name}': {error}; its parameters are plain values") from error
    return {"name": name, "before": before, "over": spread, **params}


@cache
def _built(who: str, text: str) -> Step:
    settings = json.loads(text)
    (checked,) = canonical_steps(who, settings)
    name, params = checked["name"], {key: value for key, value in checked.items() if key not in OWN}
    packages = tuple(sorted((requirements("step", name) | sources("step", name)).items()))
    code = reached(CALLERS)
    made = digest(["step", checked, list(packages), code.digest, code.libraries])
    call = _Registered(name, json.dumps(params, sort_keys=True), packages)
    said = "".join(f", {key}: {value}" for key, value in sorted(checked.items()) if key != "name")
    return Step(name, call, checked["before"], checked["over"] == OVER[1], made, name + said, packages)


@dataclass(frozen=True)
class _Registered:
    """Calls a registered step, in whichever process; it travels as its name, its parameters and its versions."""

    name: str
    params: str
    packages: tuple[tuple[str, str], ...]

    def __call__(self, sheet: Any) -> Any:
        return _callable(self)(sheet)


@cache
def _callable(step: _Registered) -> Callable[[Any], Any]:
    """Return the function of a step, once this process is known to have the same files."""
    if step.name not in known_steps():
        raise DataError("it is not installed in this process; install its package on every machine")
    here = tuple(sorted((requirements("step", step.name) | sources("step", step.name)).items()))
    if here != step.packages:
        other = ", ".join(sorted({name for name, _ in {*here} ^ {*step.packages}}))
        raise DataError(f"this process has another version of it ({other}); install the same one on every machine")
    found, params = loaded("step", step.name), json.loads(step.params)
    made: Any = found(**params) if inspect.isclass(found) else partial(found, **params)
    if not callable(made):
        raise DataError(f"it is a {type(made).__name__} that cannot be called; give its class a __call__(self, sheet)")
    call: Callable[[Any], Any] = made
    return call


def _signed(name: str) -> Callable[..., Any]:
    """Return what has the signature of a step's parameters: its constructor, or the function without the sheet."""
    found = loaded("step", name)
    return found if inspect.isclass(found) else types.MethodType(found, object())


def _who(who: str, name: str) -> str:
    return f"{who}: step '{name}'"
