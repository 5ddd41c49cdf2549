"""Trials for tests: runs that have a root's stream, and the tries that they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import numpy as np

from metabt.lakehouse.ledger.trial import Idle, Trial
from metabt.values.digests import digest
from metabt.values.tables import Coded, Table

AT = datetime(2026, 1, 2, 3, 4, 5)
DAYS = np.arange(np.datetime64("2020-01-01"), np.datetime64("2024-01-01"))
Run = tuple[dict[str, object], dict[str, Table]]


def stream(number: int, sessions: int = 300) -> Table:
    """Return the table `returns` of a root, with a child and a benchmark beside it."""
    net = np.random.default_rng(number).normal(0.0005, 0.01, sessions)
    paths = [name for name in ("demo", "demo/a", "benchmark:AA") for _ in range(sessions)]
    columns = dict.fromkeys(("gross", "cost", "turnover", "netting_benefit", "nav"), np.zeros(3 * sessions))
    dates = np.tile(DAYS[:sessions], 3)
    return {"path": Coded.of(paths), "date": dates, "net": np.concatenate([net, net + 1, net - 1]), **columns}


def run(number: int, sessions: int = 300, **changes: Any) -> Run:
    """Return a run that keeps a summary."""
    row = {
        "run_id": f"{number:03d}",
        "sweep_id": None,
        "portfolio": "demo",
        "config": "{}",
        "snapshot": 0,
        "versions": "{}",
        "engine": "local",
        "status": "ok",
        "started_at": AT,
        "seconds": 0.5,
        "keep": "summary",
    }
    return {**row, **changes}, {"returns": stream(number, sessions)} if sessions else {}


def trial(number: int, key: str | None = None, **changes: Any) -> Trial:
    """Return what that run is a try of."""
    stated: dict[str, Any] = {"sharpe": 0.1 * number, **changes}
    base = stated.pop("base", key or digest(number))
    key_by: Callable[[date], str] = stated.pop("key_by", lambda day: base)
    by = stated.pop("by", None)
    return Trial(base, by, key_by, f"{number:03d}", None, AT, "demo", ("stocks",), **stated)


def idle(rate: float = 1e-4) -> Idle:
    """Return what cash earned on every day."""
    return Idle(DAYS, np.full(len(DAYS), rate))
