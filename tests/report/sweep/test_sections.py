"""The page of a sweep: its sections say what naive loops over the configurations say."""

from __future__ import annotations

import json
import re
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import f_oneway

from metabt.report import render
from metabt.report.contents import sections
from metabt.report.section import Facts
from metabt.report.sweep.optimum import neighbours
from metabt.report.sweep.sensitivity import effects
from metabt.report.sweep.tried import Tried, told
from tests.shared.tried import tried_of

GRID = {
    "portfolio.lookback": [126, 63, 9, 252],
    "portfolio.optimizer": ["erc", "hrp", "equal"],
    "portfolio.lag": [0, 1],
}


def drawn(seed: int, share: float = 0.0) -> Tried:
    """Return a sweep of random Sharpe ratios of which a share failed."""
    rng = np.random.default_rng(seed)
    return tried_of(GRID, lambda *row: rng.normal(), lambda *row: "ruined\nat length" if rng.random() < share else None)


def test_values_are_in_their_natural_order() -> None:
    tried = drawn(0)
    assert tried.values["portfolio.lookback"] == ["9", "63", "126", "252"]
    assert tried.values["portfolio.optimizer"] == ["erc", "hrp", "equal"]
    assert list(tried.keys.values()) == ["lookback", "optimizer", "lag"]


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 0.9, 1.0]))
def test_every_section_can_be_built_and_written(seed: int, share: float) -> None:
    tried = drawn(seed, share)
    for section in sections(tried):
        for chart in section.figures:
            json.dumps([chart.traces, chart.layout, chart.choices], allow_nan=False)
        for table in section.tables:
            assert isinstance(table, Facts)
            assert all(len(row) == len(table.columns) for row in table.rows)
    names = {section.name for section in sections(tried)}
    assert ("failures" in names) == any(tried.errors)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3]))
def test_the_neighbours_of_the_best_are_those_of_a_naive_search(seed: int, share: float) -> None:
    tried = drawn(seed, share)
    if not len(tried.done):
        assert neighbours(tried) == []
        return
    best = max((place for place in range(24) if tried.errors[place] is None), key=lambda place: tried.score[place])
    wanted = set()
    for key in GRID:
        others = [other for other in GRID if other != key]
        alike = [
            place
            for place in range(24)
            if place != best
            and tried.errors[place] is None
            and all(tried.settings[place][other] == tried.settings[best][other] for other in others)
        ]
        if key == "portfolio.optimizer":
            wanted |= {(key, place) for place in alike}
            continue
        own = float(tried.settings[best][key])
        below = [place for place in alike if float(tried.settings[place][key]) < own]
        above = [place for place in alike if float(tried.settings[place][key]) > own]
        for side, nearest in ((below, max), (above, min)):
            if side:
                wanted.add((key, nearest(side, key=lambda place: float(tried.settings[place][key]))))
    found = neighbours(tried)
    assert {(it.key, it.place) for it in found} == wanted and len(found) == len(wanted)
    assert all(it.less == tried.score[it.place] - tried.score[best] <= 0 for it in found)


@given(st.integers(0, 10_000))
def test_a_share_is_that_of_an_analysis_of_variance(seed: int) -> None:
    tried = drawn(seed)
    for effect in effects(tried):
        groups = [
            [tried.score[place] for place in range(24) if tried.settings[place][effect.key] == value]
            for value in effect.values
        ]
        assert [len(group) for group in groups] == effect.counts.tolist()
        assert [median(group) for group in groups] == pytest.approx(effect.quartiles[1].tolist())
        within = 24 - len(groups)
        f = f_oneway(*groups).statistic  # F = eta squared / (1 - eta squared) x degrees of freedom
        eta = f / (f + within / (len(groups) - 1))
        assert effect.share == pytest.approx(max(0.0, 1 - (1 - eta) * 23 / within))


def test_what_decides_everything_has_the_whole_share_and_what_does_nothing_none() -> None:
    tried = tried_of(GRID, lambda lookback, optimizer, lag: {"erc": 1.0, "hrp": 0.5, "equal": 0.2}[optimizer])
    first, *others = effects(tried)
    assert (first.key, first.share, first.spread) == ("portfolio.optimizer", pytest.approx(1.0), pytest.approx(0.8))
    assert [effect.share for effect in others] == pytest.approx([0.0, 0.0])


def test_a_number_that_is_another_in_every_configuration_does_not_explain_them() -> None:
    rng = np.random.default_rng(7)
    drawn = tried_of({"a.x": rng.uniform(size=400).round(6).tolist()}, lambda x: rng.normal())
    told = tried_of({"a.x": rng.uniform(size=400).round(6).tolist()}, lambda x: 10 * x + rng.normal())
    ((nothing,), (much,)) = effects(drawn), effects(told)
    assert nothing.share < 0.05 and 0.7 < much.share < 0.95
    assert len(much.values) == 8 and set(much.counts.tolist()) == {50}
    assert all(np.diff(much.quartiles[1]) > 0)


@given(st.lists(st.integers(0, 40), min_size=30, max_size=60))
def test_stretches_of_numbers_are_in_order_and_keep_equal_ones_together(numbers: list[int]) -> None:
    grid = {"a.x": numbers, "a.y": [0, 1]}
    tried = tried_of(grid, lambda x, y: 1.0)
    if "a.x" not in tried.grouped:
        return
    labels, group = tried.grouped["a.x"]
    own = np.array([float(settings["a.x"]) for settings in tried.settings])
    assert len(labels) == len(set(group.tolist())) == group.max() + 1
    for number, label in enumerate(labels):
        inside = own[group == number]
        low, _, high = label.partition(" to ")
        assert (inside.min(), inside.max()) == (float(low), float(high or low))
        assert number == 0 or own[group == number - 1].max() < inside.min()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", "as it is"),
        (None, "as it is"),
        ("0.7410943356342614", "0.741094"),
        ("252", "252"),
        ("min_variance", "min_variance"),
    ],
)
def test_a_long_number_is_shown_short(value: str | None, shown: str) -> None:
    assert told(value) == shown


def test_without_variance_no_share_is_told() -> None:
    assert all(np.isnan(effect.share) for effect in effects(tried_of(GRID, lambda *row: 0.7)))


def test_the_ranking_names_what_was_set_and_the_best_first() -> None:
    tried = tried_of(GRID, lambda lookback, optimizer, lag: lookback + lag)
    (table,) = next(section for section in sections(tried) if section.name == "best").tables
    assert isinstance(table, Facts)
    assert table.columns[:5] == ("Rank", "Run", "lookback", "optimizer", "lag")
    assert [row[2:5] for row in table.rows[:4]] == [
        ("252", "erc", "1"),
        ("252", "hrp", "1"),
        ("252", "equal", "1"),
        ("252", "erc", "0"),
    ]


def test_cells_of_the_maps_have_every_configuration_once() -> None:
    tried = drawn(3, 0.3)
    (chart,) = next(section for section in sections(tried) if section.name == "maps").figures
    assert chart.choices is not None
    for key in chart.choices["keys"]:
        for place, row in zip(key["places"], tried.done, strict=True):
            assert key["values"][place] == next(
                tried.settings[row][whole] for whole, name in tried.keys.items() if name == key["label"]
            )
    assert chart.choices["metrics"][0]["values"] == pytest.approx(tried.score[tried.done].tolist(), rel=1e-3)


def test_reasons_are_counted_the_most_frequent_first() -> None:
    tried = tried_of(GRID, lambda *row: 1.0, lambda lookback, *_: {9: "too short\nx", 63: "ruined"}.get(lookback))
    few = tried_of(GRID, lambda *row: 1.0, lambda lookback, optimizer, lag: f"no {optimizer}" if lag else None)
    for sweep, wanted in (
        (tried, {("6", "too short"), ("6", "ruined")}),
        (few, {("4", f"no {it}") for it in ("erc", "hrp", "equal")}),
    ):
        (table,) = next(section for section in sections(sweep) if section.name == "failures").tables
        assert isinstance(table, Facts)
        assert {(row[0], row[2]) for row in table.rows} == wanted


def test_names_and_values_are_escaped() -> None:
    evil = "<img src=x onerror=alert(1)>"
    tried = tried_of(
        {f"portfolio.{evil}": [evil, "b"], "portfolio.lag": [0, 1]}, lambda *row: 1.0, lambda a, b: evil if b else None
    )
    page = render(tried)
    assert evil not in re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert "<img" not in page.split('id="figures">')[1].split("</script>")[0]


def test_ten_thousand_configurations_fit_into_ten_megabytes() -> None:
    rng = np.random.default_rng(0)
    grid = {"a.x": range(50), "a.y": range(20), "a.z": range(10)}
    assert len(render(tried_of(grid, lambda *row: rng.normal()))) < 10e6
