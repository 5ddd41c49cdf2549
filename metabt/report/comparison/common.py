"""Common: the streams of one sleeve in two runs, on the sessions that both have (metabt.analysis.common_sessions)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.analysis.common_sessions import CommonSessions, compounded, on_common_sessions, summed
from metabt.analysis.metrics.stream import Stream
from metabt.report.cash import idle
from metabt.report.run import Run


@dataclass(frozen=True)
class Common(CommonSessions):
    """Two streams on the sessions that both have."""

    traded: bool
    """They begin with the same trade."""
    same: bool
    """They begin with the same trade and have the same sessions, all of them."""
    alone: tuple[int, int]
    """Sessions that only the first or only the second has, between the beginning and the end of the other."""

    @property
    def begins(self) -> bool:
        """They are measured from a first trade, which comes before the first session that they share."""
        return self.count > 0 and len(self.returns) == self.count

    @property
    def navs(self) -> np.ndarray:
        """(n_sessions, 2) values at the close of each common session, 1 where both are measured from."""
        navs = np.cumprod(1.0 + self.returns, axis=0)
        return navs if self.begins else np.vstack([np.ones((min(self.count, 1), 2)), navs])


def common(one: tuple[Run, str], other: tuple[Run, str]) -> Common:
    """Return two streams, each a run and a path in it, on the sessions that they share."""
    first, second = (run.series(path) for run, path in (one, other))
    shared = on_common_sessions(first, second)
    traded = bool(first.since == second.since)
    same = traded and shared.count == len(first.dates) == len(second.dates)
    alone = (_between(shared.dates, first.dates, second.dates), _between(shared.dates, second.dates, first.dates))
    return Common(shared.dates, shared.since, shared.bounds, shared.returns, traded, same, alone)


def _between(shared: np.ndarray, own: np.ndarray, others: np.ndarray) -> int:
    """Return how many of a stream's own sessions are not shared, though the other stream goes on before and after."""
    if not len(shared):
        return 0
    return int(((own > others[0]) & (own < others[-1])).sum() - ((shared > others[0]) & (shared < others[-1])).sum())


def cut(run: Run, path: str, shared: CommonSessions, bounds: np.ndarray) -> Stream:
    """Return a stream on common sessions, of which `bounds` are its rows: returns compound, costs and trades add up.

    What cash earned compounds too; where it is not known (metabt.report.cash) there is none.
    """
    own = run.streams.own
    returns = {name: compounded(own(path, name), bounds) for name in ("gross", "net")}
    amounts = {name: summed(own(path, name), bounds) for name in ("cost", "turnover")}
    saved = summed(own(path, "netting_benefit"), bounds)
    cash = idle(run, path)
    paid = None if cash is None else compounded(cash, bounds)
    return Stream(shared.since, shared.ends, netting=saved, idle=paid, **returns, **amounts)
