"""Steps between prices and returns, as an installed package has them."""

import numpy as np


def capped(sheet, limit: float = 0.01):
    """Cap every return."""
    return sheet.derive(returns=np.clip(sheet["returns"], -limit, limit))


def averaged(sheet, n: int = 3):
    """Average the last n returns, in one order whatever is shown ahead of them; needs n - 1 sessions before."""
    returns = sheet["returns"]
    total = np.zeros_like(returns)
    for back in range(min(n, len(returns))):
        total[back:] += returns[: len(returns) - back] / n
    return sheet.derive(returns=np.where(returns == 0, 0.0, total))


def cleaned(sheet, limit: float = 0.02):
    """Take large returns away."""
    returns = sheet["returns"].copy()
    returns[np.abs(returns) > limit] = np.nan
    return sheet.derive(returns=returns)


def relative(sheet):
    """Return what each asset earned beyond the mean of those that it is shown with."""
    returns = sheet["returns"]
    beyond = returns - returns.sum(axis=1, keepdims=True) / returns.shape[1] / 2
    return sheet.derive(returns=np.where(returns == 0, 0.0, beyond))


def peeking(sheet, above: float = 0.0):
    """Know tomorrow, where that is large."""
    returns = sheet["returns"].copy()
    ahead = np.abs(returns[1:]) > above
    returns[:-1] = np.where(ahead & (returns[:-1] != 0), returns[:-1] / 2, returns[:-1])
    return sheet.derive(returns=returns)


class Scaled:
    """Multiply returns by a factor."""

    def __init__(self, by: float):
        self.by = by

    def __call__(self, sheet):
        """Do so."""
        return sheet.derive(returns=sheet["returns"] * self.by)
