"""The summary says each metric of each sleeve in its column, and growth by what there is of it."""

from __future__ import annotations

import numpy as np
import pytest

from metabt.analysis.summary import COLUMNS, beyond_cash, metrics_by_path, summary, with_growth
from metabt.values.tables import Coded, Table

NAN = float("nan")


def metrics(values: dict[str, dict[str, float]]) -> Table:
    rows = [(path, name, value) for path, own in values.items() for name, value in own.items()]
    paths, names, numbers = zip(*rows, strict=True)
    return {"path": Coded.of(paths), "metric": Coded.of(names), "value": np.array(numbers)}


def own(**changed: float) -> dict[str, float]:
    values = {"total_return": 0.5, "cagr": 0.123456, "volatility": 0.2, "sharpe": 1.005, "max_drawdown": 0.25}
    return {**values, "turnover": 3.0, "cost": 0.0012, "netting_benefit": 0.0, "other": 7.0, **changed}


def shown(values: dict[str, dict[str, float]], paths: list[str]) -> list[str]:
    dates = np.array(["2020-01-03", "2020-01-02", "2020-02-05", "2019-01-01"], "datetime64[D]")
    returns = {"path": Coded.of([paths[0], paths[0], paths[0], "elsewhere"]), "date": dates}
    sleeves = {"path": Coded.of(paths), "spec": Coded.constant("{}", len(paths))}
    tables = {"sleeves": sleeves, "metrics": metrics(values), "returns": returns}
    return summary(tables).splitlines()


def test_a_tree_and_its_benchmark() -> None:
    values = {"r": own(), "r/a": own(cagr=NAN), "r/a/b": own(sharpe=-0.25), "benchmark:SPY": {"cagr": 0.1}}
    lines = shown(values, ["r", "r/a", "r/a/b"])
    assert lines[0] == "r: 2020-01-02 to 2020-02-05, per year, net of costs"
    assert lines[1].split("  ") and lines[1].startswith("Sleeve         Total return      CAGR  Volatility")
    columns = [line.split() for line in lines[2:]]
    assert [row[0] for row in columns] == ["r", "a", "b", "benchmark:SPY"]
    assert [len(line) - len(line.lstrip()) for line in lines[2:]] == [0, 2, 4, 0]
    assert columns[0][1:] == ["50.00%", "12.35%", "20.00%", "1.00", "25.00%", "3.00", "0.120%", "0.000%"]
    assert columns[1][2] == "-" and columns[2][4] == "-0.25"
    assert columns[3][1:] == ["-", "10.00%", "-", "-", "-", "-", "-", "-"]
    assert len({len(line) for line in lines[1:]}) == 1
    assert lines[1].endswith(COLUMNS["netting_benefit"][0])


def test_what_is_missing_stands_beneath_its_heading_as_a_number_does() -> None:
    values = {"r": own(cagr=NAN, sharpe=NAN, cost=NAN), "r/a": own(), "r/b": {"total_return": 0.25}}
    heading, *lines = shown(values, ["r", "r/a", "r/b"])[1:]
    for text, _ in COLUMNS.values():
        stop = heading.index(text) + len(text)
        for line in lines:
            assert line[stop - 1] in "-%0123456789" and line[stop : stop + 2].strip() == "", (text, line)


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ([(0.1, 0.2)], ["cagr"]),
        ([(0.1, 0.2), (0.1, NAN)], ["total_return", "cagr"]),
        ([(0.1, NAN), (0.3, NAN)], ["total_return"]),
        ([(NAN, NAN), (0.3, 0.1)], ["cagr"]),  # what has no return has no growth to be told
        ([(NAN, NAN), (0.3, NAN)], ["total_return"]),
        ([(NAN, NAN)], ["cagr"]),
        ([], ["cagr"]),
    ],
)
def test_growth_is_told_by_a_rate_where_there_is_one(rows: list[tuple[float, float]], left: list[str]) -> None:
    given = [{"total_return": total, "cagr": rate} for total, rate in rows]
    assert with_growth(["total_return", "cagr", "sharpe"], given) == [*left, "sharpe"]


def test_metrics_by_path_keep_their_order() -> None:
    values = {"r": {"b": 1.0, "a": 2.0}, "r/x": {"b": 3.0}}
    found = metrics_by_path(metrics(values))
    assert found == values and [list(each) for each in found.values()] == [["b", "a"], ["b"]]


@pytest.mark.parametrize(
    ("cash", "said"),
    [(None, ""), ("usd", ", ratios beyond cash at usd"), (0.0325, ", ratios beyond cash at 3.25%")],
)
def test_it_says_beyond_which_rate_ratios_are(cash: str | float | None, said: str) -> None:
    assert beyond_cash({} if cash is None else {"cash": {"rate": cash, "reserve": 0.0}}) == said
    assert beyond_cash({"cash": {"rate": None, "reserve": 0.1}}) == ""
