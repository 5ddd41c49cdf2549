"""Datasets with a step: the same bits at every cut, keys of all that is read and of nothing else, answers checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from metabt import Sheet
from metabt.build.flat_baseline import join_prices
from metabt.data.dataset import FIELDS, Dataset
from metabt.data.facts import Facts, digests_of
from metabt.data.panel.stepped import layers, sheet_of, stepped
from metabt.data.prices import Prices, join_rows
from metabt.errors import DataError
from metabt.lakehouse.price_source import to_prices
from tests.shared.panels import punch, random_walk
from tests.shared.stepping import averaged, capped, relative, step, weighted

SYMBOLS = ["AA", "BB", "CC", "DD"]


def prices(seed: int, n: int = 700, *, gaps: bool = True) -> Prices:
    frame = random_walk(seed, pd.bdate_range("2018-06-01", periods=n), SYMBOLS)
    return to_prices("stocks", punch(frame, seed) if gaps else frame)


def bits(found: Prices) -> tuple[bytes, ...]:
    return tuple(np.ascontiguousarray(it).tobytes() for it in (found.dates, found.close, found.returns, found.observed))


def by_hand(function: Callable[[Sheet], Sheet], given: Prices, columns: list[slice]) -> np.ndarray:
    """Return what a function says of the whole history, asset by asset or all together."""
    rows = slice(0, len(given.dates))
    parts = [function(sheet_of(given, rows, it))["returns"] for it in columns]
    return np.nan_to_num(np.where(given.observed, np.concatenate(parts, axis=1), np.nan), nan=0.0)


EACH, ALL = [slice(i, i + 1) for i in range(4)], [slice(0, 4)]


@pytest.mark.parametrize("seed", range(6))
def test_a_step_is_that_on_the_whole_history_at_any_cut(seed: int) -> None:
    given, rng = prices(seed), np.random.default_rng(seed)
    function, before = weighted(seed)
    for whole, columns in ((False, EACH), (True, ALL)):
        made = stepped(Dataset.of(given), step(function, before, whole=whole))
        everything = made.prices
        np.testing.assert_array_equal(everything.returns, by_hand(function, given, columns))
        assert not (everything.observed & ~given.observed).any()
        for name in ("close", "priced"):
            np.testing.assert_array_equal(getattr(everything, name), getattr(given, name))
        parts = list(made.facts.partitions.values())
        first, last = sorted(rng.integers(0, len(parts), 2).tolist())
        rows = slice(parts[first].start, parts[last].stop)
        some = tuple(sorted(rng.choice(SYMBOLS, 2, replace=False).tolist()))
        wanted = bits(everything.rows(rows).select(some))
        assert bits(made.part(rows, some, FIELDS)()) == wanted
        assert bits(join_rows([made.part(it, some, FIELDS)() for it in parts[first : last + 1]])) == wanted


def test_steps_are_applied_one_after_the_other() -> None:
    given = prices(3)
    one, two = step(averaged, 2), step(capped)
    both = stepped(stepped(Dataset.of(given), one), two)
    assert [layer.step for layer in layers(both)] == [one, two]
    wanted = np.clip(by_hand(averaged, given, EACH), -0.01, 0.01)
    np.testing.assert_array_equal(both.prices.returns, wanted)
    other = stepped(stepped(Dataset.of(given), two), one)
    assert both.facts.digest(both.facts.symbols) != other.facts.digest(other.facts.symbols)


def test_who_wants_no_returns_calls_no_step() -> None:
    def never(sheet: Sheet) -> Sheet:
        raise AssertionError("it was called")

    given = prices(1)
    made = stepped(Dataset.of(given), step(never))
    rows = made.facts.partitions["2019"]
    assert made.part(rows, ("AA",), ("close",))().close.tobytes() == given.rows(rows).select(("AA",)).close.tobytes()
    assert made.facts.digest(made.facts.symbols)  # nor whoever wants a key


def changed(given: Prices, row: int, column: int) -> Prices:
    close = given.close.copy()
    close[row, column] *= 1.5
    return replace(given, close=close)


@pytest.mark.parametrize("whole", [False, True])
def test_a_cell_s_digest_changes_with_all_that_its_returns_are_made_of_and_with_nothing_else(whole: bool) -> None:
    given, before = prices(2, gaps=False), 40
    function = step(relative if whole else averaged, before, whole=whole)
    made = stepped(Dataset.of(given), function)
    parts = made.facts.partitions
    row = parts["2019"].stop - 20  # the first partition after it reaches back to it
    other = stepped(Dataset.of(changed(given, row, 1)), function)
    moved = {cell[:2] for cell, text in made.facts.digests.items() if other.facts.digests[cell] != text}
    symbols = SYMBOLS if whole else ["BB"]
    assert moved == {(symbol, label) for symbol in symbols for label in ("2019", "2020")}
    differs = made.prices.returns != other.prices.returns
    for label, part in parts.items():
        for column, symbol in enumerate(SYMBOLS):
            assert (symbol, label) in moved or not differs[part, column].any()
    assert differs[row].any() and made.facts.digests.keys() == Facts.of(given).digests.keys()


def test_another_asset_changes_no_bit_of_a_step_that_is_shown_each_by_itself() -> None:
    """Not even of one that would read them."""
    given = prices(4, gaps=False)
    whole = stepped(Dataset.of(given), step(relative)).prices
    for symbol in SYMBOLS:
        alone = stepped(Dataset.of(given.select((symbol,))), step(relative)).prices
        assert bits(whole.select((symbol,))) == bits(alone)


def test_another_step_is_another_key_and_none_is_the_key_of_the_prices() -> None:
    given = prices(5)
    known = Facts.of(given)
    assert Dataset.of(given).facts.digests == dict(digests_of(given)) == known.digests
    found = [
        stepped(Dataset.of(given), it).facts.digests
        for it in (step(capped), step(capped, digest="edited"), step(capped, 1), step(capped, whole=True))
    ]
    closes = [{cell: text for cell, text in each.items() if cell[2] == "close"} for each in [known.digests, *found]]
    for cell in closes[0]:
        assert len({each[cell] for each in closes}) == len(closes)


def test_stated_returns_are_part_of_the_digest_of_prices_and_compound() -> None:
    given = prices(6)
    made = stepped(Dataset.of(given), step(capped)).prices
    assert Facts.of(made).digest(made.symbols) != Facts.of(given).digest(given.symbols)
    every = made.dates[::7]
    wanted = [
        np.prod(1 + made.returns[a + 1 : b + 1], axis=0) - 1
        for a, b in zip(range(0, 693, 7), range(7, 700, 7), strict=True)
    ]
    np.testing.assert_allclose(made.returns_between(every), wanted, rtol=0, atol=1e-14)
    assert made.returns_between(made.dates[3:9]).tobytes() == made.returns[4:9].tobytes()


def test_the_flat_baseline_compounds_what_the_step_says() -> None:
    one = stepped(Dataset.of(prices(7)), step(capped)).prices
    assert bits(join_prices([one]))[1:3] == bits(one)[1:3]
    days = pd.bdate_range("2018-06-01", periods=700)[::3]
    other = to_prices("funds", random_walk(8, days, ["FA", "FB"]))
    both = join_prices([one, other])
    rows = np.searchsorted(one.dates, both.dates)
    log = np.concatenate([np.zeros((1, 4)), np.cumsum(np.log1p(one.returns), axis=0)])
    for column, symbol in enumerate(one.symbols):
        held = np.flatnonzero(one.priced[rows, column])
        growth = np.exp(log[rows[held[1:]] + 1, column] - log[rows[held[:-1]] + 1, column]) - 1
        found = both.select((symbol,)).returns[held[1:], 0]
        np.testing.assert_allclose(found, growth, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(both.select(("FA", "FB")).returns, other.returns)


def shorter(sheet: Sheet) -> Sheet:
    return capped(sheet).rows(slice(1, None))


def renamed(sheet: Sheet) -> Sheet:
    return Sheet(sheet.dates, tuple(f"{it}x" for it in sheet.symbols), {"returns": sheet["returns"]})


def nameless(sheet: Sheet) -> Sheet:
    return sheet.derive(mine=sheet["returns"])


def invented(sheet: Sheet) -> Sheet:
    return sheet.derive(returns=sheet["returns"] + 0.01)


def ruined(sheet: Sheet) -> Sheet:
    return sheet.derive(returns=np.where(sheet["returns"] == 0, 0.0, -1.0))


def endless(sheet: Sheet) -> Sheet:
    return sheet.derive(returns=np.where(sheet["returns"] == 0, 0.0, np.inf))


def failing(sheet: Sheet) -> Sheet:
    raise KeyError("rates")


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (shorter, r"step 'shorter': .* sessions for partition 2018, wanted the 152"),
        (renamed, r"step 'renamed' returned 1 symbols for AA in 2018, wanted the 1 that it was given"),
        (nameless, r"step 'nameless' returned mine for AA in 2018, wanted the field returns"),
        (invented, r"step 'invented': AA on 2018-06-01: return 0.01; the asset has no return there"),
        (ruined, r"step 'ruined': AA on 2018-06-0\d: return -1; returns are above -1 and finite"),
        (endless, r"step 'endless': AA on 2018-06-0\d: return inf; returns are above -1 and finite"),
        (failing, r"step 'failing' failed with AA in 2018: KeyError: 'rates'"),
        (lambda sheet: 1.0, r"returned a float for partition 2018, wanted a Sheet"),
    ],
)
def test_answers_that_cannot_be_meant_are_refused(function: Callable[[Sheet], Sheet], says: str) -> None:
    made = stepped(Dataset.of(prices(1, gaps=False)), step(function))
    with pytest.raises(DataError, match=says):
        _ = made.prices
