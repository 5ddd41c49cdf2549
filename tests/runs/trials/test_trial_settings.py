"""Every default counts as if it had been stated, and what is introduced later counts only where it changes anything."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import pytest

from metabt.estimators import registry
from metabt.estimators.moments.covariance import COVARIANCES
from metabt.estimators.moments.mean import MEANS
from metabt.estimators.optimizers.hrp import HierarchicalRiskParity
from metabt.estimators.registry import OPTIMIZERS, SELECTORS, loaded
from metabt.portfolio import sleeve
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import LATER, Costs, Estimator, Leaf, Meta
from metabt.runs.trials import trial_settings
from metabt.runs.trials.trial_settings import LATER_PARAMETERS, TrialSettings, defaults, told

LEAF: dict[str, Any] = {"name": "x", "dataset": "d", "universe": ["A", "B", "C"], "lookback": 20}

STATED = {
    "Leaf": "costs dataset direction fallback lag lookback min_coverage optimizer schedule selector shorts stale_after "
    "start universe",
    "Meta": "children costs fallback lag lookback min_history optimizer schedule start warmup",
    "Costs": "borrow_bp commission_bp slippage_bp",
    "equal": "max_weight min_weight",
    "erc": "budgets covariance max_weight min_weight",
    "fixed": "max_weight min_weight warm_up weights",
    "hrp": "covariance max_weight min_weight",
    "inverse_volatility": "max_weight min_weight",
    "max_diversification": "covariance max_weight min_weight",
    "max_sharpe": "covariance max_weight mean min_weight",
    "mean_variance": "covariance max_turnover max_weight mean min_weight risk_aversion turnover_penalty",
    "min_cvar": "beta max_weight min_weight",
    "min_variance": "covariance max_turnover max_weight min_weight turnover_penalty",
    "all": "",
    "decorrelate": "k max_correlation",
    "log_mps": "cluster_distance exponents max_clusters max_drawdown max_shortfall min_efficiency top",
    "top_k": "by k",
}
"""What settings had when the ledger began; of families the parameters are in FAMILY."""
FAMILY = {
    "covariance": {"sample": "", "ewma": "half_life", "ledoit_wolf": "", "oas": "", "denoised": ""},
    "mean": {"sample": "", "zero": "", "ewma": "half_life", "james_stein": ""},
}


def digest_of(tree: dict[str, Any]) -> str:
    return TrialSettings().digest(resolve(tree).spec)


def named(builder: Any) -> set[str]:
    import inspect

    return set(inspect.signature(builder).parameters)


@pytest.mark.parametrize(
    ("short", "whole"),
    [
        ("hrp", {"name": "hrp", "covariance": "sample", "min_weight": 0, "max_weight": 1.0}),
        ({"name": "erc", "covariance": "ledoit_wolf"}, {"name": "erc", "covariance": {"name": "ledoit_wolf"}}),
        ("min_cvar", {"name": "min_cvar", "beta": 0.95}),
    ],
)
def test_a_default_that_is_stated_is_the_same_try(short: Any, whole: Any) -> None:
    assert digest_of({**LEAF, "optimizer": short}) == digest_of({**LEAF, "optimizer": whole})
    assert digest_of({**LEAF, "optimizer": short}) != digest_of(
        {**LEAF, "optimizer": {"name": "hrp", "max_weight": 0.5}}
    )


def test_optimizers_know_children_by_what_they_are_told_and_not_by_their_names() -> None:
    def fixed(a: str, b: str, first: float, own: Any = "hrp") -> dict[str, Any]:
        sleeves = {a: {**LEAF, "optimizer": own}, b: {**LEAF, "optimizer": "equal"}}
        bare = {name: {k: v for k, v in it.items() if k != "name"} for name, it in sleeves.items()}
        return {"name": "r", "sleeves": bare, "optimizer": {"name": "fixed", "weights": {a: first, b: 1 - first}}}

    assert digest_of(fixed("a", "b", 0.3)) == digest_of(fixed("y", "x", 0.3)) != digest_of(fixed("a", "b", 0.7))
    stated = {"name": "hrp", "max_weight": 1.0}
    assert digest_of(fixed("a", "b", 0.3)) == digest_of(fixed("a", "b", 0.3, stated))


def test_children_that_are_one_try_of_two_specs_keep_their_weights_apart() -> None:
    def tree(first: float, second: float) -> dict[str, Any]:
        own = {k: v for k, v in LEAF.items() if k != "name"}
        sleeves = {"a": {**own, "optimizer": "hrp"}, "b": {**own, "optimizer": {"name": "hrp", "max_weight": 1.0}}}
        return {"name": "r", "sleeves": sleeves, "optimizer": {"name": "fixed", "weights": {"a": first, "b": second}}}

    assert digest_of(tree(0.3, 0.2)) != digest_of(tree(0.6, 0.2)) != digest_of(tree(0.3, 0.6))


def test_a_changed_value_of_a_default_is_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest_of({**LEAF, "optimizer": "min_cvar"})
    own = trial_settings.defaults
    monkeypatch.setattr(trial_settings, "defaults", lambda builder: {**own(builder), "beta": 0.99})
    assert digest_of({**LEAF, "optimizer": "min_cvar"}) != before


def test_a_parameter_that_is_introduced_later_is_left_out_at_the_value_of_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = digest_of({**LEAF, "optimizer": "hrp"})

    class Newer(HierarchicalRiskParity):
        def __init__(self, *, linkage: str = "ward", covariance: Any = "sample", **bounds: float) -> None:
            super().__init__(covariance=covariance, **bounds)

    def builder(*, linkage: str = "ward", covariance: Any = "sample", min_weight: float = 0.0, max_weight: float = 1.0):
        return Newer(linkage=linkage, covariance=covariance, min_weight=min_weight, max_weight=max_weight)

    monkeypatch.setattr(trial_settings, "loaded", lambda kind, name: builder if name == "hrp" else loaded(kind, name))
    leaf = resolve({**LEAF, "optimizer": "hrp"}).spec
    assert TrialSettings().digest(leaf) != before  # it is not said yet that it came later
    monkeypatch.setattr(trial_settings, "LATER_PARAMETERS", {"hrp": {"linkage": "ward"}})
    assert TrialSettings().digest(leaf) == before
    told_single = told("optimizer", Estimator("hrp", {"linkage": "single"}), [])
    assert told_single["params"]["linkage"] == "single"


def test_a_setting_of_sleeves_that_is_introduced_later_is_left_out_at_the_value_of_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Newer(Leaf):
        brand_new: int = 0

        def plain(self) -> dict[str, object]:
            return {**super().plain(), "kind": "leaf"}

    old = Leaf(dataset="d", universe=("A", "B"))
    monkeypatch.setattr(sleeve, "LATER", {**LATER, "brand_new": 0})
    keys = [TrialSettings().digest(Newer(dataset="d", universe=("A", "B"), brand_new=it)) for it in (0, 1)]
    assert keys[0] == TrialSettings().digest(old) != keys[1]


def test_no_setting_came_after_the_ledger_without_saying_so() -> None:
    """Whoever adds a setting says in LATER, or LATER_PARAMETERS, at which value everything is as it was."""
    found = {each.__name__: {it.name for it in fields(each)} - set(LATER) for each in (Leaf, Meta)}
    found["Costs"] = {it.name for it in fields(Costs)}
    kinds = {**dict.fromkeys(OPTIMIZERS, "optimizer"), **dict.fromkeys(SELECTORS, "selector")}
    for name, kind in kinds.items():
        found[name] = named(registry.loaded(kind, name)) - set(LATER_PARAMETERS.get(name, {}))
    assert found == {name: set(text.split()) for name, text in STATED.items()}


def test_no_parameter_of_a_moment_came_after_the_ledger_without_saying_so() -> None:
    for kind, family in {"covariance": COVARIANCES, "mean": MEANS}.items():
        found = {
            name: set(defaults(it)) - set(LATER_PARAMETERS.get(f"{family.kind}.{name}", {}))
            for name, it in family.builders.items()
        }
        assert found == {name: set(text.split()) for name, text in FAMILY[kind].items()}


def test_of_a_plug_in_its_files_count_and_of_a_library_its_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"theirs (files)": "1" * 16, "metabt (files)": "2" * 16, "scipy": "1.0"}
    monkeypatch.setattr(trial_settings, "sources", lambda kind, name: dict(found))
    first = told("optimizer", Estimator("theirs.rule", {"a": 1}), [])
    found["metabt (files)"], found["scipy"] = "3" * 16, "2.0"
    assert told("optimizer", Estimator("theirs.rule", {"a": 1}), []) == first
    found["theirs (files)"] = "4" * 16
    assert told("optimizer", Estimator("theirs.rule", {"a": 1}), []) != first
    assert told("optimizer", Estimator("skfolio.Risk", {"a": 1}), [])["files"] == {}
    assert told("optimizer", Estimator("skfolio.Risk", {"a": 2}), []) != told(
        "optimizer", Estimator("skfolio.Risk", {"a": 1}), []
    )
