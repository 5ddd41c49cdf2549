"""What may be stated beneath `hydra`: a launcher, a sweeper, and plain settings of both. Everything else is refused.

Hydra can be told to call any function, to import any module, to write anywhere and to read the environment. So what is
allowed is listed, and `check_stated` looks at files and overrides before Hydra does; `check_composed` looks once more
at what came out, before anything is made of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from metabt.errors import ConfigError, nearest
from metabt.values.limits import JOBS

CORE = "hydra._internal.core_plugins"
CHOICES: Mapping[str, Mapping[str, str]] = {
    "hydra/launcher": {
        "metabt": "hydra_plugins.metabt_launcher.MetabtLauncher",
        "basic": f"{CORE}.basic_launcher.BasicLauncher",
        "joblib": "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
        "ray": "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher",
    },
    "hydra/sweeper": {
        "metabt": "hydra_plugins.metabt_launcher.MetabtSweeper",
        "basic": f"{CORE}.basic_sweeper.BasicSweeper",
        "optuna": "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper",
    },
    "hydra/sweeper/sampler": {
        "cmaes": "optuna.samplers.CmaEsSampler",
        "grid": "optuna.samplers.GridSampler",
        "motpe": "optuna.samplers.MOTPESampler",
        "nsgaii": "optuna.samplers.NSGAIISampler",
        "random": "optuna.samplers.RandomSampler",
        "tpe": "optuna.samplers.TPESampler",
    },
}
"""Group -> its members that may be chosen -> what Hydra makes of each, and of no other."""
LOGGING = {"hydra/job_logging": ("none",), "hydra/hydra_logging": ("none",)}
"""Groups of which config.yaml chooses a member that calls nothing."""

Check = tuple[Callable[[Any], bool], str]
"""Whether a value will do, and what was wanted, in words."""


def _is(*allowed: Any) -> Check:
    words = ["null" if value is None else str(value).lower() for value in allowed]
    return lambda value: any(type(value) is type(one) and value == one for one in allowed), " or ".join(words)


def _either(one: Check, other: Check) -> Check:
    return lambda value: one[0](value) or other[0](value), f"{one[1]} or {other[1]}"


WHOLE: Check = (lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number")
MANY = 1024
"""Most processes that a launcher or a sweeper may be told to start."""
PROCESSES: Check = (lambda value: WHOLE[0](value) and abs(value) <= MANY, f"a whole number up to {MANY}")
NUMBER: Check = (lambda value: isinstance(value, int | float) and not isinstance(value, bool), "a number")
TRUTH: Check = (lambda value: isinstance(value, bool), "true or false")
NAME: Check = (
    lambda value: isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:/-]*", value) is not None,
    "a plain name",
)
FILE: Check = (
    lambda value: isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", value) is not None,
    "a plain name without dots and slashes: a file may be called so",
)

PLAIN: Mapping[str, Check] = {
    "job.name": FILE,
    "job.chdir": _is(False, None),
    "output_subdir": _is(None),
    "run.dir": _is("."),
    "sweep.dir": _is("."),
    "sweep.subdir": _is("."),
    "launcher.n_jobs": PROCESSES,
    "launcher.verbose": WHOLE,
    "launcher.timeout": _either(NUMBER, _is(None)),
    "launcher.batch_size": _either(WHOLE, _is("auto")),
    "launcher.prefer": _is("processes"),
    "launcher.ray.init.address": NAME,
    "launcher.ray.init.num_cpus": NUMBER,
    "launcher.ray.init.num_gpus": NUMBER,
    "launcher.ray.init.object_store_memory": _either(WHOLE, _is(None)),
    "launcher.ray.remote.num_cpus": NUMBER,
    "launcher.ray.remote.num_gpus": NUMBER,
    "sweeper.max_batch_size": _either(WHOLE, _is(None)),
    "sweeper.n_trials": WHOLE,
    "sweeper.n_jobs": PROCESSES,
    "sweeper.max_failure_rate": NUMBER,
    "sweeper.study_name": FILE,
    "sweeper.direction": _is("minimize", "maximize"),
    "sweeper.sampler.seed": WHOLE,
    "sweeper.sampler.n_startup_trials": WHOLE,
    "sweeper.sampler.n_ei_candidates": WHOLE,
    "sweeper.sampler.population_size": WHOLE,
    "sweeper.sampler.multivariate": TRUTH,
    "sweeper.sampler.consider_prior": TRUTH,
}
"""Path beneath `hydra` -> what it may be. A setting of another launcher than the chosen one is refused by Hydra."""
PARAMS = "sweeper.params"
"""The one mapping with keys of the user's: overrides of every sweep, which are checked as such."""
NEVER = ("_target_", "()", "class", "ext", "factory")
"""Keys by which Hydra, or Python's logging, is told what to call."""
EMPTY = ("callbacks", "searchpath", "job.env_set", "job.env_copy")
"""What must come out empty."""


def check_choice(group: str, name: Any, who: str) -> None:
    """Raise ConfigError unless `name` is a member of one of Hydra's own groups that may be chosen."""
    known = {**CHOICES, **LOGGING}
    if group not in known:
        raise ConfigError(f"{who}: {group} is no choice of metabt's; {_allowed()}")
    if not isinstance(name, str) or name not in known[group]:
        shown = name if isinstance(name, str) else repr(name)
        raise ConfigError(f"{who}: no {group} '{shown}'{nearest(str(name), known[group])}")


def package_of(group: str, name: str) -> str | None:
    """Return the package that brings a member of one of Hydra's own groups; None for what is no such member."""
    target = CHOICES.get(group, {}).get(name, "")
    if target.startswith("optuna."):
        return "hydra-optuna-sweeper"
    return target.split(".")[1].replace("_", "-") if target.startswith("hydra_plugins.hydra_") else None


def check_stated(node: Any, who: str) -> dict[str, Any]:
    """Return the overrides that a sweeper's `params` state, after checking all that `node` states beneath `hydra`.

    Raises
    ------
    ConfigError
        For a key that is not listed here, or a value of another kind.
    """
    params: dict[str, Any] = {}
    for path, value in _leaves(node, ""):
        if path == PARAMS or path.startswith(f"{PARAMS}."):
            params.update(value if path == PARAMS and isinstance(value, dict) else {path[len(PARAMS) + 1 :]: value})
        else:
            _check_plain(path, value, who)
    return params


def states_params(node: Any) -> bool:
    """Return whether `node` states overrides that a sweeper is to add, or an empty mapping of them."""
    return any(path == PARAMS or path.startswith(f"{PARAMS}.") for path, _ in _leaves(node, ""))


def check_composed(hydra: Mapping[str, Any]) -> None:
    """Raise ConfigError if Hydra's own node would have anything called but the launcher and the sweeper chosen."""
    handlers = ("logging.StreamHandler", "logging.FileHandler")  # of Hydra's default, where config.yaml says no other
    may_call = {
        "hydra_logging.handlers.console.class": handlers,
        "job_logging.handlers.console.class": handlers,
        "job_logging.handlers.file.class": handlers,
        "launcher._target_": CHOICES["hydra/launcher"].values(),
        "sweeper._target_": CHOICES["hydra/sweeper"].values(),
        "sweeper.sampler._target_": CHOICES["hydra/sweeper/sampler"].values(),
    }
    for path, value in _leaves(dict(hydra), "", (PARAMS,)):
        if path.rpartition(".")[2] in NEVER and value not in may_call.get(path, ()):
            raise ConfigError(f"hydra.{path} names '{value}'; configuration cannot call code, take it out")
        if path == "job_logging.handlers.file.filename" and not str(value).startswith("${hydra.runtime.output_dir}/"):
            raise ConfigError(f"hydra.{path} is '{value}'; {_allowed()}")
        if value and any(path == empty or path.startswith(f"{empty}.") for empty in EMPTY):
            raise ConfigError(f"hydra.{path} is {value!r}; {_allowed()}")


def _check_plain(path: str, value: Any, who: str) -> None:
    where = f"{who}: hydra.{path}" if path else f"{who}: hydra"
    if path.rpartition(".")[2] in NEVER:
        raise ConfigError(f"{where} names '{value}'; configuration cannot call code, take it out")
    if path not in PLAIN:
        raise ConfigError(f"{where} cannot be set, configuration cannot call code or write files; {_allowed()}")
    will_do, wanted = PLAIN[path]
    if not will_do(value):
        raise ConfigError(f"{where} is {value!r}, wanted {wanted}")
    if path == "sweeper.n_trials":
        JOBS.check(where, value)


def _leaves(node: Any, path: str, whole: tuple[str, ...] = (PARAMS,)) -> Iterator[tuple[str, Any]]:
    """Yield (path, value) of everything that is no mapping with keys, and of the mappings in `whole`."""
    if isinstance(node, dict) and node and path not in whole:
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key), whole)
    elif isinstance(node, list) and any(isinstance(item, dict | list) for item in node):
        for place, value in enumerate(node):
            yield from _leaves(value, f"{path}.{place}" if path else str(place), whole)
    else:
        yield path, node


def _allowed() -> str:
    return (
        "allowed are hydra/launcher=metabt|basic|joblib|ray, hydra/sweeper=metabt|basic|optuna and their plain "
        "settings, as in hydra.launcher.n_jobs=2; take it out"
    )
