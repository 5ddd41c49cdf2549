"""Metrics table: the metrics of every sleeve of a run, and of its benchmark where it has one.

1. A sleeve's stream is summed up (metabt.analysis.metrics.performance), and set against the benchmark
   (metabt.analysis.metrics.relative).
2. Its decisions that are not ok (fallback, warm-up, cash) and its excluded items are counted.
3. Trees of a forest that share a sleeve, end together and have one benchmark share its metrics.
4. The benchmark has the metrics of a stream that is held and does not trade.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

import numpy as np

from metabt.analysis.benchmark import Benchmark
from metabt.analysis.metrics.performance import performance
from metabt.analysis.metrics.relative import relative
from metabt.analysis.sleeve_history import SleeveHistory
from metabt.build.walk_result import WalkResult
from metabt.values.tables import Coded, Table, concat
from metabt.walk.block import REASONS


def measure(histories: Sequence[SleeveHistory], walked: WalkResult, benchmark: Benchmark | None) -> Table:
    """Return the metrics of every sleeve, and of the benchmark last."""
    view = f"{histories[0].end} {benchmark.name if benchmark else ''}"
    values = [walked.noted((s.sleeve.spec.digest, view), partial(_of_sleeve, s, benchmark)) for s in histories]
    table = _table([history.path for history in histories], values)
    if benchmark is None:
        return table
    return concat([table, _table([benchmark.path], [performance(benchmark.held_beside(histories[0].stream))])])


def _table(paths: Sequence[str], values: Sequence[dict[str, float]]) -> Table:
    """Return a row for every path and metric; all paths have the same metrics."""
    names = tuple(values[0])
    return {
        "path": Coded(np.repeat(np.arange(len(values), dtype=np.int32), len(names)), tuple(paths)),
        "metric": Coded(np.tile(np.arange(len(names), dtype=np.int32), len(values)), names),
        "value": np.array([list(measured.values()) for measured in values]).reshape(-1),
    }


def _of_sleeve(history: SleeveHistory, benchmark: Benchmark | None) -> dict[str, float]:
    stream = history.stream
    compared = relative(stream, benchmark.series) if benchmark else {}
    return {**performance(stream), **compared, **{name: float(count) for name, count in _counts(history).items()}}


def _counts(history: SleeveHistory) -> dict[str, int]:
    """Return the numbers of decisions by status, of excluded items by reason, of closings, stale or for good."""
    status, reasons = history.decisions.status, history.decisions.reasons
    endings = history.block.endings
    counted, counts = Counter(status), np.bincount(reasons.reshape(-1), minlength=len(REASONS)).tolist()
    return {
        "decisions": len(status),
        "fallbacks": sum(number for text, number in counted.items() if text.startswith("fallback")),
        "warmup_decisions": counted["warmup"],
        "cash_decisions": counted["cash"],
        **{REASONS[code].replace(" ", "_"): counts[code] for code in range(1, len(REASONS))},
        "stale_closed": int(history.rows("closed").sum()),
        "ended_closed": 0 if endings is None else int(np.count_nonzero(endings.rows < history.size)),
    }
