"""Steps are stated of a dataset at ingestion, sealed with it, and are there for everyone who reads returns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.build.step_checks import steps_of
from metabt.data.facts import Facts
from metabt.errors import ConfigError, StoreError
from metabt.estimators import steps
from metabt.lakehouse import attach, ingest
from metabt.lakehouse.ingestion.ingestion import restate
from metabt.lakehouse.price_source import Lakehouse, source_of
from metabt.lakehouse.stored_data import DATASET_COLUMNS, list_datasets
from metabt.runs.last_closes import last_closes
from tests.shared import stepping
from tests.shared.panels import random_walk

SYMBOLS = ["A", "B", "C"]
FRAME = random_walk(0, pd.bdate_range("2019-06-03", periods=300), SYMBOLS)


def stated(path: Path) -> object:
    with attach(path, read_only=True) as con:
        (row,) = list_datasets(con)
    return dict(zip(DATASET_COLUMNS, row, strict=True))["panel"]


def test_steps_stay_until_they_are_stated_anew(tmp_path: Path) -> None:
    ingest(tmp_path, "d", FRAME.iloc[:200])
    assert stated(tmp_path) is None
    ingest(tmp_path, "d", FRAME.iloc[:200], panel={"name": "capped", "limit": 0.02})
    wanted = '[{"before": 0, "limit": 0.02, "name": "capped", "over": "asset"}]'
    assert stated(tmp_path) == wanted
    ingest(tmp_path, "d", FRAME)
    assert stated(tmp_path) == wanted
    assert restate(tmp_path, "d", panel="none") == "d: open, steps between prices and returns: none"
    assert stated(tmp_path) is None
    assert "capped" in restate(tmp_path, "d", panel=["capped"], closed=True)
    with attach(tmp_path, read_only=True) as con:
        assert dict(zip(DATASET_COLUMNS, list_datasets(con)[0], strict=True))["closed"]
    for bad in ("caped", {"name": "capped", "limit": "x"}):
        with pytest.raises(ConfigError, match="panel of dataset 'd'"):
            ingest(tmp_path, "d", FRAME, panel=bad)
    with pytest.raises(ConfigError, match="no dataset 'e' in the lakehouse"):
        restate(tmp_path, "e", panel="none")


def test_a_statement_that_was_changed_is_found(tmp_path: Path) -> None:
    metabt.ingest(FRAME, dataset="d", lakehouse=tmp_path, panel="capped")
    with attach(tmp_path) as con:
        con.execute("UPDATE datasets SET panel = NULL")
    with pytest.raises(StoreError, match="dataset 'd': its row is not what was recorded"):
        metabt.open_panel(tmp_path).compute()


@pytest.mark.parametrize("panel", ["capped", {"name": "relative", "over": "dataset"}, ["cleaned", "capped"]])
def test_a_lakehouse_and_a_frame_give_the_same_returns_and_digests(tmp_path: Path, panel: object) -> None:
    ingest(tmp_path, "d", FRAME, panel=panel)
    there, here = source_of(tmp_path), source_of({"d": FRAME}, panel=panel)
    assert isinstance(there, Lakehouse)
    for symbols in (None, ("B",), ("A", "C")):
        one, other = there.dataset("d", symbols), here.dataset("d", symbols)
        assert one.facts.digests == other.facts.digests and one.facts.symbols == other.facts.symbols
        assert one.prices.returns.tobytes() == other.prices.returns.tobytes()
        again = there.lasting({"d": one})["d"]
        assert again.facts is one.facts and again.prices.returns.tobytes() == one.prices.returns.tobytes()
        opened = metabt.open_panel(tmp_path, symbols=symbols)["returns"].compute()["returns"]
        assert opened.tobytes() == one.prices.returns.tobytes()
    raw = source_of({"d": FRAME}).dataset("d")
    assert raw.facts.digests != here.dataset("d").facts.digests
    assert raw.prices.returns.tobytes() != here.dataset("d").prices.returns.tobytes()


def test_without_a_step_the_digests_are_those_of_the_prices(tmp_path: Path) -> None:
    ingest(tmp_path, "d", FRAME)
    prices = source_of({"d": FRAME}).dataset("d").prices
    for source in (source_of(tmp_path), source_of({"d": FRAME}), source_of({"d": FRAME}, panel="none")):
        found = source.dataset("d")
        assert found.step is None and steps_of(found) == ()
        assert found.facts.digest(found.facts.symbols) == Facts.of(prices).digest(prices.symbols)


def test_levels_are_those_that_were_observed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does anybody need the step's package to be told what a share is worth."""
    ingest(tmp_path, "d", FRAME, panel={"name": "scaled", "by": 0.5})
    source = Lakehouse(tmp_path)
    with monkeypatch.context() as gone:
        gone.setattr(steps, "known_steps", lambda: ())
        gone.setattr(steps, "_built", steps._built.__wrapped__)
        with pytest.raises(ConfigError, match="panel of dataset 'd': no step is called 'scaled'; registered are none"):
            source.dataset("d")
        assert last_closes(source, {"d": ("A",)}, ())["A"].price == FRAME["A"].iloc[-1]
    closes = last_closes(source, {"d": tuple(SYMBOLS)}, ())
    assert {symbol: close.price for symbol, close in closes.items()} == FRAME.iloc[-1].to_dict()
    np.testing.assert_array_equal(source.dataset("d").prices.close, FRAME.to_numpy())
    assert stepping.PLUGINS


def test_python_states_them_of_frames_and_not_of_a_lakehouse(tmp_path: Path) -> None:
    ingest(tmp_path, "d", FRAME)
    for call in (metabt.open_panel, lambda prices, panel: metabt.plan({"universe": ["A"]}, prices, panel=panel)):
        with pytest.raises(ConfigError, match="prices are those of a lakehouse, whose steps are stated"):
            call(tmp_path, panel="capped")
    both = {"d": FRAME, "e": FRAME.add_suffix("x")}
    with pytest.raises(ConfigError, match="there are 2 datasets; say of which: panel="):
        source_of(both, panel="capped")
    with pytest.raises(ConfigError, match="panel names no dataset 'f' of these prices"):
        source_of(both, panel={"f": "capped"})
    found = source_of(both, panel={"e": "capped"})
    assert [len(steps_of(found.dataset(name))) for name in both] == [0, 1]
