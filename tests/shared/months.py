"""Partitions of a month instead of a year, so that a small market has many; and walks from one to the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import numpy as np

from metabt.build import cold_walk, plan
from metabt.data import facts
from metabt.data import prices as prices_module
from metabt.data.prices import Prices
from metabt.lakehouse.price_source import to_prices
from tests.shared import panels


def months(dates: np.ndarray) -> list[tuple[str, slice]]:
    """Return (label, rows) of each month that has sessions."""
    labels = dates.astype("datetime64[M]")
    opens = np.flatnonzero(np.concatenate([[True], labels[1:] != labels[:-1]]))[: len(labels)].tolist()
    return [(str(labels[a]), slice(a, b)) for a, b in zip(opens, [*opens[1:], len(labels)], strict=False)]


@contextmanager
def monthly() -> Iterator[None]:
    """Cut partitions of a month."""
    with (
        patch.object(prices_module, "partitions", months),
        patch.object(plan, "partitions", months),
        patch.object(facts, "partitions", months),
    ):
        yield


@contextmanager
def in_turn() -> Iterator[None]:
    """Have every sleeve walked from partition to partition where blocks are remembered, though nothing is known."""
    with patch.object(cold_walk, "cold_sleeves", lambda *_: {}):
        yield


def market(seed: int, gaps: bool, ended: bool) -> dict[str, Prices]:
    """Return panels of stocks and coins; the coins may have ended for good in May."""
    frames = panels.market(seed, gaps=gaps)
    frames["coins"] = frames["coins"].loc[:"2021-05-12"] if ended else frames["coins"]
    return {name: replace(to_prices(name, it), closed=ended and name == "coins") for name, it in frames.items()}
