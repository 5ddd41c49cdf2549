"""A dataset: known without its prices, and one digest for what can be told apart."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.data.dataset import Dataset, Names, Part
from metabt.data.facts import Facts, digest_of_prices
from metabt.data.prices import Prices
from metabt.lakehouse.price_source import to_prices
from tests.shared import panels
from tests.shared.laws import examples

SESSIONS = 600
ROWS = st.integers(0, SESSIONS - 1)


@cache
def panel() -> Prices:
    found = to_prices("stocks", panels.stocks(3, SESSIONS, gaps=True, first="2019-07-01"))
    return replace(found, volume=np.where(found.priced, 1000.0, np.nan))


def corrected(row: int, symbol: str) -> Prices:
    """Return the panel with another price where there is one; the row may move to the nearest that has one."""
    old = panel()
    close, column = old.close.copy(), old.symbols.index(symbol)
    seen = np.flatnonzero(old.priced[:, column])
    close[seen[np.abs(seen - row).argmin()], column] *= 1.5
    return replace(old, close=close)


def unread(of: Prices) -> Facts:
    """Return what is known of a dataset whose prices nobody may read."""
    return replace(Dataset.of(of), part=lambda *wanted: pytest.fail("read prices")).facts


def test_what_is_known_is_known_without_reading_a_price() -> None:
    facts = unread(panel())
    assert list(facts.partitions) == ["2019", "2020", "2021"]
    assert len(facts.digest(facts.symbols)) == len(facts.digest_of(("AA",), slice(0, 9), ("close",))) == 64


def test_prices_and_digests_are_read_once() -> None:
    reads: list[str] = []
    source = Dataset.of(panel())

    def digests() -> object:
        reads.append("digests")
        return source.facts.digests

    def prices(rows: slice, symbols: Names, fields: Names) -> Part:
        reads.append(f"prices from {rows.start}")
        return source.part(rows, symbols, fields)

    dataset = replace(source, facts=replace(source.facts, read_digests=digests), part=prices)
    for symbol in ("AA", "BB"):
        dataset.facts.digest((symbol,))
        dataset.facts.digest_of((symbol,), slice(0, 9), ("close",))
        assert dataset.prices.select([symbol]).symbols == (symbol,)
    assert reads == ["digests", "prices from 0"]


def test_few_symbols_of_what_is_stored_are_read_alone_and_serve_whoever_wants_no_more() -> None:
    reads: list[tuple[int, tuple[str, ...]]] = []
    source = Dataset.of(panel())

    def prices(rows: slice, symbols: Names, fields: Names) -> Part:
        reads.append((rows.start, symbols))
        return source.part(rows, symbols, fields)

    dataset, every = replace(source, part=prices, stored=True), source.facts.symbols
    start = source.facts.partitions["2020"].start
    for row, symbols, read in (
        (start, ("BB", "DD"), ("BB", "DD")),
        (start + 9, ("DD",), None),
        (start, ("AA",), ("AA",)),
        (start, ("AA", "BB", "CC"), every),  # more than half
        (start, ("EE",), None),
        (start, None, None),
        (0, ("CC",), ("CC",)),
        (start, None, every),
    ):
        reads.clear()
        found = dataset.since(row, symbols)
        wanted = source.part(slice(len(panel().dates) - len(found.dates), None), symbols or every, ())()
        assert found.select(symbols or every).returns.tobytes() == wanted.returns.tobytes()
        assert reads == ([] if read is None else [(min(row, start), read)])
    reads.clear()
    memory = replace(source, part=prices)
    assert memory.since(start, ("AA",)).symbols == every  # which costs nothing


def test_prices_are_read_from_the_partition_on_that_is_asked_for() -> None:
    reads: list[slice] = []
    source = Dataset.of(panel())
    opens = [part.start for part in source.facts.partitions.values()]

    def prices(rows: slice, symbols: Names, fields: Names) -> Part:
        reads.append(rows)
        return source.part(rows, symbols, fields)

    dataset = replace(source, part=prices)
    whole = source.prices
    for row in (opens[2] + 1, opens[2], len(source.facts.dates) - 1, opens[1] + 5, 0, opens[2]):
        found = dataset.since(row)
        assert len(found.dates) >= len(whole.dates) - row
        rest = slice(len(whole.dates) - len(found.dates), None)
        assert found.returns.tobytes() == whole.returns[rest].tobytes()
        assert found.observed.tobytes() == whole.observed[rest].tobytes()
    assert [rows.start for rows in reads] == [opens[2], opens[1], 0]


@examples(40)
@given(ROWS, ROWS, st.sampled_from(panels.STOCKS), ROWS)
def test_a_digest_is_of_all_that_its_partitions_hold_and_of_nothing_later(
    one: int, other: int, symbol: str, changed: int
) -> None:
    rows = slice(min(one, other), max(one, other) + 1)
    wrong = corrected(changed, symbol)
    before, after = unread(panel()), unread(wrong)
    (at,) = np.flatnonzero(((panel().close != wrong.close) & panel().priced).any(axis=1))
    touched = [part for part in before.partitions.values() if part.start < rows.stop and rows.start < part.stop]
    within = touched[0].start <= at < touched[-1].stop
    for symbols in (tuple(panels.STOCKS), (symbol,)):
        same = before.digest_of(symbols, rows, ("close",)) == after.digest_of(symbols, rows, ("close",))
        assert not (within and same)
        # what follows may begin at the corrected price
        assert same or within or at < touched[0].start
    others = tuple(it for it in panels.STOCKS if it != symbol)
    assert before.digest_of(others, rows, ("close",)) == after.digest_of(others, rows, ("close",))


def test_returns_are_a_function_of_what_the_digest_covers() -> None:
    before, after = panel(), corrected(270, "CC")
    one, other = Facts.of(before), Facts.of(after)
    for label, rows in one.partitions.items():
        same = one.digest_of(("CC",), rows, ("close",)) == other.digest_of(("CC",), rows, ("close",))
        column = before.symbols.index("CC")
        assert same == (before.returns[rows, column].tobytes() == after.returns[rows, column].tobytes()), label


def test_fields_symbols_and_the_span_have_digests_of_their_own() -> None:
    facts, rows = unread(panel()), slice(0, SESSIONS)
    digests = [
        facts.digest_of(("AA",), rows, ("close",)),
        facts.digest_of(("AA",), rows, ("close", "volume")),
        facts.digest_of(("AA", "BB"), rows, ("close",)),
        facts.digest_of(("BB",), rows, ("close",)),
        facts.digest_of(("AA",), slice(0, 5), ("close",)),
        facts.digest_of(("AA",), slice(SESSIONS - 5, SESSIONS), ("close",)),
    ]
    assert len(set(digests)) == len(digests)
    assert facts.digest_of(("AA",), slice(0, 5), ("close",)) == facts.digest_of(("AA",), slice(1, 3), ("close",))


def test_volume_changes_the_digest_of_volume_alone() -> None:
    old = panel()
    more = old.volume * 2  # type: ignore[operator]
    one, other = unread(old), unread(replace(old, volume=more))
    rows = slice(0, SESSIONS)
    assert one.digest_of(("AA",), rows, ("close",)) == other.digest_of(("AA",), rows, ("close",))
    assert one.digest_of(("AA",), rows, ("volume",)) != other.digest_of(("AA",), rows, ("volume",))


def test_the_whole_digest_is_of_the_wanted_symbols_the_calendar_and_the_end() -> None:
    old = panel()
    whole = unread(old).digest(("AA", "BB"))
    assert unread(corrected(100, "CC")).digest(("AA", "BB")) == whole
    others = [
        unread(corrected(100, "AA")),
        unread(replace(old, closed=True)),
        unread(replace(old, dates=old.dates - np.timedelta64(1, "D"))),
    ]
    assert whole not in {other.digest(("AA", "BB")) for other in others} | {unread(old).digest(("AA",))}


@given(seed=st.integers(0, 99), volume=st.booleans(), absent=st.integers(0, SESSIONS))
@examples(20)
def test_the_digest_of_prices_is_that_of_their_cells(seed: int, volume: bool, absent: int) -> None:
    close = np.where(np.random.default_rng(seed).random(panel().close.shape) < 0.1, np.nan, panel().close)
    close[:absent, seed % 3] = np.nan
    made = replace(panel(), close=close, volume=np.where(np.isnan(close), np.nan, 7.0) if volume else None)
    for fields in (("close",), ("close", "volume"))[: 1 + volume]:
        expected = Facts.of(made).digest_of(made.symbols, slice(0, SESSIONS), fields)
        assert digest_of_prices(made, fields) == expected
        assert digest_of_prices(replace(made, close=close * 2), fields) != expected
