"""The engine and the oracle on random markets with all tables, and on random trees over them: streams to 1e-12."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.data.point_in_time.tables import DatedTable, PointInTime
from metabt.data.prices import Prices
from metabt.lakehouse.price_source import Frames
from tests.shared import oracle
from tests.shared.oracle_point_in_time import PointInTimeMarket
from tests.shared.random_markets import random_market, random_tree

EXACT = 1e-12
TREES = 30
COLUMNS = ["gross", "cost", "net", "turnover"]


def engine(
    tree: dict[str, object],
    prices: Mapping[str, pd.DataFrame],
    tables: Mapping[str, Mapping[str, DatedTable]],
    adjusted: Mapping[str, bool],
    volumes: Mapping[str, pd.DataFrame],
    cache: metabt.MemoryCache | None = None,
) -> metabt.Result:
    """Return metabt's run of a tree over wide frames of closes and volumes by dataset, and the tables beside them."""
    made = {}
    for name, frame in prices.items():
        seen = frame.dropna(how="all").sort_index(axis=1)
        traded = volumes[name].loc[seen.index, seen.columns]
        arrays = (np.ascontiguousarray(it.to_numpy(float)) for it in (seen, traded))
        made[name] = Prices(name, seen.index.to_numpy("datetime64[D]"), tuple(seen.columns), *arrays)
    beside = {name: PointInTime(tables[name], adjusted[name]) for name in made}
    return metabt.backtest(tree, Frames(made).with_tables(beside), engine="local", cache=cache)


def reference(seed: int) -> tuple[dict[str, oracle.Book], metabt.Result | None]:
    """Return the oracle's books and the engine's run of one random tree; a ruined one has neither."""
    of = random_market(seed)
    tree = random_tree(seed, of)
    arguments = (tree, of.prices, of.dated(), of.adjusted, of.volumes)
    try:
        books = oracle.run(tree, PointInTimeMarket(of.prices, of.tables, of.adjusted, of.volumes))
    except ArithmeticError:
        with pytest.raises(metabt.MetabtError, match="ruined"):
            engine(*arguments)
        return {}, None
    return books, engine(*arguments)


@pytest.mark.parametrize(
    "seed", [seed if seed < 6 else pytest.param(seed, marks=pytest.mark.slow) for seed in range(TREES)]
)
def test_streams_and_holdings_are_the_oracles(seed: int) -> None:
    books, result = reference(seed)
    for path, book in books.items():
        expected, found = book.stream(), result.returns(path)[COLUMNS]
        assert list(found.index) == list(expected.index), path
        apart = np.abs(found.to_numpy(float) - expected[COLUMNS].to_numpy(float)) if len(expected) else np.zeros(1)
        assert apart.max() <= EXACT, f"{path}: {apart.max():.3g} on {expected.index[apart.max(axis=1).argmax()].date()}"
        decided = result.decisions(path).pivot(index="date", columns="item", values="weight").fillna(0.0)
        assert list(decided.index) == list(book.decisions), path
        for t, decision in book.decisions.items():
            row = decided.loc[t]
            assert all(abs(row.get(item, 0.0) - w) <= EXACT for item, w in decision.weights.items()), (
                f"{path}, {t.date()}"
            )
