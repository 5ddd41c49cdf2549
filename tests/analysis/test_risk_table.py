"""Risk table: which sleeves have rows, and that the shares of each measure add up to one."""

from __future__ import annotations

import numpy as np
import pandas as pd

import metabt
from tests.shared.leak_detector import decoded
from tests.shared.panels import stocks

LEAF = {"lookback": 20, "schedule": {"every": 10}}
TREE = {
    "name": "m",
    "lookback": 30,
    "optimizer": "erc",
    "defaults": LEAF,
    "sleeves": {
        "inner": {
            "lookback": 25,
            "schedule": {"every": 5},
            "optimizer": "inverse_volatility",
            "sleeves": {"a": {"universe": ["AA", "BB"]}, "b": {"universe": ["BB", "CC"], "optimizer": "erc"}},
        },
        "late": {
            "lookback": 25,
            "schedule": {"every": 5},
            "start": "2035-01-01",
            "sleeves": {"c": {"universe": ["DD", "EE"]}, "d": {"universe": ["AA"]}},
        },
        "leaf": {"universe": ["EE"]},
    },
}


def test_sleeves_over_others_that_have_begun_have_rows_that_add_up_to_one() -> None:
    result = metabt.backtest(TREE, stocks(3, 400))
    rows = pd.DataFrame(decoded(result.tables["risk"]))
    keys = rows.groupby(["path", "measure"])
    assert set(keys.groups) == {
        ("m", "realised"),
        ("m", "realised_asset"),
        ("m", "ex_ante_asset"),
        ("m/inner", "realised"),
    }
    totals = rows.groupby(["path", "measure", "date"])["contribution"].sum()
    assert np.allclose(totals, 1.0, rtol=0, atol=1e-12)
    realised = rows[rows["measure"].str.startswith("realised")]
    assert (realised["date"].astype("M8[ns]") == result.returns().index[-1]).all()
    assert set(rows.loc[(rows["path"] == "m/inner"), "item"]) == {"a", "b", "cash"}
    decided = result.decisions("m").query("status not in ('warmup', 'cash')")["date"].unique()
    asset = rows[rows["measure"] == "ex_ante_asset"]
    assert set(asset["date"].astype("M8[ns]")) == set(decided) and len(decided) > 20
