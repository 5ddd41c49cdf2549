"""A symbol that lies in two datasets is priced in the one that the run's leaves take it from."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from metabt.data.dataset import Dataset
from metabt.lakehouse.price_source import Frames, to_prices
from metabt.runs.last_closes import Close, last_closes

Row = tuple[str, str, int, float]
"""Dataset, symbol, day of May 2024, close."""

ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("VXYZ"), st.integers(1, 31), st.floats(0.5, 999.0)),
    max_size=25,
    unique_by=lambda row: row[:3],
)


def source_of(rows: list[Row]) -> Any:
    panels = {}
    for name in sorted({row[0] for row in rows}):
        own = pd.DataFrame([row[1:] for row in rows if row[0] == name], columns=["symbol", "day", "close"])
        wide = own.pivot(index="day", columns="symbol", values="close").sort_index()
        panels[name] = to_prices(name, wide.set_index(pd.to_datetime([f"2024-05-{day:02}" for day in wide.index])))

    def wanted(names: dict[str, tuple[str, ...]], *, levels: bool) -> dict[str, Dataset]:
        assert levels  # a price is the one that was observed
        return {name: Dataset.of(panels[name].select(symbols)) for name, symbols in names.items()}

    return SimpleNamespace(symbols=Frames(panels).symbols, wanted=wanted)


def newest(rows: list[Row], dataset: str, symbol: str) -> Close | None:
    """Return the last price of a symbol in a dataset, found row by row."""
    found: Row | None = None
    for row in rows:
        if row[:2] == (dataset, symbol) and (found is None or row[2] > found[2]):
            found = row
    return found and Close(found[3], datetime.date(2024, 5, found[2]))


@given(rows=ROWS, home=st.dictionaries(st.sampled_from("VXY"), st.sampled_from("ab")))
def test_a_symbol_has_its_leaves_dataset_and_any_other_one_that_is_clear(rows: list[Row], home: dict[str, str]) -> None:
    wanted = {name: tuple(sorted(s for s in home if home[s] == name)) for name in sorted(set(home.values()))}
    found = last_closes(source_of(rows), wanted, ["X", "Z"])
    for symbol in "VXYZ":
        there = [close for name in wanted if (close := newest(rows, name, symbol))]
        if symbol in home:
            assert found.get(symbol) == newest(rows, home[symbol], symbol)
        elif symbol in "XZ" and len(there) == 1:
            assert found.get(symbol) == there[0]
        else:
            assert symbol not in found
