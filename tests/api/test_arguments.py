"""Bad values for the arguments of the public functions: each is refused in a sentence that names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.errors import ConfigError, DataError, MetabtError
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from tests.shared.panels import stocks
from tests.shared.small_tree import tree

FRAMES = {"stocks": stocks(5)}
PRICES = to_prices("stocks", stocks(5))
TREE = resolve(tree())
NAT = np.datetime64("NaT")


@pytest.fixture(scope="module")
def result() -> metabt.Result:
    return metabt.backtest(tree(), FRAMES)


BACKTEST = {
    "start": (5, 1.5, float("nan"), pd.NaT, NAT, "", "soon", b"2021-03-01", ["2021-03-01"], pd.Period("2021-03"), True),
    "end": (5, float("nan"), pd.NaT, "", "soon", object()),
    "is_meta_backtest": (0, 1, "no", []),
    "engine": (None, 5, "loc", [], metabt.Ray, object()),
    "cache": (5, "folder", {}, metabt.MemoryCache, Path(".")),
    "progress": (5, "yes", True),
    "benchmark": (5, "", ["AA"], True, "ZZ"),
}


def label(value: object) -> str:
    """Return a test's name that is the same in every process."""
    return "object" if type(value) is object else repr(value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BACKTEST for value in BACKTEST[name]], ids=label)
def test_backtest_refuses(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} "):
        metabt.backtest(tree(), FRAMES, **{name: value})


BASELINES = {
    "level": (3, 1, 0, -0.1, 1.0, float("nan"), float("inf"), "a", None, True),
    "samples": (0, -1, 2.5, "a", None, True, 10**12),
    "block": (0, -3, 1.5, None, False),
    "seed": (-1, "a", None, 1.0, 2**40),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BASELINES for value in BASELINES[name]])
def test_baselines_refuse_before_anything_is_walked(result: metabt.Result, name: str, value: Any) -> None:
    unwalkable = metabt.Result(result.run_id, result.tables, origin=lambda: pytest.fail("walked"))
    with pytest.raises(ConfigError, match=rf"^{name} is .*, wanted a"):
        unwalkable.baselines(**{name: value})


def test_baselines_take_numpys_numbers(result: metabt.Result) -> None:
    whole = np.int64(7)
    measured = result.baselines(samples=whole, block=np.int32(5), level=np.float64(0.5), seed=whole).statistics
    pd.testing.assert_frame_equal(measured, result.baselines(samples=7, block=5, level=0.5, seed=7).statistics)
    wide = result.baselines(samples=50, level=0.9).statistics.loc["equal"]
    narrow = result.baselines(samples=50, level=0.2).statistics.loc["equal"]
    assert wide["sharpe_low"] < narrow["sharpe_low"] < narrow["sharpe_high"] < wide["sharpe_high"]


OF_RESULTS: dict[str, Callable[[metabt.Result, Any], object]] = {
    "returns": lambda result, value: result.returns(value),
    "decisions": lambda result, value: result.decisions(value),
    "sleeve_weights": lambda result, value: result.sleeve_weights(value),
    "risk_contributions": lambda result, value: result.risk_contributions(value),
    "frame": lambda result, value: result.frame(value),
    "frame of": lambda result, value: result.frame("returns", value),
    "attribution": lambda result, value: result.attribution(value),
    "brinson": lambda result, value: result.brinson(value),
    "figures as": lambda result, value: result.figures("/nowhere", value),
    "report against": lambda result, value: result.report("/tmp/never.html", against=value),
    "report with": lambda result, value: result.report("/tmp/never.html", baselines=value),
    "report": lambda result, value: result.report(value),
    "figures": lambda result, value: result.figures(value),
}


@pytest.mark.parametrize("method", OF_RESULTS)
@pytest.mark.parametrize("value", [5, 1.5, ["book"], b"book", ""], ids=repr)
def test_results_refuse(result: metabt.Result, method: str, value: Any) -> None:
    with pytest.raises(MetabtError) as told:
        OF_RESULTS[method](result, value)
    assert len(str(told.value)) > 15 and "\n" not in str(told.value)


PANEL = metabt.open_panel(FRAMES)
OTHERS: dict[str, tuple[Callable[[Any], object], tuple[Any, ...]]] = {
    "connect": (metabt.connect, (5, None, "", ["x"], stocks(5), "/nowhere")),
    "load": (metabt.load, (5, None, "", ["x"], "/nowhere")),
    "prices": (lambda value: metabt.backtest(tree(), value), (None, 5, [], b"x", stocks(5)["AA"], {"stocks": 5})),
    "tree": (lambda value: metabt.backtest(value, FRAMES), (None, 5, [], "", {}, [("a", 1)])),
    "dataset": (lambda value: metabt.open_panel(FRAMES, value), (5, "", ["x"], "nobody")),
    "symbols": (lambda value: metabt.open_panel(FRAMES, symbols=value), (5, [5], [None], [], "nobody", b"AA")),
    "panel engine": (lambda value: metabt.open_panel(FRAMES, engine=value), (None, 5, "", ["local"])),
    "panel[]": (lambda value: PANEL[value], (5, None, ["nobody"])),
    "select": (PANEL.select, (5, None, [5], [])),
    "between": (PANEL.between, (5, "soon", pd.NaT, 1.5)),
    "before": (lambda value: PANEL.map_overlap(lambda sheet: sheet, before=value), (-1, 1.5, "a", None)),
    "function": (PANEL.map_partitions, (5, None, "x")),
    "check_causal": (PANEL.check_causal, (0, -1, "a", 1.5)),
    "partitions": (lambda value: PANEL.partitions[value], ("a", 1.5, None, 99)),
    "workers": (lambda value: metabt.Ray(workers=value), (0, -1, "a", 1.5)),
    "address": (lambda value: metabt.Ray(address=value), (5, "")),
    "portfolios": (lambda value: metabt.BacktestEngine(value, {"stocks": PRICES}), (TREE, "demo", [5], None, [tree()])),
    "engine prices": (lambda value: metabt.BacktestEngine([TREE], value), (PRICES, None, FRAMES, stocks(5))),
    "keep": (lambda value: metabt.BacktestEngine([TREE], {"stocks": PRICES}, keep=value), (None, "some", 5)),
    "executor": (lambda value: metabt.BacktestEngine([TREE], {"stocks": PRICES}, executor=value), ("local", 5)),
    "sleeve name": (lambda value: metabt.Sleeve.meta(value, (TREE,)), (5, None, "")),
    "sleeve children": (lambda value: metabt.Sleeve.meta("x", value), ((), [tree()], TREE)),
}
CASES = [(name, value) for name, (_, values) in OTHERS.items() for value in values]


@pytest.mark.parametrize(("name", "value"), CASES, ids=[f"{name}-{place}" for place, (name, _) in enumerate(CASES)])
def test_other_functions_refuse(name: str, value: Any) -> None:
    with pytest.raises(MetabtError) as told:
        OTHERS[name][0](value)
    assert len(str(told.value)) > 15 and "\n" not in str(told.value)


def test_a_text_is_one_symbol_and_sequences_are_many() -> None:
    for symbols in (stocks(5).columns[:2], np.array(["AA", "BB"]), ("BB", "AA"), pd.Series(["AA", "BB"]), {"AA", "BB"}):
        assert metabt.open_panel(FRAMES, symbols=symbols).symbols == ("AA", "BB")
    assert metabt.open_panel(FRAMES, symbols="AA").symbols == PANEL.select("AA").symbols == ("AA",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dates", pd.DatetimeIndex(PRICES.dates)),
        ("symbols", stocks(5).columns),
        ("close", stocks(5)),
        ("close", PRICES.close.tolist()),
        ("close", PRICES.close.astype(int)),
        ("volume", PRICES.close[:, :2]),
    ],
)
def test_prices_want_arrays_and_say_how_to_make_them(name: str, value: Any) -> None:
    parts = {"name": "stocks", "dates": PRICES.dates, "symbols": PRICES.symbols, "close": PRICES.close, name: value}
    with pytest.raises(DataError, match=f"dataset 'stocks': {name}.*wanted"):
        metabt.Prices(**parts)
