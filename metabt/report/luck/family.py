"""Family: the table of the trials that compete, of the best of them, and of the run that a page is about."""

from __future__ import annotations

import math

import numpy as np

from metabt.lakehouse.evidence import Evidence
from metabt.luck.verdict import Luck
from metabt.report import lines
from metabt.report.section import Facts
from metabt.values.chances import chance

NOTE = (
    "p luck is how likely the best of all trials would look this good had none a return above cash, at the trials' own "
    "correlation. The least backtest is how long one must be lest the best of so many is expected to look like this by "
    "luck alone. PBO is how often the best of one half of the time is below the median in the other."
)


def family(evidence: Evidence, run_id: str | None = None) -> Facts | None:
    """Return the table, with rows of a run where one is named; None where nothing is said of the family."""
    found = evidence.luck
    if found is None or found.reason is not None:
        return None
    rows = [
        ("trials that compete", f"{found.n_trials:,}" + (f", study {evidence.study}" if evidence.study else "")),
        ("not among them", ", ".join(f"{n:,} {why}" for why, n in evidence.left_out.items()) or "none"),
        ("draws", f"{len(found.maxima):,}, in blocks of {found.block_length or np.nan:.0f} sessions"),
    ]
    if run_id is not None and run_id in evidence.columns:
        rows += [(f"this run: {name}", text) for name, text in _of_trial(found, evidence.columns[run_id])]
        rows.append(("this run: survives StepM at 5 %", "yes" if evidence.survives(run_id) else "no"))
    rows += _of_best(found)
    if found.overfitting is not None:
        rows.append(("probability of backtest overfitting (PBO)", lines.percent(found.overfitting.probability, 0)))
    return Facts(("", "Value"), rows, NOTE, "Beside everything that was tried", "prose")


def _of_best(found: Luck) -> list[tuple[str, str]]:
    best = found.best
    if best is None:
        return []
    return [
        *((f"best of them: {name}", text) for name, text in _of_trial(found, best.trial)),
        ("best of them: least track record", _years(best.track_record)),
        ("best of them: least backtest for so many trials", _years(best.backtest)),
        (
            "best of them: true Sharpe at least (Rademacher, 95 %)",
            _number(best.bound.per_year(found.sessions_per_year)),
        ),
    ]


def _of_trial(found: Luck, trial: int) -> list[tuple[str, str]]:
    trials = found.trials
    return [
        ("Sharpe", _number(trials.sharpe.per_year(found.sessions_per_year)[trial])),
        ("p luck", chance(float(trials.p_luck[trial]))),
        ("probability of a true Sharpe above 0 (PSR)", lines.percent(float(trials.psr[trial]), 1)),
        ("the same, deflated by all trials (DSR)", lines.percent(float(trials.dsr[trial]), 1)),
    ]


def _number(value: float) -> str:
    return lines.signed(float(value))


def _years(value: float) -> str:
    return f"{value:.1f} years" if math.isfinite(value) else "no length is enough"
