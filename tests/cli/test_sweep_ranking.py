"""What is said of a sweep: the best first, what failed last, and no column that says the same of everyone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from metabt.cli.sweep_ranking import SHOWN, failures, forecast, ranking
from tests.shared.ranked import outlook, sweep_of, swept


def order(table: str) -> list[str]:
    return [line.split()[1] for line in table.splitlines()[1:]]


def ids(*runs: Any) -> list[str]:
    return [run.run_id[:12] for run in runs]


def test_the_best_sharpe_ratio_comes_first_and_ties_stay_in_order() -> None:
    runs = [swept(number, sharpe=sharpe) for number, sharpe in enumerate([0.5, 0.9, 0.5, -0.1, 0.9])]
    table = ranking(sweep_of(*runs))
    assert order(table) == ids(*(runs[position] for position in (1, 4, 0, 2, 3)))
    assert [line.split()[0] for line in table.splitlines()[1:]] == ["1", "2", "3", "4", "5"]


def test_what_has_no_sharpe_ratio_comes_after_what_has_one_and_failures_come_last() -> None:
    failed = swept(0, "a=1", error="ruined\nat length")
    undefined = swept(1, "a=2", sharpe=math.nan)
    poor = swept(2, "a=3", sharpe=-2.0)
    table = ranking(sweep_of(failed, undefined, poor))
    assert order(table) == ids(poor, undefined, failed)
    last = table.splitlines()[-1]
    assert last.startswith("-") and last.endswith("ruined")
    assert "at length" not in table
    assert "nan" not in table


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=20))
def test_every_configuration_has_its_row(sharpes: list[float | None]) -> None:
    runs = [
        swept(number, f"a={number}", error="no" if sharpe is None else None, sharpe=sharpe or 0.0)
        for number, sharpe in enumerate(sharpes)
    ]
    assert sorted(order(ranking(sweep_of(*runs)))) == sorted(ids(*runs))


def test_the_figures_are_those_of_the_root() -> None:
    (row,) = ranking(sweep_of(swept(1))).splitlines()[1:]
    assert row.split()[2:] == ["0.50", "7.00%", "14.00%", "30.00%", "0.25"]


def test_the_total_return_stands_where_there_is_no_rate_a_year() -> None:
    short, long = {"cagr": math.nan, "total_return": 0.012}, {"total_return": 0.31}
    heading, row = ranking(sweep_of(swept(1, **short))).splitlines()
    assert heading.split()[2:5] == ["Sharpe", "Total", "return"] and "CAGR" not in heading
    assert row.split()[2:4] == ["0.50", "1.20%"]
    heading, first, second = ranking(sweep_of(swept(1, sharpe=0.6, **short), swept(2, **long))).splitlines()
    assert heading.split()[2:6] == ["Sharpe", "Total", "return", "CAGR"]
    assert first.split()[3:5] == ["1.20%", "-"] and second.split()[3:5] == ["31.00%", "7.00%"]
    assert "Total" not in ranking(sweep_of(swept(1, **long))).splitlines()[0]


BEST_FIRST = ((0.9, 0.0), (0.1, 9.0), (math.nan, 0.3), (math.nan, 0.2), (math.nan, -0.1), (math.nan, math.nan))
"""Sharpe ratios and total returns, the best first."""


@given(st.permutations(range(len(BEST_FIRST))))
def test_without_a_sharpe_ratio_the_total_return_ranks(places: list[int]) -> None:
    runs = [swept(place, sharpe=BEST_FIRST[place][0], total_return=BEST_FIRST[place][1]) for place in places]
    assert order(ranking(sweep_of(*runs))) == ids(*sorted(runs, key=lambda run: places[runs.index(run)]))


def test_only_what_differs_is_a_column() -> None:
    runs = [
        swept(number, "portfolio=demo", f"portfolio.optimizer={name}", "portfolio.lookback=20")
        for number, name in enumerate(["erc", "'hrp'"])
    ]
    heading, first, second = ranking(sweep_of(*runs)).splitlines()
    assert heading.split()[:4] == ["Rank", "Run", "optimizer", "Sharpe"]
    assert (first.split()[2], second.split()[2]) == ("erc", "hrp")
    assert "demo" not in first and "lookback" not in heading


def test_a_long_value_is_cut() -> None:
    runs = [swept(number, f"portfolio.universe=[{','.join(['A' * number] * 60)}]") for number in (1, 2)]
    assert max(map(len, ranking(sweep_of(*runs)).splitlines())) < 130


def test_beyond_fifty_rows_the_query_for_all_is_shown() -> None:
    full = ranking(sweep_of(*(swept(n, f"a={n}") for n in range(SHOWN))))
    assert len(full.splitlines()) == SHOWN + 1
    table = ranking(sweep_of(*(swept(n, f"a={n}", sharpe=float(-n)) for n in range(SHOWN + 1))))
    *rows, says, query = table.splitlines()
    assert len(rows) == SHOWN + 1
    assert f"first {SHOWN} of {SHOWN + 1}" in says
    assert query.strip().startswith('metabt sql "select ') and f"sweep_id = '{'5' * 64}'" in query


def test_the_query_gives_all_of_it() -> None:
    import duckdb

    table = ranking(sweep_of(*(swept(n, f"a={n}") for n in range(SHOWN + 1))))
    query = table.splitlines()[-1].split('"')[1]
    with duckdb.connect() as con:
        con.execute("create table runs (run_id text, sweep_id text, portfolio text, overrides text)")
        con.execute("create table asked (run_id text, sweep_id text, overrides text)")
        con.execute("create table metrics (run_id text, path text, metric text, value double)")
        for number in range(3):
            con.execute("insert into runs values (?, NULL, 'p', NULL)", [str(number)])  # found, of no sweep
            for sweep_id in ("5" * 64, "5" * 64, "6" * 64):  # asked for twice, and by another
                con.execute("insert into asked values (?, ?, ?)", [str(number), sweep_id, f"a={number}"])
            con.execute("insert into metrics values (?, 'p', 'sharpe', ?)", [str(number), float(number)])
            con.execute("insert into metrics values (?, 'p/x', 'sharpe', 9)", [str(number)])
        assert con.execute(query).fetchall() == [(str(n), f"a={n}", float(n)) for n in (2, 1, 0)]


def test_a_forecast_counts_what_is_left_to_compute() -> None:
    numbers = {
        "n_jobs": 32,
        "n_blocks": 640,
        "n_distinct": 80,
        "n_known": 48,
        "n_leaf_distinct": 60,
        "n_leaf_known": 40,
    }
    first, leaves = forecast(outlook(**numbers)).splitlines()
    assert first == "32 configurations: 640 blocks named, 80 distinct, 48 of them known; computing 32"
    assert leaves == "blocks of leaves: 60 distinct, 40 of them known; computing 20"
    assert forecast(outlook(n_jobs=1, n_failed=1)).startswith("1 configuration (1 cannot run): ")
    assert "(1 cannot run, 2 stored already)" in forecast(outlook(n_jobs=4, n_failed=1, n_found=2))


def fails(*errors: str | None) -> Sequence[Any]:
    return [swept(number, f"a={number}", error=error) for number, error in enumerate(errors)]


def test_failures_are_counted_and_the_first_is_named() -> None:
    assert failures(fails(None, None)) is None
    assert failures([]) is None
    assert failures(fails(None, "ruined\nmore", "x")) == (
        "2 of 3 configurations failed; the others are stored; the first, a=1: ruined"
    )
    assert failures(fails("ruined")) == "1 of 1 configuration failed; the first, a=0: ruined"


def test_a_ranking_over_unlike_rates_of_cash_says_so() -> None:
    runs = [swept(number, f"a={number}", sharpe=0.5) for number in range(4)]
    alike = [replace(run, cash="usd") for run in runs]
    assert "unlike" not in ranking(sweep_of(*runs)) + ranking(sweep_of(*alike))
    mixed = [*alike[:2], replace(runs[2], cash=0.03), runs[3]]
    line = ranking(sweep_of(*mixed)).splitlines()[-1]
    assert line.startswith("ratios are beyond unlike rates of cash, 'usd' in 2, 3.00% in 1, nothing in 1: ")
    failed = replace(runs[3], status="failed", error="ruined")
    assert "unlike" not in ranking(sweep_of(*alike, failed))  # what failed is not compared
