"""Decades: ten years of prices, so that blocks are many."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tests.shared import panels

LEAF = {"dataset": "stocks", "lookback": 20, "schedule": "monthly"}


def decade() -> pd.DataFrame:
    """Return ten years of five symbols."""
    return panels.stocks(4, 2600, first="2010-01-04")


def nested(**leaf: Any) -> dict[str, Any]:
    """Return book over core (a over AA and BB, b over BB and CC) and c over DD and EE, to which `leaf` applies."""
    a, b, c = ({**LEAF, "universe": symbols} for symbols in (["AA", "BB"], ["BB", "CC"], ["DD", "EE"]))
    rules = {"lookback": 30, "schedule": {"every": 21}, "optimizer": "inverse_volatility"}
    core = {**rules, "sleeves": {"a": a, "b": {**b, "optimizer": "inverse_volatility"}}}
    return {"name": "book", **rules, "costs": {"commission_bp": 5}, "sleeves": {"core": core, "c": {**c, **leaf}}}
