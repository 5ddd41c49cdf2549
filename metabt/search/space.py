"""Space: what every free key of a search may be set to.

A value is the text that an override states, so that a point is known by what a command line would say. Samplers see
three kinds of keys: `Choice`, whose values have no order; `Steps`, whose values have one; and `Interval`, a range of
real or whole numbers, perhaps on a logarithmic scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from metabt.errors import ConfigError
from metabt.values.arguments import shown

Point = tuple[str, ...]
"""A value for every key of a space, in the order of its keys."""


@dataclass(frozen=True)
class Choice:
    """Some values without an order."""

    values: tuple[str, ...]
    """Distinct texts."""

    def at(self, u: float) -> str:
        """Return the value at `u` in [0, 1), each having an equal part of it."""
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]


@dataclass(frozen=True)
class Steps(Choice):
    """Some values in their order."""


@dataclass(frozen=True)
class Interval:
    """All numbers from `low` to `high`, both included; `metabt.interval` makes and checks it."""

    low: float
    """Smallest number."""
    high: float
    """Largest number."""
    log: bool = False
    """Whether equal factors, instead of equal differences, are equally far apart."""
    integer: bool = False
    """Whether only whole numbers are meant."""

    def at(self, u: float) -> str:
        """Return the value at `u` in [0, 1): `low + u (high - low)`, or `low (high / low)^u` on a logarithmic scale.

        A whole number has the part of the scale that rounds to it, as if half a unit more were at either end.
        """
        half = 0.5 if self.integer else 0.0
        low, high = self.low - half, self.high + half
        found = low * (high / low) ** u if self.log else low + u * (high - low)
        return self.text(min(max(round(found) if self.integer else found, self.low), self.high))

    def text(self, number: float) -> str:
        """Return a number as an override states it; every bit of it can be read back."""
        return str(int(number)) if self.integer else repr(float(number))


Dimension = Choice | Interval
"""What a key may be set to."""
Space = Mapping[str, Dimension]
"""Key -> what it may be set to, in the order of a point's values."""


def interval(low: float, high: float, log: bool = False, integer: bool = False) -> Interval:
    """Return all numbers from `low` to `high`, as a key's values in `metabt.sweep`.

    Parameters
    ----------
    low, high : float
        Smallest and largest number, both included.
    log : bool
        Search on a logarithmic scale, for what matters by its factor.
    integer : bool
        Whole numbers only.

    Returns
    -------
    Interval

    Raises
    ------
    ConfigError
        For bounds that are no numbers, not below each other, not whole where `integer`, or not above 0 where `log`.

    Examples
    --------
    >>> import metabt
    >>> metabt.interval(21, 252, log=True, integer=True)
    Interval(low=21, high=252, log=True, integer=True)
    """
    said = f"interval({low!r}, {high!r})"
    for bound in (low, high):
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not math.isfinite(bound):
            raise ConfigError(f"{said} has {shown(bound)}, wanted two numbers, as in interval(0.1, 0.5)")
        if integer and bound != int(bound):
            raise ConfigError(f"{said} of whole numbers has {shown(bound)}; give whole bounds, or leave integer out")
    if not low < high:
        raise ConfigError(f"{said} is empty, wanted the smaller number first; to fix a key give it one value")
    if log and low <= 0:
        raise ConfigError(f"{said} is to be searched by its logarithm, wanted bounds above 0; raise {low:g} to above 0")
    return Interval(low, high, log, integer)


def check_space(space: Space) -> None:
    """Raise ConfigError for a space without a key that is free."""
    if not any(isinstance(it, Interval) or len(it.values) > 1 for it in space.values()):
        raise ConfigError(
            "the search has no free key: every one has a single value, so there is nothing to look for; state several, "
            "as in portfolio.lookback=range(21,252,21) or portfolio.optimizer.max_weight=interval(0.1,0.5)"
        )
