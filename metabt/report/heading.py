"""Heading: the two lines under a page's title that say which run it is, over what, and how it was set.

1. The run, its period, what it is measured against, and who computed it when.
2. The root's settings, and what was overridden.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from metabt.analysis.summary import beyond_cash
from metabt.portfolio.schedule import spelled
from metabt.report.comparison.pair import LETTERS, Pair
from metabt.report.run import Run
from metabt.report.sweep.tried import Tried
from metabt.values.ranges import plural


def of_one(run: Run) -> tuple[str, str]:
    """Return the two lines of a run."""
    return identity(run), settings(run)


def of_both(pair: Pair) -> tuple[str, str]:
    """Return a line for each of two runs."""
    first, second = (
        f"{letter}: {run.row['portfolio']}, {identity(run)}; {settings(run)}"
        for letter, run in zip(LETTERS, pair.runs, strict=True)
    )
    return first, second


def of_sweep(tried: Tried) -> tuple[str, str]:
    """Return the two lines of a sweep: which it is and how many it tried, and what it varied."""
    failed = sum(error is not None for error in tried.errors)
    parts = [
        f"sweep {tried.sweep_id[:12]}",
        plural(len(tried.run_ids), "configuration"),
        f"{failed:,} failed" if failed else "",
        f"asked for {tried.asked_at[:19]} UTC",
    ]
    varied = [f"{name} ({plural(len(tried.values[key]), 'value')})" for key, name in tried.keys.items()]
    said = f"varied {', '.join(varied)}" if varied else "nothing varied"
    return " \N{MIDDLE DOT} ".join(part for part in parts if part), said


def identity(run: Run) -> str:
    """Return run, period, benchmark, engine and time."""
    dates = run.streams.dates
    against = ", ".join(path.partition(":")[2] or path for path in run.beside)
    parts = [
        f"run {str(run.row['run_id'])[:12]}",
        f"{dates[0]} to {dates[-1]}, {len(dates):,} sessions",
        f"benchmark {against}" if against else "no benchmark",
        f"engine {run.row['engine']}" if run.row.get("engine") else "",
        f"computed {str(run.row['started_at'])[:19]} UTC" if run.row.get("started_at") else "",
    ]
    return " \N{MIDDLE DOT} ".join(part for part in parts if part)


def settings(run: Run) -> str:
    """Return the number of sleeves, the root's settings, and overrides."""
    spec, overrides = run.specs[run.root], _overrides(run.row.get("overrides"))
    parts = [
        f"{len(run.paths):,} sleeves" if run.children else "a single leaf",
        f"optimizer {_estimator(spec['optimizer'])}",
        f"schedule {spelled(spec['schedule'])}",
        f"lookback {spec['lookback']}",
        f"lag {spec['lag']}",
        f"costs {_costs(spec['costs'])}",
        beyond_cash(spec).removeprefix(", "),
        f"overrides {overrides}" if overrides else "",
    ]
    return " \N{MIDDLE DOT} ".join(part for part in parts if part)


def _estimator(plain: Mapping[str, Any]) -> str:
    given = ", ".join(f"{key} {value}" for key, value in plain.items() if key != "name")
    return f"{plain['name']} ({given})" if given and len(given) <= 60 else str(plain["name"])


def _costs(plain: Mapping[str, float]) -> str:
    traded = plain["commission_bp"] + plain["slippage_bp"]
    return f"{traded:g} bp" + (f", borrowing {plain['borrow_bp']:g} bp" if plain["borrow_bp"] else "")


def _overrides(stored: Any) -> str:
    """Return overrides as they were stated, the first of many."""
    found = json.loads(stored) if isinstance(stored, str) and stored.startswith("[") else stored
    text = " ".join(map(str, found)) if isinstance(found, list | tuple) else str(found or "")
    return text if len(text) <= 200 else f"{text[:197]}..."
