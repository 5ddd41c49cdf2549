"""Texts about a sweep: beforehand what there is to compute, afterwards its configurations, the best first.

1. The columns of the ranking are the overrides in which configurations differ, under the shortest names that differ,
   and the root's metrics.
2. The best comes first, by Sharpe ratio or by what a search sought (metabt.analysis.rank); what failed comes last, with
   its error.
3. Beside the Sharpe ratio stands how likely it is luck (metabt.lakehouse.evidence), and below what that means.
4. Print the first 50, that their ratios are beyond unlike rates of cash where they are, and the query for the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metabt.analysis.rank import rank
from metabt.analysis.summary import with_growth
from metabt.runs.beside.figures import LUCK, figure, heading
from metabt.values.overrides import differing, short_names, stated

if TYPE_CHECKING:
    from metabt.lakehouse.evidence import Evidence
    from metabt.runs.swept import Outlook, Sweep, Swept

METRICS = ("sharpe", "total_return", "cagr", "volatility", "max_drawdown", "turnover")
"""Metrics of a configuration that are shown, in this order; the first ranks it, and the second where it has no first.
The total return is shown where a configuration has no CAGR."""
SHOWN = 50
"""Largest number of rows that are printed."""
WIDEST = 40
"""Largest number of characters of an override's value that are printed."""


def forecast(outlook: Outlook) -> str:
    """Return the text that says what a sweep is going to compute."""
    others = {"cannot run": outlook.n_failed, "stored already": outlook.n_found}
    aside = ", ".join(f"{number} {what}" for what, number in others.items() if number)
    jobs = _count(outlook.n_jobs, "configuration") + (f" ({aside})" if aside else "")
    return (
        f"{jobs}: {_count(outlook.n_blocks, 'block')} named, "
        f"{_known(outlook.n_distinct, outlook.n_known)}\n"
        f"blocks of leaves: {_known(outlook.n_leaf_distinct, outlook.n_leaf_known)}"
    )


def failures(runs: Sequence[Swept]) -> str | None:
    """Return the text that says how many configurations failed and why the first did; None if none did."""
    failed = [run for run in runs if run.status == "failed"]
    if not failed:
        return None
    rest = "; the others are stored" if len(failed) < len(runs) else ""
    return (
        f"{len(failed)} of {_count(len(runs), 'configuration')} failed{rest}; the first, "
        f"{' '.join(failed[0].overrides)}: {_first_line(failed[0].error)}"
    )


def ranking(sweep: Sweep, by: str = METRICS[0], sign: float = 1.0) -> str:
    """Return the configurations of a sweep as a table of text, the best first, at most SHOWN.

    Parameters
    ----------
    sweep : its result
    by : the metric that ranks, which is shown first
    sign : 1 where more of it is better, -1 where less is
    """
    ranked = _ranked(sweep.runs, by, sign)
    settings = [_settings(run.overrides) for run in ranked]
    names = short_names(differing(settings), {"rank", "run", *METRICS})
    metrics = with_growth(list(dict.fromkeys([by, *METRICS])), [run.metrics for run in ranked])
    evidence = sweep.evidence if sweep.evidence is not None and sweep.evidence.luck is not None else None
    if evidence is not None:
        metrics.insert(metrics.index(METRICS[0]) + 1, LUCK)
    headings = ["Rank", "Run", *names.values(), *map(heading, metrics)]
    rows = [
        [*_identity(rank, run), *(own.get(key, "") for key in names), *_figures(run, metrics, evidence)]
        for rank, (run, own) in enumerate(zip(ranked[:SHOWN], settings, strict=False), start=1)
    ]
    errors = [_first_line(run.error) if run.status == "failed" else "" for run in ranked[:SHOWN]]
    lines = _aligned([headings, *rows], left=2 + len(names), ends=["", *errors])
    said = [] if sweep.evidence is None else sweep.evidence.lines()
    return "\n".join([*lines, *said, *_unlike_rates(ranked), *_rest(sweep.sweep_id, len(ranked))])


def _known(distinct: int, known: int) -> str:
    return f"{distinct} distinct, {known} of them known; computing {distinct - known}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _settings(overrides: Sequence[str]) -> dict[str, str]:
    return {key: _cut(value) for key, value in stated(overrides).items()}


def _cut(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."


def _ranked(runs: Sequence[Swept], by: str, sign: float) -> list[Swept]:
    """Return configurations, the best first."""
    sought, growth = (np.array([run.metrics.get(name, np.nan) for run in runs], float) for name in (by, METRICS[1]))
    failed = np.array([run.status == "failed" for run in runs], bool)
    return [runs[place] for place in rank(sign * sought, growth, failed)]


def _identity(rank: int, run: Swept) -> list[str]:
    return ["-" if run.status == "failed" else str(rank), run.run_id[:12]]


def _figures(run: Swept, metrics: Sequence[str], evidence: Evidence | None) -> list[str]:
    """Return the cells of a configuration's metrics."""
    values = {**run.metrics, **(evidence.of(run.run_id) if evidence is not None else {})}
    return [figure(name, values.get(name, np.nan)) for name in metrics]


def _first_line(error: str | None) -> str:
    return (error or "failed").strip().splitlines()[0]


def _aligned(rows: list[list[str]], left: int, ends: list[str]) -> list[str]:
    """Return lines of padded cells: the first `left` columns to the left, the others to the right, then an end."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([*map(str.ljust, row[:left], widths), *map(str.rjust, row[left:], widths[left:]), end]).rstrip()
        for row, end in zip(rows, ends, strict=True)
    ]


def _unlike_rates(runs: Sequence[Swept]) -> list[str]:
    """Return the line that says that ratios are beyond unlike rates of cash; none where they are beyond one."""
    rates = Counter(run.cash for run in runs if run.status != "failed")
    if len(rates) <= 1:
        return []
    told = [f"{_rate(rate)} in {number:,}" for rate, number in rates.items()]
    return [f"ratios are beyond unlike rates of cash, {', '.join(told)}: their order compares what is not alike"]


def _rate(stated: str | float | None) -> str:
    if stated is None:
        return "nothing"
    return f"'{stated}'" if isinstance(stated, str) else f"{stated:.2%}"


def _rest(sweep_id: str, n_runs: int) -> list[str]:
    if n_runs <= SHOWN:
        return []
    query = (
        "select distinct run_id, asked.overrides, value as sharpe from asked join runs using (run_id) "
        f"join metrics using (run_id) where asked.sweep_id = '{sweep_id}' and path = portfolio and metric = 'sharpe' "
        "order by sharpe desc"
    )
    return [f"the first {SHOWN} of {n_runs}; all of them:", f'  metabt sql "{query}"']
