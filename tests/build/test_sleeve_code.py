"""Code of sleeves: what a kind of sleeve reaches, and what it does not."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from metabt.build import sleeve_code
from metabt.build.sleeve_code import ADDRESSES, FOREIGN, code_of_kind, kind_of, run_code, walked_modules
from metabt.estimators import registry
from metabt.estimators.moments.covariance import COVARIANCES
from metabt.estimators.moments.mean import MEANS
from metabt.portfolio.sleeve import Estimator, Leaf, Meta

LEAF_ONLY = {"metabt.walk.leaf", "metabt.walk.leaf_holdings"}
META_ONLY = {"metabt.walk.meta.meta_sleeve", "metabt.walk.meta.aggregation", "metabt.walk.meta.optimize_meta"}
NAMING = {
    "metabt.build.keys",
    "metabt.build.memory_estimate",
    "metabt.build.sleeve_code",
    "metabt.engines.usable_memory",
    "metabt.estimators.plugins.plugin_source",
}
ALWAYS = {
    "metabt.build.cached_walk",
    "metabt.build.inputs",
    "metabt.data.prices",
    "metabt.estimators.registry",
    "metabt.estimators.windows",
    "metabt.numerics.kernels",
    "metabt.numerics.platform",
    "metabt.walk.costs",
    "metabt.walk.holdings",
    "metabt.walk.walk_forward",
}


def leaf(optimizer: str = "equal", selector: str = "all", fallback: tuple[str, ...] = (), **params: Any) -> Leaf:
    return Leaf(
        dataset="d",
        universe=("A", "B"),
        optimizer=Estimator(optimizer, params),
        selector=Estimator(selector),
        fallback=tuple(Estimator(name) for name in fallback),
    )


def meta(optimizer: str = "inverse_volatility", **params: Any) -> Meta:
    return Meta(children=(leaf("erc"),), optimizer=Estimator(optimizer, params), fallback=())


def modules(spec: Leaf | Meta) -> set[str]:
    return set(code_of_kind(kind_of(spec)).modules)


def estimators(spec: Leaf | Meta) -> set[str]:
    rooms = ("metabt.estimators.optimizers.", "metabt.estimators.selectors.")
    shared = {"base", "capped", "turnover", "_metrics", "_order_statistics", "_scores"}
    names = {name.rpartition(".")[2] for name in modules(spec) if name.startswith(rooms)}
    return names - shared


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (leaf(), ("leaf", "all", "equal")),
        (leaf("erc", "top_k", ("hrp", "equal")), ("leaf", "equal", "erc", "hrp", "top_k")),
        (leaf("erc", covariance="oas"), ("leaf", "all", "erc", "oas")),
        (leaf("erc", covariance={"name": "ewma", "half_life": 9.0}), ("leaf", "all", "erc", "ewma")),
        (leaf("fixed", weights={"A": 0.5, "B": 0.5}), ("leaf", "all", "fixed")),
        (leaf("skfolio.MeanRisk", cap=[1]), ("leaf", "all", "skfolio.MeanRisk")),
        (meta(), ("meta", "inverse_volatility")),
        (meta("max_sharpe", mean="james_stein"), ("meta", "james_stein", "max_sharpe")),
    ],
)
def test_a_kind_is_what_the_estimators_of_a_sleeve_choose(spec: Leaf | Meta, kind: tuple[str, ...]) -> None:
    assert kind_of(spec) == kind


def test_a_leaf_and_a_meta_sleeve_are_walked_by_their_own_modules() -> None:
    assert ALWAYS | LEAF_ONLY <= modules(leaf()) and not META_ONLY & modules(leaf())
    assert ALWAYS | META_ONLY <= modules(meta()) and not LEAF_ONLY & modules(meta())


@pytest.mark.parametrize("kind", ["optimizer", "selector"])
def test_an_estimator_is_reached_by_those_that_name_it_alone(kind: str) -> None:
    for name, entry in (registry.OPTIMIZERS if kind == "optimizer" else registry.SELECTORS).items():
        spec = leaf(name, "all") if kind == "optimizer" else leaf("equal", name)
        assert estimators(spec) == {name, "all" if kind == "optimizer" else "equal"} | {"all"} & {spec.selector.name}
        assert f"metabt.estimators.registry:{name}" in modules(spec) and entry.partition(":")[0] in modules(spec)


def test_a_fallback_is_reached_and_so_is_what_a_warm_up_holds() -> None:
    assert estimators(leaf("erc", fallback=("hrp",))) == {"erc", "hrp", "all"}
    assert estimators(meta()) == {"inverse_volatility", "equal"}  # `equal` is a constant of the warm-up


@pytest.mark.parametrize("name", [*COVARIANCES.builders])
def test_a_covariance_is_reached_by_those_that_name_it(name: str) -> None:
    made = inspect.getmodule(COVARIANCES.builders[name]())
    assert made is not None
    special = {"metabt.estimators.moments.ewma"} if name == "ewma" else {made.__name__}
    assert special <= modules(leaf("erc", covariance=name)) and special <= modules(meta("erc", covariance=name))
    if name != "sample":
        assert special - {"metabt.estimators.moments.covariance"} and not (
            special - {"metabt.estimators.moments.covariance"}
        ) & modules(leaf("erc"))


@pytest.mark.parametrize(("name", "made"), [("ewma", "ewma"), ("james_stein", "james_stein")])
def test_a_mean_is_reached_by_those_that_name_it(name: str, made: str) -> None:
    assert name in MEANS.builders
    module = f"metabt.estimators.moments.{made}"
    assert module in modules(leaf("max_sharpe", mean=name)) and module not in modules(leaf("max_sharpe"))


def test_estimators_of_other_packages_are_fitted_by_modules_that_others_do_not_reach() -> None:
    fitting = {"metabt.estimators.optimizers.fitted", "metabt.estimators.plugins.skfolio"}
    assert fitting <= modules(leaf("skfolio.MeanRisk")) and fitting <= modules(leaf("someones"))
    assert not fitting & modules(leaf("erc"))


def test_how_keys_are_made_is_no_part_of_the_code() -> None:
    assert not {name for name in modules(leaf()) | modules(meta()) if name.startswith("metabt.build.keys")}


def test_a_run_has_the_code_of_its_sleeves_and_of_where_it_begins() -> None:
    entries = ("metabt.analysis.run_tables",)
    one, both = run_code(entries, [leaf("erc")]), run_code(entries, [leaf("erc"), meta("hrp")])
    assert "metabt.analysis.run_tables" in one.modules and "metabt.estimators.optimizers.erc" in one.modules
    assert set(both.modules) - set(one.modules) >= {
        "metabt.estimators.optimizers.hrp",
        "metabt.estimators.registry:hrp",
    }
    assert one.digest != both.digest


def test_all_kinds_are_walked_by_what_is_walked_by_at_all() -> None:
    kinds = [leaf(name) for name in registry.OPTIMIZERS] + [meta("erc"), leaf("equal", "log_mps")]
    assert {name for spec in kinds for name in modules(spec)} <= walked_modules()
    assert "metabt.analysis.run_tables" not in walked_modules()


def test_a_run_over_sleeves_of_metabts_own_has_nothing_that_fits_others_and_nothing_that_names_blocks() -> None:
    entries = ("metabt.engines.backtest_engine", *sleeve_code.WALK)
    own = run_code(entries, [leaf("erc"), meta("hrp")])
    theirs = run_code(entries, [leaf("erc"), meta("hrp"), leaf("skfolio.MeanRisk")])
    assert not FOREIGN & set(own.modules) and FOREIGN & set(theirs.modules)
    for code in (own, theirs):
        assert not NAMING & set(code.modules)
    # each of those would be there if it were not left out
    everything = set(sleeve_code.reached(entries, frozenset({"erc", "hrp", "theirs"}), frozenset()).modules)
    assert everything >= NAMING | FOREIGN & set(theirs.modules) and ADDRESSES == NAMING


def test_a_run_over_no_sleeves_is_where_it_begins() -> None:
    none, one = run_code(sleeve_code.WALK, []), run_code(sleeve_code.WALK, [leaf("erc")])
    assert set(none.modules) < set(one.modules) and "metabt.estimators.optimizers.erc" not in none.modules


def test_kinds_are_kept_until_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sleeve_code, "_kinds", {})
    monkeypatch.setattr(sleeve_code, "MOST", 3)
    specs = [leaf("fixed", weights={"A": 1 / n}) for n in range(2, 9)]
    for count, spec in enumerate(specs):
        kind = kind_of(spec)
        assert kind == ("leaf", "all", "fixed") and kind_of(spec) is kind
        assert len(sleeve_code._kinds) == count % 3 + 1  # those before are forgotten together
