"""Children of a meta sleeve: blocks and books of numbers that say nothing but where they come from."""

from __future__ import annotations

from typing import Any

import numpy as np

from metabt.walk.block import Assets, Block, Decisions, Gaps
from metabt.walk.book import LeafBook, Opened, Start
from metabt.walk.meta.aggregation import Gathered

DAYS = np.arange("2021-01-01", "2021-02-10", dtype="M8[D]")
NAT = np.datetime64("NaT", "D")
A = 2
"""Assets of a child."""


def child(rng: np.random.Generator, dates: np.ndarray, gaps: bool = False) -> Opened:
    """Return a child's block and book on some dates."""
    n = len(dates)
    traded, gross = rng.random(n) < 0.4, rng.normal(0, 0.02, n)
    made = np.flatnonzero(rng.random(n) < 0.3)
    decided = Decisions(made, np.ones((len(made), A)), np.ones((len(made), A)), ("ok",) * len(made), np.zeros((1, A)))
    known = Gaps(rng.normal(0, 0.02, (n, A)), rng.random((n, A)) < 0.7) if gaps else None
    held = Assets(rng.normal(size=(n, A)), rng.normal(size=(int(traded.sum()), A)), known)
    streams: dict[str, Any] = {name: rng.normal(0, 0.02, n) for name in ("cost", "net", "turnover", "netting")}
    begin = int(rng.integers(0, n + 1))
    closed = np.zeros(n, np.int64)
    block = Block(
        dates=dates, begin=begin, gross=gross, traded=traded, closed=closed, decisions=decided, held=held, **streams
    )
    return Opened(block, LeafBook(held, traded, gross))


def some_days(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.sort(rng.choice(DAYS, n, replace=False))


def start(rng: np.random.Generator) -> Start:
    live, begun, book = bool(rng.integers(2)), bool(rng.integers(2)), rng.normal(size=A)
    return Start(live, begun, book, float(book.sum()))


def gathered(seed: int, gaps: bool = False) -> tuple[Gathered, list[Opened | None], list[Start]]:
    """Return three children on twelve sessions: in step, absent, and one that has dates of its own and ends."""
    rng = np.random.default_rng(seed)
    dates = some_days(rng, 12)
    children = [child(rng, dates), None, child(rng, some_days(rng, 10), gaps)]
    starts, ends = [start(rng) for _ in children], np.array([NAT, NAT, DAYS[25]])
    return Gathered.of(dates, rng.random(12) < 0.6, ends, children, starts), children, starts
