"""Followed rows: what a leaf held, kept for the sessions in which anything traded and followed in between when read.

Between trades holdings only drift (metabt.walk.drift): from those just after a trade, what the assets earned says what
was held at every close up to the next one. The kernel that held them the first time does it, so that bits are the same.
A walk of which nothing is remembered keeps a fifteenth of what its leaves held that way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from metabt.walk.holdings import NO_IDLE, hold_assets


@dataclass(frozen=True)
class FollowedRows:
    """Holdings just after trading, (n_sessions, n_assets), of which few rows are kept; nothing is held at first."""

    at: np.ndarray
    """(n_traded,) int64 sessions in which anything traded."""
    kept: np.ndarray
    """(n_traded, n_assets) what was held after them."""
    n_sessions: int
    """Sessions in all."""
    market: Callable[[slice], np.ndarray]
    """Returns the assets' simple returns in some sessions, (n_rows, n_assets)."""
    idle: np.ndarray | None = None
    """(n_sessions,) simple returns of cash; None where it earns nothing."""
    ordered: bool = False
    """Whether sums over assets are taken one after another."""

    @classmethod
    def of(
        cls,
        after: np.ndarray,
        traded: np.ndarray,
        market: Callable[[slice], np.ndarray],
        decided: np.ndarray,
        idle: np.ndarray | None = None,
        *,
        ordered: bool = False,
    ) -> FollowedRows:
        """Keep of holdings, (n_sessions, n_assets), what the others can be followed from.

        Where all of it could be traded that is what was `decided`, (n_decisions, n_assets), which is there already.
        """
        kept = after[traded]
        aimed_at = decided[: len(kept)]
        same = aimed_at.shape == kept.shape and aimed_at.tobytes() == kept.tobytes()
        return cls(np.flatnonzero(traded), aimed_at if same else kept, len(after), market, idle, ordered)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the whole."""
        return self.n_sessions, self.kept.shape[1]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows at int64 positions that never decrease, (n_rows, n_assets)."""
        newest = np.searchsorted(self.at, rows, side="right") - 1
        if not len(rows) or (newest[0] >= 0 and (self.at[newest] == rows).all()):
            return self.kept[newest]
        return self.stretch(int(rows[0]), int(rows[-1]) + 1)[rows - rows[0]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the whole as one array."""
        return self.stretch(0, self.n_sessions).astype(dtype or np.float64, copy=False)

    def stretch(self, first: int, stop: int) -> np.ndarray:
        """Return the rows from `first` up to the one before `stop`, (n_rows, n_assets)."""
        trade = int(np.searchsorted(self.at, first, side="right")) - 1
        begin = 0 if trade < 0 else int(self.at[trade])
        return self._followed(trade, begin, stop)[first - begin :]

    def _followed(self, first: int, begin: int, stop: int) -> np.ndarray:
        """Return the rows from `begin`, that of the trade `first` or of no trade yet, up to the one before `stop`."""
        n_rows, n_assets = stop - begin, self.kept.shape[1]
        trades = slice(max(first, 0), int(np.searchsorted(self.at, stop)))
        targets, due = self.kept[trades].copy(), np.full(n_rows, -1, np.int64)  # read-only is another type to numba
        due[self.at[trades] - begin] = np.arange(len(targets))
        priced = np.ones((n_rows, n_assets), bool)
        priced.flags.writeable = False
        after, before = np.empty((n_rows, n_assets)), np.empty((len(targets) + 1, n_assets))
        state = np.zeros(n_assets), np.full(n_assets, np.nan), np.zeros(n_assets, np.int64)
        made = before, after, np.empty(n_rows), np.zeros(n_rows, bool), np.zeros((1, n_assets), bool)
        idle = NO_IDLE if self.idle is None else np.array(self.idle[begin:stop])
        none = np.zeros((0, n_assets), bool)  # what ended was traded in that session, which is among those kept
        market = self.market(slice(begin, stop))
        hold_assets(market, priced, due, targets, *state, 1, *made, idle, none, none, self.ordered)
        return after
