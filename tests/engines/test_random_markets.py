"""Random markets are worth comparing on: every table is used, and what is rare happens in some of them."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from metabt.data.point_in_time.tables import ORDER
from tests.shared.random_markets import RAW, random_market, random_tree

MARKETS = range(30)


def test_the_same_seed_gives_the_same_market_and_tree() -> None:
    one, other = random_market(3), random_market(3)
    assert one.tables == other.tables and random_tree(3, one) == random_tree(3, other)
    assert all(one.prices[name].equals(other.prices[name]) for name in one.prices)


def test_tables_are_such_as_ingestion_takes() -> None:
    for seed in MARKETS:
        of = random_market(seed)
        for dataset, tables in of.tables.items():
            for name, rows in tables.items():
                assert len({tuple(row[column] for column in ORDER[name]) for row in rows}) == len(rows), (seed, name)
            last = {asset: close.last_valid_index() for asset, close in of.prices[dataset].items()}
            ended = [row["asset"] for row in tables["delistings"]]
            ended += [row["asset"] for row in tables.get("actions", []) if row["kind"] == "merger"]
            assert len(set(ended)) == len(ended)
            assert all(pd.Timestamp(row["date"]) >= last[row["asset"]] for row in tables["delistings"])
        assert 8 <= sum(frame.shape[1] for frame in of.prices.values()) <= 25


def test_what_is_rare_happens() -> None:
    seen: Counter[str] = Counter()
    for seed in MARKETS:
        of = random_market(seed)
        tables = of.tables[RAW]
        sessions = {str(day.date()) for day in of.prices[RAW].index}
        actions, ends = tables["actions"], tables["delistings"]
        seen.update(f"action {row['kind']}" for row in actions)
        seen.update(f"delisting {row['kind']}" for row in ends)
        seen["action without a session"] += sum(row["ex_date"] not in sessions for row in actions)
        seen["delisting without a session"] += sum(row["date"] not in sessions for row in ends)
        seen["delisting without a return"] += sum(row["return"] is None for row in ends)
        seen["total loss"] += sum(row["return"] == -1.0 for row in ends)
        seen["included"] += sum(row["included"] for row in ends)
        both = Counter((row["asset"], row["ex_date"]) for row in actions)
        seen["two actions on a day"] += sum(count > 1 for count in both.values())
        spells = Counter((row["universe"], row["asset"], row["first_date"]) for row in tables["members"])
        seen["an end known later"] += sum(count > 1 for count in spells.values())
        seen["a member again"] += len(spells) - len({key[:2] for key in spells})
        seen["known ahead"] += sum(row["known_at"] < row["first_date"] for row in tables["members"])
        seen["known late"] += sum(row["known_at"] > row["first_date"] for row in tables["members"])
        tree = random_tree(seed, of)
        seen.update(key for key in ("largest", "members", "reserve", "rate", "delisting", "short") if key in repr(tree))
    assert len(seen) == 24 and min(seen.values()) >= 5, seen
