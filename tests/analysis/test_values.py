"""Values of an analysis are shared by tables, notes and reports: none of them is changed by who reads it."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import is_dataclass
from typing import Any

import pytest

import metabt.analysis

NAMED: dict[str, dict[str, Any]] = {
    "attribution.brinson": {
        "SELECTION": "selection",
        "EFFECTS": ("allocation", "selection", "interaction"),
        "TOGETHER": 32,
    },
    "attribution.labels": {"COSTS": "costs"},
    "attribution.periods": {"UNITS": {"year": "Y", "month": "M"}},
    "benchmark": {"PREFIX": "benchmark:"},
    "calendar_time": {"DAYS_PER_YEAR": (3 * 365 + 366) / 4},
    "coverage": {"RARE": 1 / 20, "STEP": 20, "AT_ONCE": 500},
    "decision_counts": {"FALLBACK": "fallback:"},
    "left_out": {"CAUSES": ("calendar", "coverage", "sessions", "life"), "MEASURED": 40, "LEAVES": 12},
    "metrics.ratios": {"SHORTEST": 365},
    "metrics.tails": {"TAIL": 1 / 20},
    "metrics.trailing": {"YEARS": (1, 3, 5, 10), "NAMES": ("ytd", "1y", "3y", "5y", "10y")},
    "note_lines": {"SHOWN": 3, "WIDEST": 110, "MONTH": 30.44, "LINES": 6},
    "run_tables": {"SUMMARY": ("sleeves", "returns", "decisions", "metrics")},
    "summary": {
        "COLUMNS": {
            "total_return": ("Total return", "{:12.2%}"),
            "cagr": ("CAGR", "{:8.2%}"),
            "volatility": ("Volatility", "{:10.2%}"),
            "sharpe": ("Sharpe", "{:7.2f}"),
            "max_drawdown": ("Max drawdown", "{:12.2%}"),
            "turnover": ("Turnover", "{:8.2f}"),
            "cost": ("Cost", "{:7.3%}"),
            "netting_benefit": ("Netting benefit", "{:15.3%}"),
        },
    },
}
"""Module -> names that stand in tables and in what is said of them, and limits that are documented."""


def test_no_value_of_an_analysis_is_changed() -> None:
    found = {}
    for module in pkgutil.walk_packages(metabt.analysis.__path__, "metabt.analysis."):
        for name, cls in vars(importlib.import_module(module.name)).items():
            if isinstance(cls, type) and is_dataclass(cls) and cls.__module__ == module.name:
                found[f"{module.name}.{name}"] = vars(cls)["__dataclass_params__"].frozen
    assert len(found) > 20 and all(found.values()), found


@pytest.mark.parametrize("module", NAMED)
def test_names_and_limits_are_those_that_others_read(module: str) -> None:
    found = vars(importlib.import_module(f"metabt.analysis.{module}"))
    for name, value in NAMED[module].items():
        assert found[name] == value and repr(found[name]) == repr(value)  # a mapping's order is that of its columns
