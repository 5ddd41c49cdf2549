"""Bands against the oracle's plain loop, and the laws that any trade within one keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.walk.trading.bands import leave_within, traded_to
from tests.shared import oracle

WEIGHT = st.floats(-1.0, 1.0).map(lambda w: 0.0 if abs(w) < 1e-3 else w)
BOOKS = st.integers(1, 8).flatmap(
    lambda n: st.tuples(st.lists(WEIGHT, min_size=n, max_size=n), st.lists(WEIGHT, min_size=n, max_size=n))
)
BAND = st.floats(1e-4, 0.9)
ROUNDING = 1e-12


@given(BOOKS, BAND)
def test_it_is_the_oracles_and_invests_no_more_than_is_wanted_or_was_held(
    books: tuple[list[float], list[float]], band: float
) -> None:
    held, wanted = (np.array(book) for book in books)
    after = traded_to(held, wanted, band)
    naive = oracle.traded_to(dict(enumerate(held)), dict(enumerate(wanted)), band)
    assert after == pytest.approx(np.array([*naive.values()]), abs=1e-15)
    assert np.abs(after).sum() <= max(np.abs(held).sum(), np.abs(wanted).sum()) + ROUNDING
    near = (held * wanted > 0) & (np.abs(held - wanted) <= band)
    assert (after[near] == held[near]).all()  # to the bit: nothing of it is traded
    assert (after[wanted == 0] == 0).all()  # what has no target is sold whole, whatever the band
    sold = ~near & (held * wanted > 0) & (np.abs(wanted) < np.abs(held))
    assert (after[sold] == wanted[sold]).all()
    assert (np.abs(after[~near]) <= np.maximum(np.abs(held), np.abs(wanted))[~near] + ROUNDING).all()
    if (np.abs(held[near]).sum() <= np.abs(wanted[near]).sum()) or not near.any():
        assert (after[~near] == wanted[~near]).all()  # nothing is beyond: all purchases are whole


@given(BOOKS)
def test_no_band_trades_all(books: tuple[list[float], list[float]]) -> None:
    held, wanted = (np.array(book) for book in books)
    assert traded_to(held, wanted, 0.0).tobytes() == wanted.tobytes()


@given(BOOKS, BAND, st.data())
def test_what_cannot_be_traded_waits_and_counts_in_no_sum(
    books: tuple[list[float], list[float]], band: float, data: st.DataObject
) -> None:
    held, wanted = (np.array(book) for book in books)
    free = np.array(data.draw(st.lists(st.booleans(), min_size=len(held), max_size=len(held))))
    found, alone = wanted.copy(), traded_to(held[free], wanted[free], band)
    leave_within(held, found, free, band)
    assert (found[~free] == wanted[~free]).all()
    assert found[free].tobytes() == alone.tobytes()


def test_purchases_share_what_is_beyond_in_proportion_by_hand() -> None:
    """0.04 above its targets is left alone; 0.2 and 0.1 are to be bought, of which 0.26 / 0.3 are."""
    held = np.array([0.34, 0.20, 0.0, 0.46])
    after = traded_to(held, np.array([0.30, 0.40, 0.1, 0.2]), 0.05)
    part = 1 - 0.04 / 0.3
    assert after == pytest.approx([0.34, 0.2 + 0.2 * part, 0.1 * part, 0.2], abs=1e-15)
    assert after.sum() == pytest.approx(1.0, abs=1e-15)


def test_a_first_purchase_within_the_band_is_made() -> None:
    assert traded_to(np.zeros(50), np.full(50, 0.02), 0.05).tolist() == [0.02] * 50


def test_what_changes_its_side_is_traded_however_near() -> None:
    assert traded_to(np.array([0.01, 0.5]), np.array([-0.01, 0.5]), 0.05).tolist() == [-0.01, 0.5]
