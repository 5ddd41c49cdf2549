"""Keys: what changes none of them, what changes those of exactly some sleeves, and what cannot have one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt import BacktestEngine, MemoryCache
from metabt.build import keys
from metabt.build.keys import asset_risk_key
from metabt.build.plan import Node, Plan
from metabt.build.sleeve_code import code_of_kind
from metabt.data.prices import Prices
from metabt.errors import MetabtError
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.drawn import Drawn
from metabt.portfolio.resolve import resolve
from metabt.portfolio.schedule import Schedule
from metabt.portfolio.settings import PARSERS
from metabt.portfolio.sleeve import Cash, Costs, Delisting, Estimator, Hedged, Leaf, Meta, Sleeve
from metabt.values.reached_code import Code
from tests.shared.agreement import same
from tests.shared.panels import stocks

RULES = {"lookback": 15, "schedule": {"every": 5}}
LEAVES: dict[str, dict[str, Any]] = {
    "a": {"universe": ["AA", "BB"], "optimizer": "min_variance", "costs": {"commission_bp": 5.0}},
    "b": {"universe": ["BB", "CC"], "selector": {"name": "log_mps", "top": 1}, "optimizer": "inverse_volatility"},
    "c": {"universe": ["CC", "DD"], "optimizer": {"name": "erc"}},
}
PATHS = ("book", "book/core", "book/core/a", "book/core/b", "book/c")
"""Every sleeve: book over core and c, core over a and b. EE is in no universe; b alone reads volume."""
ABOVE = {path: {PATHS[0], *(p for p in PATHS if path.startswith(f"{p}/")), path} for path in PATHS}
"""Path -> itself and what stands above it."""
YEARS = ("2019", "2020", "2021")
SESSIONS = 600


def book(name: str = "book", **changes: Any) -> dict[str, Any]:
    leaves = copy.deepcopy(LEAVES)
    core = {"sleeves": {"a": leaves["a"], "b": leaves["b"]}, "optimizer": "inverse_volatility"}
    defaults = {"dataset": "stocks", **RULES}
    return {"name": name, "defaults": defaults, **RULES, "sleeves": {"core": core, "c": leaves["c"]}, **changes}


def prices(sessions: int = SESSIONS) -> pd.DataFrame:
    return stocks(11, sessions, first="2019-03-04")


def panel(frame: pd.DataFrame, volume: np.ndarray | None = None) -> dict[str, Prices]:
    if volume is None:
        volume = np.random.default_rng(1).uniform(1e5, 1e6, frame.shape)
    dates = frame.index.to_numpy().astype("datetime64[D]")
    return {"stocks": Prices("stocks", dates, tuple(frame.columns), frame.to_numpy(), volume[: len(frame)])}


Keys = dict[tuple[str, str], str]
"""(path, partition) -> key."""


node_key = keys.node_key


class Seen:
    """The keys that a run asks for."""

    def __init__(self) -> None:
        self.keys: Keys = {}

    def __call__(self, plan: Plan, node: Node, label: str, *digests: Any) -> str:
        self.keys[node.label, label] = node_key(plan, node, label, *digests)
        return self.keys[node.label, label]


@pytest.fixture
def keys_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Keys]:
    """Return what maps a tree, and a panel, to the key of each of its blocks, as a run leaves them in a cache."""

    def run(tree: dict[str, Any] | Sleeve, data: Mapping[str, Prices] | None = None, **options: Any) -> Keys:
        seen, cache = Seen(), MemoryCache()
        monkeypatch.setattr(keys, "node_key", seen)
        metabt.backtest(tree, data or panel(prices()), cache=cache, **options)
        assert set(seen.keys.values()) == {key for key, (kind, _) in cache.objects.items() if kind == keys.BLOCK}
        return dict(seen.keys)

    return run


def changed(one: Keys, other: Keys) -> set[tuple[str, str]]:
    """Return the blocks whose key differs; both have the same blocks."""
    assert one.keys() == other.keys()
    return {block for block in one if one[block] != other[block]}


@pytest.fixture
def base(keys_of: Callable[..., Keys]) -> Keys:
    found = keys_of(book())
    assert {path for path, _ in found} == set(PATHS) and {label for _, label in found} == set(YEARS)
    assert len(set(found.values())) == len(found)
    return found


# ------------------------------------------------------------------------------------- what changes no key


def turned(tree: dict[str, Any]) -> dict[str, Any]:
    """Return the tree with its keys, siblings and universes the other way round."""
    found = {key: turned(value) if isinstance(value, dict) else value for key, value in reversed(tree.items())}
    return {**found, "universe": found["universe"][::-1]} if "universe" in found else found


def renamed(tree: dict[str, Any], name: str = "z") -> dict[str, Any]:
    """Return the tree with other names for its sleeves."""
    if "sleeves" not in tree:
        return tree
    named = {f"{name}{i}": renamed(sleeve, name) for i, sleeve in enumerate(tree["sleeves"].values())}
    return {**tree, "sleeves": named}


def spelled(tree: dict[str, Any]) -> dict[str, Any]:
    """Return the tree with the same values written in another way."""
    tree["optimizer"] = {"name": "equal"}
    a, b = tree["sleeves"]["core"]["sleeves"].values()
    a.update(costs={"commission_bp": 5, "slippage_bp": 0}, min_coverage=1, optimizer={"name": "min_variance"})
    b.update(selector={"top": 1, "name": "log_mps"}, schedule=dict(RULES["schedule"]), direction="long", lag=1)
    tree["sleeves"]["c"].update(optimizer="erc", dataset="stocks", lookback=15)
    del tree["sleeves"]["core"]["optimizer"]
    tree["sleeves"]["core"]["optimizer"] = {"name": "inverse_volatility"}
    return tree


SAME: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "the portfolio's name": lambda tree: {**tree, "name": "other"},
    "names of sleeves": renamed,
    "order of keys, siblings and symbols": turned,
    "another spelling of the same": spelled,
}


@pytest.mark.parametrize("change", SAME)
def test_what_changes_no_key(change: str, keys_of: Callable[..., Keys], base: Keys) -> None:
    again = keys_of(SAME[change](book()))
    assert sorted(again.values()) == sorted(base.values())


def test_the_end_of_the_view_changes_no_key(keys_of: Callable[..., Keys], base: Keys) -> None:
    assert keys_of(book(), end="2020-07-01") == base


def test_an_unrelated_sleeve_changes_no_key_but_the_roots(keys_of: Callable[..., Keys], base: Keys) -> None:
    more = book()
    more["sleeves"]["d"] = {"universe": ["EE"]}
    found = keys_of(more)
    assert changed(base, {block: found[block] for block in base}) == {("book", year) for year in YEARS}


def test_a_neighbour_in_the_forest_changes_no_key(keys_of: Callable[..., Keys], base: Keys) -> None:
    symbols = {"stocks": tuple(stocks(11).columns)}
    alone, both = MemoryCache(), MemoryCache()
    trees = [resolve(tree, symbols=symbols) for tree in (book(), book("other", optimizer="equal", lag=0))]
    BacktestEngine(trees[:1], panel(prices()), cache=alone).run()
    BacktestEngine(trees, panel(prices()), cache=both).run()
    assert set(alone.objects) == set(base.values()) < set(both.objects)


# -------------------------------------------------------- what changes the keys of exactly the expected sleeves

SETTINGS: dict[str, object] = {
    "optimizer": Estimator("erc"),
    "schedule": Schedule(every=6),
    "lookback": 16,
    "lag": 2,
    "costs": Costs(commission_bp=7.0),
    "start": "2019-05-01",
    "fallback": (Estimator("equal"),),
    "cash": Cash(reserve=0.1),
    "currency": "USD",
}
"""Field that every sleeve has -> another value."""
OF_LEAF: dict[str, object] = {
    **SETTINGS,
    "dataset": "copy",
    "universe": ("BB", "EE"),
    "selector": Estimator("top_k", {"k": 1}),
    "direction": "short",
    "shorts": ("BB",),
    "min_coverage": 0.9,
    "stale_after": 9,
    "drawn": Drawn(min_price=1.0),
    "delisting": Delisting(unknown=-1.0),
    "hedged": Hedged(),
    "signal": "desk",
    "short": True,
}
OF_META: dict[str, object] = {**SETTINGS, "warmup": "wait", "min_history": 20, "children": ()}
OF_VALUES: dict[type, dict[str, tuple[object, object]]] = {
    Costs: {
        "commission_bp": (Costs(1.0), Costs(2.0)),
        "slippage_bp": (Costs(), Costs(slippage_bp=0.5)),
        "borrow_bp": (Costs(), Costs(borrow_bp=1e-9)),
    },
    Cash: {"rate": (Cash(), Cash(0.0)), "reserve": (Cash(), Cash(reserve=0.1))},
    Delisting: {
        "performance": (Delisting(), Delisting(performance=-1.0)),
        "merger": (Delisting(), Delisting(merger=0.1)),
        "unknown": (Delisting(), Delisting(unknown=-0.1)),
    },
    Hedged: {"rates": (Hedged(), Hedged((("EUR", 0.02),)))},
    Drawn: {
        "members": (Drawn("one"), Drawn("other")),
        "largest": (Drawn(largest=2), Drawn(largest=3)),
        "by": (Drawn(largest=2), Drawn(largest=2, by="close")),
        "lookback": (Drawn(largest=2), Drawn(largest=2, lookback=5)),
        "min_price": (Drawn(largest=2), Drawn(largest=2, min_price=1.0)),
        "min_prices": (Drawn(largest=2), Drawn(largest=2, min_prices=1)),
        "stated": (Drawn(largest=2), Drawn(largest=2, stated=True)),
    },
    Schedule: {
        "every": (Schedule(every=5), Schedule(every=50)),
        "period": (Schedule(period="weekly"), Schedule(period="monthly")),
        "on": (Schedule(on="month_end", exchange="XNYS"), Schedule(on="friday", exchange="XNYS")),
        "exchange": (Schedule(on="month_end", exchange="XNYS"), Schedule(on="month_end", exchange="XLON")),
        "dates": (Schedule(dates="one"), Schedule(dates="other")),
        "band": (Schedule(every=5), Schedule(every=5, band=0.01)),
    },
    Estimator: {
        "name": (Estimator("erc"), Estimator("hrp")),
        "params": (Estimator("top_k", {"k": 1}), Estimator("top_k", {"k": 2})),
    },
}
"""Class of a setting -> field -> two values that differ in it alone."""


def test_every_setting_is_among_those_that_are_tried() -> None:
    assert set(OF_LEAF) == {f.name for f in fields(Leaf)}
    assert set(OF_META) == {f.name for f in fields(Meta)}
    assert set(PARSERS) <= set(OF_LEAF) | set(OF_META)
    for kind, tried in OF_VALUES.items():
        assert set(tried) == {f.name for f in fields(kind)}


def put(tree: Sleeve, path: str, **settings: object) -> Sleeve:
    """Return the tree with settings of the sleeve at `path` replaced; its parents follow."""
    head, _, rest = path.partition("/")
    assert head == tree.name
    if not rest:
        return replace(tree, spec=replace(tree.spec, **settings))
    below = tuple(put(s, rest, **settings) if s.name == rest.split("/")[0] else s for s in tree.sleeves)
    rules = {f.name: getattr(tree.spec, f.name) for f in fields(tree.spec) if f.name != "children"}
    return Sleeve.meta(tree.name, below, **rules)


def resolved() -> Sleeve:
    return resolve(book(), symbols={"stocks": tuple(stocks(11).columns)})


OF_TREE = {"currency", "hedged", "signal"}
"""Settings that a sleeve cannot have by itself: a tree has one currency, hedges are in it, a dataset has signals."""
CASES = [
    *(("book/core/a", name) for name in OF_LEAF if name not in OF_TREE),
    *((path, name) for path in ("book/core", "book") for name in OF_META if name not in {"children", *OF_TREE}),
]


@pytest.mark.parametrize("setting", sorted(OF_TREE))
def test_a_setting_of_a_tree_is_in_the_spec_that_keys_begin_with(setting: str) -> None:
    plain = Leaf(dataset="d", universe=("A",))
    assert replace(plain, **{setting: OF_LEAF[setting]}).digest != plain.digest


@pytest.mark.parametrize(("path", "setting"), CASES)
def test_a_setting_changes_the_keys_of_its_sleeve_and_of_those_above(
    path: str, setting: str, keys_of: Callable[..., Keys]
) -> None:
    value = (OF_LEAF if path == "book/core/a" else OF_META)[setting]
    short = prices(260)
    data = panel(short)
    # a copy of the dataset has the same prices, and is still another input
    both = {**data, "copy": replace(data["stocks"].select(("AA", "BB")), name="copy")}
    before = resolved() if setting != "dataset" else put(resolved(), "book/core/b", universe=("CC", "DD"))
    found = changed(keys_of(before, both), keys_of(put(before, path, **{setting: value}), both))
    assert {where for where, _ in found} == ABOVE[path]
    assert found == {(where, year) for where in ABOVE[path] for year in YEARS[:2]}


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, tried in OF_VALUES.items() for field in tried])
def test_a_part_of_a_setting_changes_the_spec(kind: type, field: str) -> None:
    one, other = OF_VALUES[kind][field]
    name = next(f.name for f in fields(Leaf) if isinstance(OF_LEAF.get(f.name), kind))
    specs = [Leaf(dataset="d", universe=("A",), **{name: value}) for value in (one, one, other)]
    assert specs[0].digest == specs[1].digest != specs[2].digest


def test_a_number_is_what_it_is_worth() -> None:
    symbols = {"stocks": ("AA",)}

    def digest_of(**settings: Any) -> str:
        return resolve({"name": "x", "universe": ["AA"], **settings}, symbols=symbols).spec.digest

    assert digest_of(min_coverage=1) == digest_of(min_coverage=1.0)
    assert digest_of(costs={"borrow_bp": 3}) == digest_of(costs={"borrow_bp": 3.0})
    assert digest_of(optimizer={"name": "erc", "max_weight": 1}) == digest_of(
        optimizer={"name": "erc", "max_weight": 1.0}
    )


def in_year(year: str, sessions: int = SESSIONS) -> np.ndarray:
    return np.flatnonzero(prices(sessions).index.year == int(year))


def test_a_price_in_reach_changes_the_keys_of_the_sleeves_that_hold_it(
    keys_of: Callable[..., Keys], base: Keys
) -> None:
    corrected = prices()
    corrected.iloc[in_year("2021")[-9], corrected.columns.get_loc("DD")] *= 1.01
    assert changed(base, keys_of(book(), panel(corrected))) == {("book/c", "2021"), ("book", "2021")}
    corrected.iloc[in_year("2021")[-9], corrected.columns.get_loc("AA")] *= 1.01
    assert changed(base, keys_of(book(), panel(corrected))) == {
        (path, "2021") for path in PATHS if path != "book/core/b"
    }


def test_a_price_is_in_reach_as_far_as_the_lookback_goes(keys_of: Callable[..., Keys], base: Keys) -> None:
    corrected = prices()
    corrected.iloc[in_year("2020")[100], corrected.columns.get_loc("DD")] *= 1.01
    found = changed(base, keys_of(book(), panel(corrected)))
    assert {label for _, label in found} == {"2020", "2021"} and ("book/c", "2021") in found


def test_a_price_out_of_reach_changes_nothing(keys_of: Callable[..., Keys], base: Keys) -> None:
    corrected = prices()
    corrected["EE"] *= 2.0
    assert keys_of(book(), panel(corrected)) == base


def test_volume_is_an_input_of_what_reads_it_alone(keys_of: Callable[..., Keys], base: Keys) -> None:
    volume = np.random.default_rng(1).uniform(1e5, 1e6, prices().shape)
    volume[in_year("2021")[50], :] *= 3.0
    found = changed(base, keys_of(book(), panel(prices(), volume)))
    assert ("book/core/b", "2021") in found and found <= {(path, "2021") for path in ABOVE["book/core/b"]}


def test_the_calendar_is_an_input(keys_of: Callable[..., Keys], base: Keys) -> None:
    frame = prices()
    extra = pd.Timestamp("2021-03-06")  # a Saturday on which nobody but EE has a price
    frame.loc[extra] = np.nan
    frame.loc[extra, "EE"] = 100.0
    volume = np.random.default_rng(1).uniform(1e5, 1e6, prices().shape)
    row = int(np.searchsorted(prices().index, extra))
    frame = frame.sort_index()
    found = changed(base, keys_of(book(), panel(frame, np.insert(volume, row, 1e5, axis=0))))
    assert found == {(path, "2021") for path in PATHS}


# ------------------------------------------------------------------------------------ code, libraries, platform


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Nothing of what a key is made of is remembered from before, nor afterwards."""
    keys.basis.cache_clear()
    yield
    keys.basis.cache_clear()


PARTS: dict[str, object] = {
    "code": lambda kind: Code("other", {}, {"numpy": "2"}),
    "libraries": lambda kind: Code("same", {}, {"numpy": "3"}),
    "numeric_platform": lambda: {"machine": "abacus"},
    "FORMAT": 0,
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.usefixtures("forgetful")
def test_code_a_version_or_the_platform_changes_every_key(
    part: str, keys_of: Callable[..., Keys], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = panel(prices(150))
    monkeypatch.setattr(keys, "code_of_kind", lambda kind: Code("same", {}, {"numpy": "2"}))
    before = keys_of(book(), data)
    monkeypatch.setattr(keys, "code_of_kind" if part in ("code", "libraries") else part, PARTS[part])
    keys.basis.cache_clear()
    assert changed(before, keys_of(book(), data)) == set(before)


@pytest.mark.usefixtures("forgetful")
def test_code_changes_the_keys_of_the_sleeves_that_it_walks_and_of_no_others(
    keys_of: Callable[..., Keys], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = panel(prices(150))
    before = keys_of(book(), data)
    monkeypatch.setattr(
        keys, "code_of_kind", lambda kind: Code("new", {}, {}) if "log_mps" in kind else code_of_kind(kind)
    )
    keys.basis.cache_clear()
    # its bytes are what they were, and so are the keys above it
    assert {path for path, _ in changed(before, keys_of(book(), data))} == {"book/core/b"}


@pytest.mark.parametrize("source", ["requirements", "sources"])
def test_the_version_and_the_files_of_a_plug_in_change_the_keys_of_what_uses_it(
    source: str, keys_of: Callable[..., Keys], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, versions = panel(prices(150)), {"solver": "1.0"}
    plugins = ("min_variance", "log_mps")
    monkeypatch.setattr(keys, source, lambda kind, name: dict(versions) if name in plugins else {})
    before = keys_of(book(), data)
    versions["solver"] = "1.1"
    found = {path for path, _ in changed(before, keys_of(book(), data))}
    assert {"book/core/a", "book/core/b"} <= found and "book/c" not in found


def test_a_plug_in_counts_as_a_fallback_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "requirements", lambda kind, name: {f"{kind} {name}": "1"})
    spec = Leaf(dataset="d", universe=("A",), optimizer=Estimator("erc"), fallback=(Estimator("hrp"),))
    assert set(keys.plugin_versions(spec)) == {"optimizer erc", "optimizer hrp", "selector all"}
    meta = Meta(children=(spec,), optimizer=Estimator("equal"), fallback=())
    assert set(keys.plugin_versions(meta)) == {"optimizer equal"}


# -------------------------------------------------------------------------- what is deep, and what is refused


def twins(first: str) -> pd.DataFrame:
    """Return prices of twins and of EE, which leads but for some weeks after row 160."""
    rng, n = np.random.default_rng(0), 300
    leads = (np.arange(n) < 160) | (np.arange(n) > 180)
    twin = 100 * np.cumprod(1.0005 + 0.001 * rng.normal(size=n))
    other = 100 * np.cumprod(np.where(leads, 1.003, 0.997) + 0.001 * rng.normal(size=n))
    return pd.DataFrame({"CC": twin, "DD": twin, "EE": other}, index=pd.bdate_range(first, periods=n))


PICK = {"universe": ["CC", "DD", "EE"], "selector": {"name": "top_k", "k": 1, "by": "momentum"}}
"""Holds the one that leads; of twins the first, unless a price of the second is corrected upwards."""
ROOT = {"name": "root", "lookback": 20, "schedule": {"every": 7}, "costs": {"commission_bp": 10}}


def test_what_lies_deeper_than_a_child_is_an_input_too() -> None:
    """A correction makes a leaf hold one twin for the other: its parent's block is the same, the root's is not.

    The root nets what it holds of a twin through both of its children.
    """
    rules = {"dataset": "stocks", "lookback": 20, "schedule": {"every": 25}}
    hold = {"universe": ["CC", "EE"], "optimizer": "inverse_volatility"}
    tree = {**ROOT, "defaults": rules, "sleeves": {"mid": {"sleeves": {"pick": PICK}}, "hold": hold}}
    corrected = twins("2020-06-01")
    corrected.iloc[165, 1] *= 1.01
    cache = MemoryCache()
    first = metabt.backtest(tree, {"stocks": twins("2020-06-01")}, cache=cache)
    second = metabt.backtest(tree, {"stocks": corrected}, cache=cache)
    fresh = metabt.backtest(tree, {"stocks": corrected})
    assert first.returns("root/mid").equals(fresh.returns("root/mid"))
    assert not first.returns().equals(fresh.returns())
    assert same(second.tables, fresh.tables)


def test_what_a_child_held_before_is_an_input_where_it_has_no_session() -> None:
    """What has ended with the year is sold in the next: netted with a short in one twin, not in the other."""
    prices = {"old": twins("2020-01-06").loc[:"2020-12-31"], "new": stocks(2, 330, first="2020-01-06")[["AA", "BB"]]}
    sleeves = {
        "pick": {**PICK, "dataset": "old", "schedule": {"every": 175}},
        "short": {"dataset": "old", "universe": ["CC", "EE"], "direction": "short"},
        "goes on": {"dataset": "new", "universe": ["AA", "BB"]},
    }
    tree = {**ROOT, "defaults": {"lookback": 20, "schedule": {"every": 25}}, "sleeves": sleeves}
    corrected = prices["old"].copy()
    corrected.iloc[165, 1] *= 1.01
    cache, found = MemoryCache(), []
    for old in (prices["old"], corrected):
        data = {name: to_prices(name, frame) for name, frame in {**prices, "old": old}.items()}
        data["old"] = replace(data["old"], closed=True)
        known, fresh = metabt.backtest(tree, data, cache=cache), metabt.backtest(tree, data)
        assert same(known.tables, fresh.tables)
        found.append(fresh.returns().loc["2021":, "turnover"])
    assert not found[0].equals(found[1])


def test_that_data_have_ended_for_good_is_an_input() -> None:
    """An open dataset holds the tree at its last date; a closed one does not, and no leaf beneath differs for it."""
    frames = {"old": stocks(1, 200, first="2020-01-06")[["CC", "DD"]], "new": stocks(2, 330, first="2020-01-06")}
    frames["new"] = frames["new"][["AA", "BB"]]
    leaves = {name: {"dataset": name, "universe": list(frame)} for name, frame in frames.items()}
    tree = {**ROOT, "defaults": {"lookback": 20, "schedule": {"every": 5}}, "sleeves": leaves}
    cache, lengths = MemoryCache(), []
    for closed in (False, True, False):
        data = {name: replace(to_prices(name, it), closed=closed and name == "old") for name, it in frames.items()}
        known, fresh = metabt.backtest(tree, data, cache=cache), metabt.backtest(tree, data)
        assert same(known.tables, fresh.tables)
        lengths.append(len(fresh.returns()))
    assert lengths[0] == lengths[2] < lengths[1]


@pytest.mark.parametrize("value", [len, lambda w: w, object(), {1: 2}])
def test_what_cannot_be_written_down_has_no_key(value: object) -> None:
    with pytest.raises((TypeError, MetabtError), match="cannot fingerprint|max_weight is {1: 2}; wanted a finite"):
        tree = put(resolved(), "book", optimizer=Estimator("min_variance", {"max_weight": value}))
        metabt.backtest(tree, panel(prices(150)), cache=MemoryCache())


ARGUMENTS = {
    "weights": np.array([[0.5, 0.5]]),
    "sessions": np.arange("2020-01-01", "2020-01-09", dtype="M8[D]"),
    "stops": np.array([8]),
    "lookback": 20,
    "observed": {"stocks": "0a"},
}
OTHERS = {
    "weights": np.array([[0.5, 0.25]]),
    "sessions": np.arange("2020-01-02", "2020-01-10", dtype="M8[D]"),
    "stops": np.array([7]),
    "lookback": 21,
    "observed": {"stocks": "0b"},
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_risk_by_asset_has_every_argument_in_its_key(name: str) -> None:
    assert asset_risk_key(**ARGUMENTS) == asset_risk_key(**copy.deepcopy(ARGUMENTS))  # type: ignore[arg-type]
    assert asset_risk_key(**ARGUMENTS) != asset_risk_key(**{**ARGUMENTS, name: OTHERS[name]})  # type: ignore[arg-type]


def test_risk_by_asset_of_two_roots_that_differ_in_their_lookback_alone() -> None:
    """Their weights are the same, and both see all that there is at first: one cache for both equals none."""
    data, cache = {"stocks": stocks(1, 90)}, MemoryCache()
    leaf = {"dataset": "stocks", "lookback": 5, "optimizer": "equal", "schedule": {"every": 5}}
    sleeves = {"a": {**leaf, "universe": ["AA", "BB"]}, "b": {**leaf, "universe": ["CC", "DD"]}}
    rules = {"optimizer": "equal", "min_history": 2, "schedule": {"every": 5}, "sleeves": sleeves}
    for lookback in (40, 25):
        tree = {"name": "root", "lookback": lookback, **rules}
        assert same(metabt.backtest(tree, data, cache=cache).tables, metabt.backtest(tree, data).tables)
