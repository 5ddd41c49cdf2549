"""Costs by asset and session against a loop over the rows of the table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.data.point_in_time.cost_rates import COLUMNS, cost_rates
from metabt.data.point_in_time.tables import DatedTable
from metabt.portfolio.sleeve import Costs
from metabt.values.tables import Coded
from metabt.walk.costs import AssetCosts
from tests.shared.laws import DRAWS, examples

NAN = float("nan")
OWN = Costs(5.0, 2.0, 50.0)
Row = tuple[str, str, float, float, float]


def costs(*rows: Row) -> DatedTable:
    texts = tuple(sorted({row[0] for row in rows}))
    columns = {
        "asset": Coded(np.array([texts.index(row[0]) for row in rows], np.int32), texts),
        "first_date": np.array([row[1] for row in rows], "M8[D]"),
        **{name: np.array([row[2 + i] for row in rows]) for i, name in enumerate(COLUMNS)},
    }
    return DatedTable.of("costs", columns)


def test_an_assets_own_row_beats_that_of_all() -> None:
    table = costs(
        ("*", "2021-01-05", 10.0, 1.0, 365.0), ("A", "2021-01-06", 20.0, NAN, 730.0), ("A", "2021-01-08", 0.0, 0.0, 0.0)
    )
    dates = np.array(["2021-01-04", "2021-01-05", "2021-01-06", "2021-01-07", "2021-01-11"], "M8[D]")
    rates = AssetCosts(**cost_rates(table, ("A", "B"), dates)).at(OWN)
    trade, borrow = rates.trade, rates.borrow
    # before any row the sleeve's own; then that of all; then the asset's, whose slippage is left to the sleeve
    assert trade[:, 0].tolist() == pytest.approx([7e-4, 11e-4, 22e-4, 22e-4, 0.0])
    assert trade[:, 1].tolist() == pytest.approx([7e-4, 11e-4, 11e-4, 11e-4, 11e-4])
    assert borrow[:, 0].tolist() == pytest.approx([50e-4 / 365, 1e-4, 2e-4, 2e-4, 0.0])
    assert borrow[:, 1].tolist() == pytest.approx([50e-4 / 365, *[1e-4] * 4])


@examples(80)
@given(DRAWS, st.integers(0, 8))
def test_a_loop_over_rows_agrees_wherever_it_is_cut(seed: int, cut: int) -> None:
    rng, first = np.random.default_rng(seed), np.datetime64("2021-01-01")
    places = {(str(rng.choice(["*", "A", "B", "Z"])), int(rng.integers(0, 25))) for _ in range(6)}
    rows: list[Row] = []
    for asset, day in sorted(places):
        values = [NAN if rng.random() < 0.3 else float(rng.integers(0, 90)) for _ in COLUMNS]
        rows.append((asset, str(first + day), values[0], values[1], values[2]))
    table, dates = costs(*rows), first + np.cumsum(rng.integers(1, 5, 9))
    found = cost_rates(table, ("A", "B", "C"), dates)
    for t, date in enumerate(dates):
        for a, asset in enumerate("ABC"):
            row: Row | None = None
            for name in ("*", asset):
                for it in rows:
                    if it[0] == name and np.datetime64(it[1]) <= date:
                        row = it
            expected = [NAN] * 3 if row is None else row[2:]
            assert [found[name][t, a] for name in COLUMNS] == pytest.approx(expected, nan_ok=True)
    parts = [cost_rates(table, ("A", "B", "C"), part) for part in (dates[:cut], dates[cut:])]
    for name in COLUMNS:
        assert np.concatenate([part[name] for part in parts]).tobytes() == found[name].tobytes()
