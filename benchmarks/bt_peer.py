"""bt as a peer: a `Strategy` that weighs every 21 sessions, on prices that compound the returns.

1. Sessions become days in a row, so that a `DateOffset` of 252 days is a lookback of 252 returns.
2. Positions are not whole numbers, so that weights are what was decided.
3. Covariances are the sample's, not the Ledoit-Wolf ones that its optimizers take by default.
"""

from __future__ import annotations

from importlib.metadata import version

import bt
import numpy as np
import pandas as pd

from benchmarks.works import STEP, Rule

NAMES = ("inverse_volatility", "erc")
"""Rules that it knows: its `WeighMeanVar` maximises the Sharpe ratio."""


class Bt:
    """bt, in one process."""

    name = f"bt {version('bt')}"

    def refuses(self, rule: Rule) -> str:
        """Return why it cannot follow a rule, or nothing."""
        return "" if rule.optimizer in NAMES else f"it has no {rule.optimizer}"

    def walk(self, X: np.ndarray, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
        """Return weights and returns; see `Peer`."""
        return _walk(X, rule, tolerance=1e-8)

    def exact(self, X: np.ndarray, rule: Rule) -> np.ndarray:
        """Return the weights that it finds with a tighter tolerance."""
        return _walk(X, rule, tolerance=1e-14)[0]


class Kept(bt.Algo):
    """Keeps the weights that were decided."""

    def __init__(self) -> None:
        super().__init__("Kept")
        self.weights: list[np.ndarray] = []

    def __call__(self, target: bt.Strategy) -> bool:
        """Keep them, in the order of the columns."""
        weights = target.temp["weights"]
        self.weights.append(np.array([weights[column] for column in target.universe.columns]))
        return True


def _walk(X: np.ndarray, rule: Rule, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    dates = pd.date_range("2000-01-01", periods=len(X) + 1)
    closes = 100.0 * np.cumprod(np.concatenate([np.ones((1, X.shape[1])), 1.0 + X]), axis=0)
    frame = pd.DataFrame(closes, dates, [f"c{i:04d}" for i in range(X.shape[1])])
    lookback = pd.DateOffset(days=rule.lookback)
    if rule.optimizer == "erc":
        weigh = bt.algos.WeighERC(lookback, covar_method="standard", maximum_iterations=1000, tolerance=tolerance)
    else:
        weigh = bt.algos.WeighInvVol(lookback)
    when = bt.algos.RunEveryNPeriods(STEP, offset=rule.lookback)
    strategy = bt.Strategy("sleeve", [when, bt.algos.SelectAll(), weigh, Kept(), bt.algos.Rebalance()])
    test = bt.Backtest(strategy, frame, integer_positions=False, progress_bar=False)
    test.run()
    net = test.strategy.prices.pct_change().to_numpy()[-len(X) + rule.lookback :]
    kept = next(algo for algo in test.strategy.stack.algos if isinstance(algo, Kept))  # bt has copied the strategy
    return np.array(kept.weights), net
