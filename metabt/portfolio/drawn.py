"""Drawn: how a leaf's universe is drawn anew at every decision, from a membership, by a rule on raw levels, or both.

1. `members` names a membership of the dataset: an asset is eligible where it is a member and known to be one.
2. `min_price` and `min_prices` ask for a close of at least so much at the decision, and for so many closes by then.
3. `largest` keeps the first so many of what is left, by the mean of `by` over the last `lookback` sessions in which it
   was observed; of equals those whose symbol comes first.

The universe itself has every asset that may ever be drawn. Where those are all of a membership or of a dataset, they
are no setting of the sleeve: who joins later changes nothing of what identifies it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from metabt.errors import ConfigError, nearest
from metabt.values.scalars import number, whole

DOLLAR_VOLUME, CLOSE = "dollar_volume", "close"
LEVELS = (DOLLAR_VOLUME, CLOSE)
"""What `by` may say."""
OF = "of"
"""Key of the symbols that a rule draws from; all of the dataset, or all of the membership, where it is not stated."""
EVER = "ever"
"""Key of the same where it was not stated: what a resolved tree has found, to be read back."""
MOST = 1_000_000
"""More assets, and more sessions, than there are."""


@dataclass(frozen=True)
class Drawn:
    """What an asset of a leaf's universe must be at a decision to be eligible."""

    members: str | None = None
    """Membership of the dataset that it belongs to; None asks for none."""
    largest: int | None = None
    """Keep so many assets, the largest; None keeps all."""
    by: str = DOLLAR_VOLUME
    """What they are the largest by: dollar_volume (close x volume) or close."""
    lookback: int = 63
    """Sessions over which that is averaged, up to the decision."""
    min_price: float | None = None
    """Least raw close at the decision; None asks for none."""
    min_prices: int | None = None
    """Closes by the decision, itself included; None asks for none."""
    stated: bool = False
    """Whether the assets to draw from are stated, and so a setting of the sleeve."""

    @property
    def reads_volume(self) -> bool:
        """Whether volumes decide what is drawn."""
        return self.largest is not None and self.by == DOLLAR_VOLUME

    @property
    def reach(self) -> int:
        """Sessions before a decision that are read for it."""
        return self.lookback - 1 if self.largest is not None else 0

    @property
    def reads_levels(self) -> bool:
        """Whether prices decide what is drawn, beside the membership."""
        return self.largest is not None or self.min_price is not None or self.min_prices is not None

    def plain(self) -> dict[str, object]:
        """Return what is stated, by key: the averaging only where there is anything to average for."""
        of_largest = ("by", "lookback")
        return {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if getattr(self, each.name) not in (None, False)
            and (each.name not in of_largest or self.largest is not None)
        }


def drawn(key: str, stated: Mapping[str, object]) -> Drawn:
    """Return what a mapping states of how a universe is drawn, `of` aside.

    Raises
    ------
    ConfigError
        For a mapping that cannot be meant.
    """
    known = [each.name for each in fields(Drawn) if each.name != "stated"]
    for name in stated:
        if name not in (*known, OF, EVER):
            raise ConfigError(f"unknown key '{key}.{name}'{nearest(str(name), (*known, OF))}")
    given = {name: value for name, value in stated.items() if name not in (OF, EVER) and value is not None}
    if not given.keys() & {"members", "largest", "min_price", "min_prices"}:
        raise ConfigError(
            f"{key} is {dict(stated)!r}, which draws nothing: wanted a list of symbols, 'all', or a mapping with "
            "members: NAME, largest: N, min_price: X or min_prices: N"
        )
    alone = given.keys() & {"by", "lookback"} if "largest" not in given else ()
    if alone:
        raise ConfigError(f"{key}.{min(alone)} says how the largest are found; state {key}.largest, or leave it out")
    values = {name: _value(f"{key}.{name}", name, value) for name, value in given.items()}
    return Drawn(**values, stated=stated.get(OF) is not None)  # type: ignore[arg-type]  # checked just now


def _value(key: str, name: str, value: object) -> object:
    if name == "members":
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{key} is {value!r}, wanted the name of a membership, as its table has it")
        return value
    if name == "by":
        if value not in LEVELS:
            raise ConfigError(f"{key} is {value!r}, wanted one of {', '.join(LEVELS)}")
        return value
    if name == "min_price":
        least = number(value)
        if least is None or not 0 < least < float("inf"):
            raise ConfigError(f"{key} is {value!r}, wanted a price above 0")
        return least
    count = whole(value)
    if count is None or not 1 <= count <= MOST:
        raise ConfigError(f"{key} is {value!r}, wanted a whole number from 1 to {MOST:,}")
    return count
