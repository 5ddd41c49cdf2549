"""Tried: a request and what became of it, as the trial that the ledger notes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import numpy as np

from metabt.build.dated.named_rates import cash_rate
from metabt.data.calendars import calendar_of
from metabt.data.point_in_time.accrual import idle_returns
from metabt.errors import ConfigError, DataError, RunError, StoreError
from metabt.lakehouse.ledger.trial import Idle, Trial
from metabt.lakehouse.price_source import Frames, Lakehouse
from metabt.runs.request import Request
from metabt.runs.trials.trial_key import TrialKeys

LOG = logging.getLogger("metabt.runs")


class Tried:
    """Makes trials of requests; keys and what cash earned are worked out once for all that share them."""

    def __init__(self) -> None:
        """Make trials of a sweep, or of a run by itself."""
        self._keys, self._idles = TrialKeys(), dict[tuple[object, ...], Idle | None]()

    def of(
        self,
        asked: Request,
        *,
        at: datetime,
        sweep_id: str | None = None,
        study: str | None = None,
        sharpe: float | None = None,
        error: str | None = None,
    ) -> Trial:
        """Return the trial of a request.

        Parameters
        ----------
        asked : the request
        at : when it was asked for, UTC
        sweep_id : the sweep that asked
        study : what it is said to be part of
        sharpe : the root's Sharpe ratio, NaN or None where it is undefined
        error : message of the error that ended it
        """
        key = self._keys.of(asked)
        return Trial(
            key.base,
            key.by,
            key.key_by,
            asked.run_id,
            sweep_id,
            at,
            asked.tree.name,
            tuple(sorted({leaf.dataset for _, leaf in asked.tree.leaves()})),
            status="ok" if error is None else "failed",
            sharpe=None if sharpe is None or not np.isfinite(sharpe) else float(sharpe),
            error=error,
            study=study,
            idle=self.idle(asked) if error is None else None,
        )

    def idle(self, asked: Request) -> Idle | None:
        """Return what cash earned in the sessions of a request's tree; None where it states no rate."""
        rate = asked.tree.spec.cash.rate
        if rate is None:
            return None
        names = tuple(sorted({leaf.dataset for _, leaf in asked.tree.leaves()}))
        facts = [asked.datasets[name].facts for name in names]
        shared = rate, asked.flat, *names, *(it.calendar_digest(slice(0, len(it.dates))) for it in facts)
        if shared not in self._idles:
            self._idles[shared] = idle_of(asked, names)
        return self._idles[shared]


def idle_of(asked: Request, names: tuple[str, ...]) -> Idle:
    """Return what cash earned in the sessions of a tree over some datasets; its root states a rate."""
    stated = asked.tree.spec.cash.rate
    rate = cash_rate(stated, names, asked.datasets) if isinstance(stated, str) else float(stated or 0.0)
    calendar = calendar_of([asked.datasets[name].facts for name in names])
    sessions = (calendar.sessions[calendar.common] if asked.flat else calendar.sessions).astype("datetime64[D]")
    return Idle(sessions, idle_returns(sessions, None, rate).returns)


@contextmanager
def noting_failure(source: Frames | Lakehouse, trial: Callable[..., Trial]) -> Iterator[None]:
    """Within the block, note in the ledger of a lakehouse what fails there, and raise it: `trial(error=text)`.

    What could not be read or written was not tried.
    """
    try:
        yield
    except (ConfigError, DataError, RunError) as error:
        if isinstance(source, Lakehouse):
            try:
                source.tried(trial(error=str(error)))
            except StoreError as unwritten:
                LOG.warning("the ledger does not have that this was tried: %s", unwritten)
        raise
