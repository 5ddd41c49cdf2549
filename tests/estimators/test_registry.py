from __future__ import annotations

import inspect
import math
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.metadata import EntryPoint, EntryPoints, PackageNotFoundError
from types import SimpleNamespace

import numpy as np
import pytest
from packaging.utils import canonicalize_name

from metabt.errors import ConfigError, RunError
from metabt.estimators import registry
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.optimizers.fitted import FittedOptimizer, fitted_optimizer
from metabt.estimators.plugins import plugin_source
from metabt.estimators.registry import OPTIMIZERS, SELECTORS, known_optimizers, known_selectors, optimizer, selector
from metabt.estimators.selectors.base import Selector
from metabt.estimators.selectors.fitted import FittedSelector
from metabt.estimators.windows import Windows
from metabt.portfolio.resolve import resolve
from tests.shared.returns import market_returns

PARAMETERS = {"fixed": {"weights": {"A": 0.5}}, "top_k": {"k": 2}, "decorrelate": {"max_correlation": 0.8}}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_built_by_name(name: str) -> None:
    rule = optimizer(name, max_weight=0.5, **PARAMETERS.get(name, {}))
    assert isinstance(rule, Optimizer) and rule.max_weight == 0.5 and rule.min_weight == 0.0
    assert rule.__doc__ and rule.__doc__ != Optimizer.__doc__


@pytest.mark.parametrize("name", known_selectors())
def test_every_selector_is_built_by_name(name: str) -> None:
    rule = selector(name, **PARAMETERS.get(name, {}))
    assert isinstance(rule, Selector) and 0 < rule.most(7) <= 7


BOUNDS = {"min_weight": 0.0, "max_weight": 1.0}
TURNOVER = {"turnover_penalty": 0.0, "max_turnover": None}
DEFAULTS: dict[str, dict[str, object]] = {
    "equal": BOUNDS,
    "erc": {"covariance": "sample", "budgets": None, **BOUNDS},
    "fixed": {"warm_up": False, **BOUNDS},
    "hrp": {"covariance": "sample", **BOUNDS},
    "inverse_volatility": BOUNDS,
    "max_diversification": {"covariance": "sample", **BOUNDS},
    "max_sharpe": {"mean": "sample", "covariance": "sample", **BOUNDS},
    "mean_variance": {"risk_aversion": 2.0, "mean": "sample", "covariance": "sample", **TURNOVER, **BOUNDS},
    "min_cvar": {"beta": 0.95, **BOUNDS},
    "min_variance": {"covariance": "sample", **TURNOVER, **BOUNDS},
    "all": {},
    "decorrelate": {"max_correlation": None, "k": None},
    "log_mps": {
        "cluster_distance": 0.5,
        "max_clusters": 10,
        "top": 1,
        "exponents": "equal",
        "min_efficiency": None,
        "max_drawdown": None,
        "max_shortfall": None,
    },
    "top_k": {"by": "momentum"},
}


@pytest.mark.parametrize(("native", "name"), [(it, name) for it in (OPTIMIZERS, SELECTORS) for name in it])
def test_what_a_configuration_leaves_out_is_what_is_documented(native: Mapping[str, str], name: str) -> None:
    """A default is part of every number of whoever states nothing."""
    module, _, kind = native[name].partition(":")
    stated = inspect.signature(getattr(import_module(module), kind)).parameters.values()
    assert {it.name: it.default for it in stated if it.default is not it.empty} == DEFAULTS[name]
    assert all(it.kind is it.KEYWORD_ONLY for it in stated)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_an_optimizer_says_of_itself(name: str) -> None:
    """Whether it looks at risk and at history, which of its parameters go by item, and what it leaves out there."""
    made = optimizer(name, **PARAMETERS.get(name, {}))
    assert made.needs_variance is (name not in ("equal", "fixed"))
    assert made.needs_history is (name != "fixed")
    assert dict(made.by_name) == {"fixed": {"weights": 0.0}, "erc": {"budgets": 1.0}}.get(name, {})
    assert made.named == (("A",) if name == "fixed" else ())
    assert (made.texts, made.by_position, made.failures_, made.path_dependent) == ((), (), (), False)
    if name == "fixed":
        for warm_up in (False, True):
            assert optimizer(name, weights={"B": 0.5, "A": 0.25}, warm_up=warm_up).needs_history is warm_up


@pytest.mark.parametrize("name", SELECTORS)
def test_what_a_selector_says_of_itself(name: str) -> None:
    made = selector(name, **PARAMETERS.get(name, {}))
    assert made.reads_volume is (name == "log_mps")
    assert made.needs_variance is (name in ("log_mps", "decorrelate"))
    for by in ("momentum", "low_volatility", "sharpe"):
        assert selector("top_k", k=1, by=by).needs_variance is (by != "momentum")


KNOWN = (
    "known: equal, erc, fixed, hrp, inverse_volatility, max_diversification, max_sharpe, mean_variance, min_cvar, "
    "min_variance, skfolio.*"
)
REFUSED: dict[str, list[tuple[str, dict[str, object], str]]] = {
    "optimizer": [
        ("min_varience", {}, "no optimizer is called 'min_varience'; did you mean 'min_variance'?"),
        ("os.system", {}, f"no optimizer is called 'os.system'; {KNOWN}"),
        (OPTIMIZERS["erc"], {}, f"no optimizer is called {OPTIMIZERS['erc']!r}; {KNOWN}"),
        ("erc", {"max_wieght": 0.3}, "optimizer 'erc' has no parameter 'max_wieght'; did you mean 'max_weight'?"),
        (
            "equal",
            {"covariance": "sample"},
            "optimizer 'equal' has no parameter 'covariance'; known: max_weight, min_weight",
        ),
        ("erc", {"max_weight": "0.3"}, "optimizer 'erc': max_weight is '0.3'; wanted a finite number"),
        ("erc", {"max_weight": True}, "optimizer 'erc': max_weight is True; wanted a finite number"),
        ("erc", {"min_weight": math.nan}, "optimizer 'erc': min_weight is nan; wanted a finite number"),
        (
            "erc",
            {"covariance": "sampel"},
            "optimizer 'erc': covariance: no covariance estimator is called 'sampel'; did you mean 'sample'?",
        ),
        ("erc", {"covariance": 3}, "optimizer 'erc': covariance is 3; wanted a word"),
        ("erc", {"budgets": {"A": "x"}}, "optimizer 'erc': budgets.A is 'x'; wanted a finite number"),
        ("fixed", {}, "optimizer 'fixed' needs the parameter 'weights'"),
        ("fixed", {"weights": 3}, "optimizer 'fixed': weights is 3; wanted a mapping"),
        (
            "fixed",
            {"weights": {"A": 1}, "warm_up": 1},
            "optimizer 'fixed': warm_up is 1; wanted true or false",
        ),
        (
            "mean_variance",
            {"mean": "sampel"},
            "optimizer 'mean_variance': mean: no estimator of the mean is called 'sampel'; did you mean 'sample'?",
        ),
        (
            "mean_variance",
            {"mean": {"half_life": 1}},
            "optimizer 'mean_variance': mean is {'half_life': 1}; wanted a name or {name: ..., parameter: ...}",
        ),
        (
            "mean_variance",
            {"mean": {"name": "ewma", "half_life": -2.5}},
            "optimizer 'mean_variance': mean 'ewma': half_life is -2.5; wanted a number of sessions above 0",
        ),
        (
            "mean_variance",
            {"covariance": {"name": "ewma", "half_live": 3}},
            "optimizer 'mean_variance': covariance 'ewma' has no parameter 'half_live'; did you mean 'half_life'?",
        ),
    ],
    "selector": [
        ("log_mpz", {}, "no selector is called 'log_mpz'; did you mean 'log_mps'?"),
        ("nothing", {}, "no selector is called 'nothing'; known: all, decorrelate, log_mps, skfolio.*, top_k"),
        ("top_k", {}, "selector 'top_k' needs the parameter 'k'"),
        ("top_k", {"k": 2.5}, "selector 'top_k': k is 2.5; wanted a whole number"),
        ("top_k", {"k": 0}, "TopK: k is 0; wanted at least 1"),
        (
            "top_k",
            {"k": 2, "by": "momentun"},
            "selector 'top_k': by is 'momentun'; wanted one of momentum, low_volatility, sharpe; "
            "did you mean 'momentum'?",
        ),
        (
            "log_mps",
            {"exponents": {"momentum": "x"}},
            "selector 'log_mps': exponents.momentum is 'x'; wanted a finite number",
        ),
        ("log_mps", {"exponents": 3}, "selector 'log_mps': exponents is 3; wanted a mapping"),
        ("log_mps", {"min_efficiency": "high"}, "selector 'log_mps': min_efficiency is 'high'; wanted a finite number"),
        ("log_mps", {"max_clusters": -1}, "LogMPS: max_clusters is -1; wanted at least 1"),
        ("log_mps", {"top": 0}, "LogMPS: top is 0; wanted at least 1"),
        ("log_mps", {"cluster_distance": -0.5}, "LogMPS: cluster_distance is -0.5; wanted at least 0"),
        (
            "log_mps",
            {"exponents": "publised"},
            "LogMPS: no exponents are called 'publised'; did you mean 'published'?",
        ),
        (
            "log_mps",
            {"exponents": {"liquidity": 1.0, "momentun": 1.0}},
            "LogMPS: exponents has no metric 'momentun'; did you mean 'momentum'?",
        ),
        (
            "log_mps",
            {"exponents": {"liquidity": 0.0, "momentum": -0.25}},
            "LogMPS: the exponent of momentum is -0.25; wanted at least 0",
        ),
        ("decorrelate", {}, "Decorrelate: neither max_correlation nor k; give one, such as max_correlation: 0.8"),
        ("decorrelate", {"max_correlation": 1.5}, "Decorrelate: max_correlation is 1.5; wanted it between 0 and 1"),
        ("decorrelate", {"max_correlation": -0.5}, "Decorrelate: max_correlation is -0.5; wanted it between 0 and 1"),
        ("decorrelate", {"max_correlation": 0.5, "k": 0}, "Decorrelate: k is 0; wanted at least 1"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "name", "params", "message"), [(kind, *case) for kind, cases in REFUSED.items() for case in cases]
)
def test_what_a_configuration_cannot_mean_is_refused(
    kind: str, name: str, params: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole message: who, what was stated, and what is wanted or nearest."""
    monkeypatch.setattr(registry, "_plugins", lambda kind: {})  # whatever else is installed
    with pytest.raises(ConfigError) as error:
        (optimizer if kind == "optimizer" else selector)(name, **params)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("top_k", {"k": 1}),
        ("log_mps", {"max_clusters": 1, "top": 1, "cluster_distance": 0.0}),
        ("decorrelate", {"max_correlation": 0.0}),
        ("decorrelate", {"max_correlation": 1.0}),
        ("decorrelate", {"k": 1}),
    ],
)
def test_what_lies_on_the_bound_of_a_selector_s_parameter_is_taken(name: str, params: dict[str, object]) -> None:
    made = selector(name, **params)
    assert {key: getattr(made, key) for key in params} == params


def test_whole_numbers_are_floats_where_floats_are_wanted() -> None:
    assert repr(optimizer("erc", max_weight=1).max_weight) == "1.0"
    assert selector("log_mps", cluster_distance=1).cluster_distance == 1.0


class Heaviest:
    """An estimator of the plain convention, as another package might bring it."""

    def __init__(self, power: float = 1.0, max_weight: float = 1.0) -> None:
        self.power = power

    def fit(self, X: np.ndarray) -> Heaviest:
        if (X > 0.5).any():
            raise ValueError("too wild")
        w = X.std(axis=0) ** self.power
        self.weights_ = w / w.sum()
        return self


class Even:
    """A plain selector: every other column."""

    def fit(self, X: np.ndarray) -> Even:
        self._support = np.arange(X.shape[1]) % 2 == 0
        return self

    def get_support(self) -> np.ndarray:
        return self._support


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install two plug-ins, as a distribution with entry points would."""
    points = EntryPoints(
        [
            EntryPoint("heaviest", "tests.estimators.test_registry:Heaviest", "metabt.optimizers"),
            EntryPoint("even", "tests.estimators.test_registry:Even", "metabt.selectors"),
        ]
    )
    monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))


def test_entry_points_are_estimators(plugins: None) -> None:
    assert "heaviest" in known_optimizers() and "even" in known_selectors()
    X = market_returns(0, 60, 4)
    rule = optimizer("heaviest", power=2)
    windows = Windows(X, np.array([30, 60]), np.array([30, 30]))
    support = np.array([[True, True, False, True], [False, False, False, False]])
    weights, solved = rule.weigh(windows, support)
    expected = X[:30, support[0]].std(0) ** 2
    assert np.allclose(weights[0, support[0]], expected / expected.sum(), rtol=1e-12)
    assert solved.tolist() == [True, False] and not weights[1].any() and not weights[:, 2].any()
    assert rule.needs_variance and selector("even").needs_variance  # what does not say is taken to measure risk
    assert selector("even").fit(X).get_support().tolist() == [True, False, True, False]
    with pytest.raises(ConfigError, match="did you mean 'power'"):
        optimizer("heaviest", powr=2)


@pytest.mark.parametrize(("kind", "name"), [("optimizer", "erc"), ("selector", "all")])
def test_metabt_s_own_come_before_plug_ins_of_their_names(
    kind: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other kind's names are free: a selector may be called erc."""
    points = [
        EntryPoint(name, "tests.estimators.test_registry:Heaviest", f"metabt.{it}s") for it in ("optimizer", "selector")
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: EntryPoints(points).select(group=group))
    other = "selector" if kind == "optimizer" else "optimizer"
    own = optimizer(name) if kind == "optimizer" else selector(name)
    assert type(own).__module__.startswith("metabt.") and not isinstance(own, FittedOptimizer | FittedSelector)
    assert registry._origin(kind, name) is None
    assert registry._origin(other, name) == ("tests.estimators.test_registry:Heaviest", None)
    assert known_optimizers() == tuple(sorted({*OPTIMIZERS, name}))
    assert known_selectors() == tuple(sorted({*SELECTORS, name}))


def test_parameters_are_typed_as_they_are_built() -> None:
    assert repr(registry.canonical("optimizer", "erc", {"max_weight": 1})) == "{'max_weight': 1.0}"
    assert repr(registry.canonical("selector", "top_k", {"k": np.int64(2)})) == "{'k': 2}"
    for name in ("skfolio.MeanRisk", "theirs", "top_k"):
        assert registry.canonical("optimizer", name, {"x": 1}) == {"x": 1}
    for kind, name, params, told in (
        ("optimizer", "erc", {"max_weight": "x"}, "optimizer 'erc': max_weight is 'x'; wanted a finite number"),
        ("selector", "top_k", {"k": 1.5}, "selector 'top_k': k is 1.5; wanted a whole number"),
    ):
        with pytest.raises(ConfigError) as caught:
            registry.canonical(kind, name, params)
        assert str(caught.value) == told


def test_the_source_of_what_nothing_has_installed_goes_by_the_package_that_it_lies_in(plugins: None) -> None:
    for kind, name in (("optimizer", "heaviest"), ("selector", "even")):
        (package,) = registry.sources(kind, name)
        assert package == "tests (files)" and registry.distribution(kind, name) is None


def test_sources_go_by_who_asks_what_the_entry_names_and_what_has_installed_it(
    plugins: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a plug-in itself and of what it requires that is under editing, each under its own name."""
    asked, own, needed = [], SimpleNamespace(name="A_Plugin"), SimpleNamespace(name="solver")

    def files_digest(*args: object) -> str:
        asked.append(args)
        return f"{len(asked):x}" * 64

    monkeypatch.setattr(plugin_source, "files_digest", files_digest)
    monkeypatch.setattr(plugin_source, "modules_of", lambda found: ["solving"] if found is needed else [])
    monkeypatch.setattr(registry, "metadata_of", {"solver": needed, "other": own}.__getitem__)
    for origin, package, needs in (
        (("theirs.rule:Rule", own), "A_Plugin", ["other", "solver", "a-plugin"]),
        (("theirs.rule:Rule", None), "theirs", ["solver", "other"]),
    ):
        asked.clear()
        monkeypatch.setattr(registry, "requirements", lambda kind, name, needs=needs: dict.fromkeys(needs, "1"))
        registry.sources.cache_clear()
        monkeypatch.setattr(registry, "_origin", lambda kind, name, origin=origin: origin)
        found = registry.sources("selector", "rule")
        assert found == {f"{package} (files)": "1" * 16, "solver (files)": "2" * 16}
        assert asked == [
            ("selector 'rule'", *origin, ["theirs.rule"]),
            ("selector 'rule'", "solver", needed, ["solving"]),
        ]
    registry.sources.cache_clear()


@pytest.mark.parametrize("kind", ["optimizer", "selector"])
def test_a_parameter_that_a_plug_in_lacks_is_told_by_its_name(
    plugins: None, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "sources", lambda kind, name: {})  # of all of this folder, which takes seconds
    name, known = ("heaviest", "; known: max_weight, power") if kind == "optimizer" else ("even", "")
    with pytest.raises(ConfigError) as caught:
        (optimizer if kind == "optimizer" else selector)(name, depth=2)
    assert str(caught.value) == f"{kind} '{name}' has no parameter 'depth'{known}"


def test_a_plug_in_without_bounds_is_a_fallback_where_there_are_none(plugins: None) -> None:
    leaf = {"name": "x", "dataset": "d", "universe": ["A", "B", "C"], "fallback": [{"name": "heaviest", "power": 2}]}
    assert resolve({**leaf, "optimizer": "min_variance"}).spec.fallback[0].name == "heaviest"
    resolve({**leaf, "optimizer": {"name": "min_variance", "max_weight": 0.5}})
    wanted = (
        r"sleeve 'x': fallback 'heaviest' cannot have the bounds .*\[0.1, 0.5\].*no parameter 'min_weight'.*; take it"
    )
    with pytest.raises(ConfigError, match=wanted):
        resolve({**leaf, "optimizer": {"name": "min_variance", "min_weight": 0.1, "max_weight": 0.5}})


@pytest.mark.parametrize("total", [0.5, 0.99, 1.01, 1.5])
def test_foreign_weights_that_do_not_sum_to_one_are_refused(total: float) -> None:
    class Off:
        def fit(self, X: np.ndarray) -> None:
            self.weights_ = np.full(X.shape[1], total / X.shape[1])

    rule = fitted_optimizer("optimizer 'off'", Off, {})
    windows = Windows(market_returns(0, 40, 4), np.array([40]), np.array([40]))
    weights, solved = rule.weigh(windows, np.ones((1, 4), bool))
    assert not solved.any() and not weights.any()
    assert f"weights sum to {total:g}; wanted 1" in str(rule.failures_[0][1])


INSTALLED = {
    "A_Plugin": (
        'solver.x[fast]>=1; python_version >= "3"',
        'elsewhere; sys_platform == "none"',
        'optional; extra == "all"',
        "absent (>=2)",
        "A-Plugin[all]; extra == 'self'",
    ),
    "Solver-X": ('blas; extra == "fast"', 'slow; extra == "slow"', "a.plugin"),
    "blas": (),
    "elsewhere": (),
    "optional": (),
    "slow": (),
}


def test_requirements_are_those_that_hold_here_and_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Markers of other systems and extras that nobody names are left out; names are compared as pip does."""
    found = {
        canonicalize_name(name): SimpleNamespace(name=name, version="1", requires=list(needs))
        for name, needs in INSTALLED.items()
    }

    def metadata(name: str) -> SimpleNamespace:
        if canonicalize_name(name) not in found:
            raise PackageNotFoundError(name)
        return found[canonicalize_name(name)]

    monkeypatch.setattr(registry, "distribution", lambda kind, name: ("a.plugin", "1"))
    monkeypatch.setattr(registry, "metadata_of", metadata)
    registry.requirements.cache_clear()
    assert registry.requirements("optimizer", "theirs") == dict.fromkeys(["a-plugin", "solver-x", "blas"], "1")
    registry.requirements.cache_clear()


def test_failures_of_a_plugin_keep_their_reason(plugins: None) -> None:
    X = market_returns(0, 60, 4)
    X[40, 0] = 0.9
    rule = optimizer("heaviest")
    weights, solved = rule.weigh(Windows(X, np.array([30, 60]), np.array([30, 30])), np.ones((2, 4), bool))
    assert solved.tolist() == [True, False] and not weights[1].any()
    assert rule.failures_ == ((1, "ValueError: too wild"),)


def test_a_thread_reads_the_failures_of_its_own_call() -> None:
    """One object serves all threads of a process: both are in the middle of a call, then each says what failed."""
    middle, end = threading.Barrier(2), threading.Barrier(2)

    class Failing:
        def fit(self, X: np.ndarray) -> None:
            middle.wait(30)
            raise ValueError(f"{X[0, 0]:g}")

    rule = FittedOptimizer(Failing)

    def failed(value: float) -> tuple[tuple[int, str], ...]:
        rule.weigh(Windows.single(np.full((5, 2), value)), np.ones((1, 2), bool))
        end.wait(30)
        return rule.failures_

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(failed, [1.0, 2.0]))
    assert found == [((0, "ValueError: 1"),), ((0, "ValueError: 2"),)] and rule.failures_ == ()


def test_weights_outside_the_bounds_of_a_plugin_are_no_solution(plugins: None) -> None:
    rule = optimizer("heaviest", max_weight=0.26, power=3)
    with pytest.raises(RunError):
        rule.fit(market_returns(0, 60, 4) * [1, 1, 1, 5])
    assert "wanted them within [0, 0.26]" in rule.failures_[0][1]


def test_the_registry_imports_neither_skfolio_nor_pandas() -> None:
    code = (
        "import sys; from metabt.estimators import registry; registry.optimizer('erc'); "
        "print({'skfolio', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
