"""What is accrued is a running sum of linked amounts: of the oracle's books, session by session."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from metabt.analysis.attribution.accrual import accrued
from metabt.analysis.attribution.contributions import contributions
from metabt.analysis.sleeve_history import SleeveHistory
from metabt.values.tables import texts
from tests.analysis.books import LATE, histories, linking, seen_until, tree
from tests.shared import oracle, panels

Case = tuple[list[SleeveHistory], dict[str, oracle.Book]]


@pytest.fixture(scope="module", params=[(0, None), (1, "2021-06-12"), (2, LATE)], ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    seed, end = request.param
    prices = panels.market(seed, gaps=False)
    return histories(tree(), prices, end), seen_until(oracle.run(tree(), prices), end)


def test_a_loop_over_sessions_adds_up_the_same(case: Case) -> None:
    for history in case[0]:
        book, found = case[1][history.path], accrued(history)
        assert found.items == (*history.items, "costs")
        assert [str(date) for date in found.dates] == [str(t.date()) for t in book.rows]
        net = [row.net for row in book.rows.values()]
        total, expected = np.zeros(len(found.items)), []
        for factor, (t, row) in zip(linking(net, [0.0] * len(net)), book.rows.items(), strict=True):
            amounts = [*(book.parts[t].get(name, 0.0) for name in history.items), row.net - row.gross]
            total = total + factor * np.array(amounts)
            expected.append(total)
        assert found.values.shape == (len(book.rows), len(found.items))
        if expected:
            np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-10)
            assert found.values[-1].sum() == pytest.approx(np.prod(1.0 + np.array(net)) - 1.0, abs=1e-10)
            assert len(expected) < 3 or np.ptp(found.values, axis=0).max() > 1e-3


def test_it_ends_with_what_was_contributed_in_all(case: Case) -> None:
    table = contributions(case[0])
    rows = pd.DataFrame({name: texts(table[name]) for name in ("path", "item")}).assign(own=table["own"])
    for history in case[0]:
        found = accrued(history)
        if len(found.dates):
            own = rows[rows["path"] == history.path]
            assert own["item"].tolist() == list(found.items)
            np.testing.assert_allclose(found.values[-1], own["own"], rtol=0, atol=1e-13)
