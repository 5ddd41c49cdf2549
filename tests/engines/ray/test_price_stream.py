"""What is streamed to actors is the panel of what their missing blocks read, and nothing else is taken from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from metabt.build.inputs import Markets
from metabt.build.plan import Plan, plan_forest
from metabt.data.dataset import Dataset
from metabt.data.panel.stepped import stepped
from metabt.engines.ray import price_partitions
from metabt.engines.ray.price_partitions import PricePartitions
from metabt.engines.ray.price_stream import PriceStream
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Leaf
from tests.shared.panels import STOCKS, stocks
from tests.shared.stepping import averaged, step

LEAVES = {
    "a": {"universe": STOCKS[:2], "lookback": 20},
    "b": {"universe": STOCKS[2:4], "lookback": 30},
    "c": {"universe": STOCKS[3:], "lookback": 300, "selector": {"name": "log_mps", "top": 1}},
}


def made() -> tuple[Plan, dict[str, str], list[Any]]:
    """Return a plan over stored prices with volumes and a step, name -> digest of its leaves, and what is read."""
    prices, reads = to_prices("stocks", stocks(3, 700, gaps=True)), list[Any]()
    prices = replace(prices, volume=np.where(prices.priced, 1e6, np.nan))
    source = stepped(Dataset.of(prices), step(averaged, 2))

    def part(rows: slice, symbols: tuple[str, ...], fields: tuple[str, ...]) -> Any:
        reads.append((rows.start, symbols, fields))
        return source.part(rows, symbols, fields)

    tree = resolve(
        {"name": "t", "defaults": {"dataset": "stocks"}, "sleeves": LEAVES}, symbols={"stocks": prices.symbols}
    )
    plan = plan_forest([tree], {"stocks": replace(source, part=part, stored=True)})
    return plan, {path.rpartition("/")[2]: leaf.digest for path, leaf in tree.leaves()}, reads


def known(plan: Plan, **blocks: int) -> dict[str, int]:
    names = {key: node.label.rpartition("/")[2] for key, node in plan.nodes.items()}
    return {key: blocks.get(names[key], 0) for key in plan.nodes}


@pytest.mark.parametrize(
    ("blocks", "symbols", "fields", "labels"),
    [
        ({}, STOCKS, ("close", "returns", "volume"), ["2021", "2022", "2023"]),
        ({"a": 9, "c": 9}, STOCKS[2:4], ("close", "returns"), ["2021", "2022", "2023"]),
        ({"a": 2, "b": 9, "c": 9}, STOCKS[:2], ("close", "returns"), ["2022", "2023"]),
        ({"a": 9, "b": 9, "c": 2}, STOCKS[3:], ("close", "returns", "volume"), ["2021", "2022", "2023"]),
    ],
)
def test_a_stream_has_the_symbols_fields_and_partitions_that_missing_blocks_read(
    blocks: dict[str, int], symbols: list[str], fields: tuple[str, ...], labels: list[str]
) -> None:
    plan, _, reads = made()
    stream = PriceStream(plan, known(plan, **blocks))
    parts = plan.datasets["stocks"].facts.partitions
    assert reads == [(parts[label].start, tuple(symbols), fields) for label in labels]
    assert [label for _, label in stream._reads] == labels


def test_a_leaf_whose_blocks_were_known_reads_by_itself_what_was_not_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, names, reads = made()
    monkeypatch.setattr(price_partitions.ray, "get", lambda table: table)
    stream = PriceStream(plan, known(plan, a=9, c=9))
    feed = PricePartitions(plan)
    feed.take({part: read.table() for part, read in stream._reads.items()})
    whole = Markets(plan)
    for name, is_streamed in (("b", True), ("a", False), ("c", False)):
        node = plan.nodes[names[name]]
        assert isinstance(node.spec, Leaf)
        for rows in node.partitions.values():
            reads.clear()
            found = feed.of(node.spec, rows)
            assert not reads or not is_streamed
            wanted = whole.of(node.spec, rows)
            for field in ("returns", "observed", "priced"):
                np.testing.assert_array_equal(getattr(found, field), getattr(wanted, field))
            if name == "c":
                np.testing.assert_array_equal(found.dollar_volume, wanted.dollar_volume)
