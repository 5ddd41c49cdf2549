"""Evidence: what the Sharpe ratios of some runs are worth, beside everything that was tried on the same data.

1. Each run is a try of one trial, whose key its row has. The family is all trials that share a dataset with them and
   have enough sessions within their span (metabt.lakehouse.ledger.family); a study narrows it where that is asked for.
2. The family's streams become one matrix, and metabt.luck says of each how likely it is luck.
3. Of what is in no ledger, and of a family that is too small, a reason is told in place of numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from metabt.analysis.calendar_time import DAYS_PER_YEAR, years_between
from metabt.errors import StoreError
from metabt.luck.family_test import Draws
from metabt.luck.luck import luck
from metabt.luck.trial_returns import TrialReturns
from metabt.luck.verdict import Luck
from metabt.values.ranges import plural

if TYPE_CHECKING:
    import duckdb

    from metabt.lakehouse.ledger.family import Family

NUMBERS = ("p_luck", "psr", "dsr")
"""What is told of a run, by name."""


@dataclass(frozen=True)
class Evidence:
    """What some runs are worth, beside everything that was tried."""

    luck: Luck | None
    """What is said of the family; None where `reason` says why not."""
    columns: Mapping[str, int] = field(default_factory=dict)
    """run_id -> its trial's column of the family; runs that are of no trial of it are left out."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Reason -> how many trials are not of the family for it."""
    study: str | None = None
    """The study that the family was narrowed to; None for everything."""
    chain: str | None = None
    """What is wrong with the ledger; None where it is sound."""
    reason: str | None = None
    """Why nothing is said."""
    returns: np.ndarray | None = field(default=None, repr=False)
    """(n_sessions, n_trials) float32 excess returns of the family; None where there is none."""

    def of(self, run_id: str) -> dict[str, float]:
        """Return p_luck, psr and dsr of a run, NaN where there is none."""
        column = self.columns.get(run_id)
        if self.luck is None or column is None:
            return dict.fromkeys(NUMBERS, np.nan)
        return {name: float(getattr(self.luck.trials, name)[column]) for name in NUMBERS}

    def survives(self, run_id: str) -> bool:
        """Return whether StepM keeps a run at 5 %."""
        column = self.columns.get(run_id)
        return self.luck is not None and column is not None and bool(self.luck.trials.survivor[column])

    def lines(self) -> list[str]:
        """Return in words what is said of the family, and what is not in it."""
        if self.luck is None or self.luck.reason is not None:
            why = self.reason or (self.luck.reason if self.luck else "")
            return [f"how much of this is luck is not told: {why}", *self._remarks()]
        return [*self._told(self.luck), *self._remarks()]

    def _told(self, found: Luck) -> Iterator[str]:
        which = "on these data" if self.study is None else f"of study '{self.study}' alone"
        kept, n_runs = sum(self.survives(run_id) for run_id in self.columns), len(self.columns)
        yield (
            f"p luck: how likely the best of {plural(found.n_trials, 'trial')} {which} would look this good had none a "
            "return above cash"
        )
        best, pbo = found.best, found.overfitting
        said = f"{kept:,} of {n_runs:,} here are beyond luck at 5 %"
        if best is not None:
            said += f"; deflated probability of the best {float(found.trials.dsr[best.trial]):.0%}"
        if pbo is not None and pbo.probability == pbo.probability:
            said += f"; what is best in sample falls below the median after it in {pbo.probability:.0%} of splits"
        yield said

    def _remarks(self) -> Iterator[str]:
        if self.left_out:
            told = ", ".join(f"{number:,} {reason}" for reason, number in self.left_out.items())
            yield f"trials that are not among them: {told}"
        if self.chain is not None:
            yield f"the ledger of trials is damaged: {self.chain}; see `metabt check`"


def evidence(
    con: duckdb.DuckDBPyConnection, run_ids: Sequence[str], study: str | None = None, draws: Draws | None = None
) -> Evidence:
    """Return what stored runs are worth, beside everything that was tried on the same data.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    run_ids : sequence of str
        Whole identities; those that are not stored, failed or are of no trial have no numbers.
    study : str, optional
        Narrows the family; None takes all.
    draws : how the family is drawn anew; None is luck's own
    """
    from metabt.lakehouse.ledger.family import DAMAGED, SHORT, datasets_of, family
    from metabt.lakehouse.runs.stored_runs import root_spans, root_trials

    try:
        trials = root_trials(con, run_ids)
        if not trials:
            return Evidence(None, reason="none of these runs is a trial of the ledger")
        spans = root_spans(con, list(trials))
        datasets = datasets_of(con, sorted(set(trials.values())))
        first, last = min(it[0] for it in spans.values()), max(it[1] for it in spans.values())
        found = family(con, sorted(datasets), first, last, study)
        returns = _matrix(found)
    except StoreError as error:
        return Evidence(None, study=study, reason=str(error))
    left_out = {reason: len(keys) for reason, keys in found.left_out.items()}
    beside = partial(Evidence, left_out=left_out, study=study, chain=found.chain)
    if not found.keys:
        return beside(None, reason="no trial has enough sessions")
    place = {key: column for column, key in enumerate(found.keys)}
    columns = {run_id: place[key] for run_id, key in trials.items() if key in place}
    # what cannot be drawn anew was tried all the same
    tried = len(found.keys) + sum(left_out.get(reason, 0) for reason in (SHORT, DAMAGED))
    said = luck(TrialReturns.of(returns), found.sessions_per_year, n_tried=tried, draws=draws)
    return beside(said, columns, returns=returns)


def evidence_of(streams: Mapping[str, tuple[np.ndarray, np.ndarray]], draws: Draws | None = None) -> Evidence:
    """Return what runs in memory are worth beside each other: nothing else is known to have been tried.

    Parameters
    ----------
    streams : run_id -> sessions, (n_sessions,) datetime64[D], and excess returns of its root
    draws : how the family is drawn anew; None is luck's own
    """
    if not streams:
        return Evidence(None, reason="no configuration has a stream")
    dates = np.unique(np.concatenate([own for own, _ in streams.values()]))
    returns = np.full((len(dates), len(streams)), np.nan, np.float32, order="F")
    for column, (own, excess) in enumerate(streams.values()):
        returns[np.searchsorted(dates, own), column] = excess
    years = [max(years_between(own[0], own[-1]), 1.0 / DAYS_PER_YEAR) for own, _ in streams.values()]
    per_year = float(np.median([len(own) / it for (own, _), it in zip(streams.values(), years, strict=True)]))
    said = luck(TrialReturns.of(returns), per_year, draws=draws)
    return Evidence(said, {run_id: column for column, run_id in enumerate(streams)}, returns=returns)


def _matrix(found: Family) -> np.ndarray:
    """Return a family's excess returns, (n_sessions, n_trials) float32."""
    whole = np.empty((len(found.dates), len(found.keys)), np.float32, order="F")
    place = 0
    for keys, block in found.blocks():
        whole[:, place : place + len(keys)] = block
        place += len(keys)
    return whole
