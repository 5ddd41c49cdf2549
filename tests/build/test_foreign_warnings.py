"""What foreign estimators warn of is counted by sleeve and text, with its first session, and not printed."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.build.foreign_warnings import Heard, Listener, is_foreign, listening, together
from metabt.portfolio.handed_over import HandedOver
from metabt.portfolio.sleeve import Estimator, Leaf, Meta
from tests.shared.plain_estimators import FirstColumns, InverseDeviation

PLUGINS = Path(__file__).parents[1] / "engines" / "ray" / "plugins"
BELOW = -0.015


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the plug-in `poison`."""
    if str(PLUGINS) not in sys.path:
        monkeypatch.syspath_prepend(str(PLUGINS))


def prices() -> pd.DataFrame:
    moves = np.random.default_rng(5).normal(0, 0.01, (700, 4))
    return pd.DataFrame(100 * np.exp(moves.cumsum(axis=0)), pd.bdate_range("2015-01-01", periods=700), list("ABCD"))


def tree(what: str) -> dict[str, object]:
    optimizer = {"name": "poison", "what": what, "below": BELOW}
    sleeves = {
        "calm": {"universe": ["A", "B"], "optimizer": "min_variance"},
        "loud": {"universe": ["C", "D"], "optimizer": optimizer},
    }
    return {"name": "m", "lookback": 40, "defaults": {"lookback": 40, "schedule": {"every": 3}}, "sleeves": sleeves}


def falls(result: metabt.Result) -> pd.DatetimeIndex:
    """Return the sessions of decisions with such a fall, found in prices."""
    worst = prices()[["C", "D"]].pct_change().min(axis=1)
    decided = pd.DatetimeIndex(result.decisions("m/loud")["date"].unique())
    return decided[worst.loc[decided] < BELOW]


@pytest.mark.parametrize("cached", [True, False], ids=["in memory", "nothing remembered"])
def test_warnings_are_counted_by_sleeve_with_their_first_session(
    cached: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    cache = metabt.MemoryCache() if cached else None
    result = metabt.backtest(tree("warn"), prices(), cache=cache)
    expected = falls(result)
    (found,) = result.notes.warned
    assert len(expected) > 10
    assert (found.path, found.text, found.times) == ("m/loud", "RuntimeWarning: a large fall", len(expected))
    assert found.session == str(expected[0].date())
    said = f"warnings: m/loud {len(expected)} x RuntimeWarning: a large fall (first on {found.session})"
    assert result.summary().splitlines()[-1] == said and capfd.readouterr() == ("", "")
    if cached:
        assert metabt.backtest(tree("warn"), prices(), cache=cache).notes.warned == ()


def test_what_a_plug_in_could_not_solve_is_counted_and_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    result = metabt.backtest(tree("fail"), prices())
    n_decisions, n_falls = result.decisions("m/loud")["date"].nunique(), len(falls(result))
    (fallen,) = [it for it in result.notes.fell_back if it.path == "m/loud"]
    assert (fallen.times, fallen.of) == (n_falls, n_decisions)
    (found,) = result.notes.warned
    first = f"poison: no weights for {n_falls} of {n_decisions} decisions, first: ValueError: no weights for this"
    assert (found.path, found.text, found.times) == ("m/loud", first, 1) and capfd.readouterr() == ("", "")


def test_filters_and_handlers_are_what_they_were_and_native_sleeves_are_left_alone() -> None:
    foreign = Leaf(dataset="x", universe=("A",), optimizer=Estimator("poison", {"what": "warn", "below": 0.0}))
    log, before = logging.getLogger("metabt.decisions"), (list(warnings.filters), warnings.showwarning)
    with pytest.raises(LookupError), listening(foreign) as listener:
        assert warnings.showwarning == listener.show and not log.propagate
        warnings.warn("deprecated", DeprecationWarning, stacklevel=1)
        raise LookupError
    assert listener.heard == ()
    assert (list(warnings.filters), warnings.showwarning) == before and log.propagate and not log.handlers
    with listening(Leaf(dataset="x", universe=("A",))), pytest.raises(RuntimeWarning):
        warnings.warn("native code must not warn", RuntimeWarning, stacklevel=1)


def test_partitions_add_up() -> None:
    listener = Listener()
    for session in ("2020-01-01", "2020-01-02"):
        listener.deciding(session)
        listener.show(UserWarning("one\n  line"), UserWarning, "file", 1)
    assert listener.heard == (Heard("UserWarning: one line", "2020-01-01", 2),)
    later = Heard("UserWarning: one line", "2021-01-01", 5)
    assert together([*listener.heard, later, Heard("other", "", 1)]) == (
        Heard("UserWarning: one line", "2020-01-01", 7),
        Heard("other", "", 1),
    )


OWN = {"optimizer": Estimator("equal"), "fallback": (Estimator("erc"),), "selector": Estimator("top_k", {"k": 1})}
THEIRS = HandedOver("InverseDeviation 1", {}, made=InverseDeviation)
FOREIGN: dict[str, tuple[dict[str, Any], bool]] = {
    "own": ({}, False),
    "optimizer": ({"optimizer": THEIRS}, True),
    "fallback": ({"fallback": (Estimator("erc"), THEIRS)}, True),
    "selector": ({"selector": HandedOver("FirstColumns 1", {}, made=FirstColumns(1))}, True),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_sleeve_is_foreign_if_any_of_its_own_estimators_is(case: str) -> None:
    settings, foreign = FOREIGN[case]
    leaf = Leaf(dataset="x", universe=("A", "B"), **{**OWN, **settings})
    assert is_foreign(leaf) == foreign
    own = {key: settings[key] for key in ("optimizer", "fallback") if key in settings}
    assert is_foreign(Meta(children=(leaf,), **{"optimizer": Estimator("equal"), "fallback": (), **own})) == bool(own)


def test_what_is_said_is_counted_by_its_words_from_where_it_was_first_said() -> None:
    """Each text once, in the order in which they came, with the session that was decided on; a log has none."""
    listener, said = Listener(), []
    rng = np.random.default_rng(1)
    for number in range(200):
        session, text = str(np.datetime64("2020-01-01") + number // 7), "abcd"[int(rng.integers(4))]
        listener.deciding(session)
        if text == "d":
            listener.emit(logging.LogRecord("metabt.decisions", logging.WARNING, "f", 1, "no %s", (text,), None))
            said.append((f"no {text}", ""))
        else:
            kind = UserWarning if text == "a" else RuntimeWarning
            listener.show(kind(f" {text}\n {text} "), kind, "file", 1)
            said.append((f"{kind.__name__}: {text} {text}", session))
    texts = list(dict.fromkeys(text for text, _ in said))
    expected = [
        Heard(text, next(session for it, session in said if it == text), [it for it, _ in said].count(text))
        for text in texts
    ]
    assert listener.heard == tuple(expected) and len(expected) == 4
