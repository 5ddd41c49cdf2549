"""Asking: a run is asked for, by itself or by a sweep, and what tells whether a bare name may mean it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

KINDS = ("plain", "overridden", "swept", "flat")
"""Kinds of askings, in the order in which they answer to a bare name."""
TREE = r"^[^=]*@portfolio|^(\+{0,2}|~)portfolio\."
"""Overrides that change a portfolio's tree, or its name."""
NAME = r"^\+{0,2}portfolio\.name="
"""Overrides that change its name alone."""
FLAT = "is_meta_backtest=false"
"""The override that an asking for a flat baseline has, in whatever way it was asked for."""
AS_OF = "as_of="
"""How the override begins that an asking for a run on data of the past has, in whatever way it was asked for."""
PAST = rf"^\+{{0,2}}{AS_OF}"
"""Overrides that read what the lakehouse held then."""


def now() -> datetime:
    """Return the present in UTC, without a time zone, as the lakehouse records it.

    Returns
    -------
    datetime
    """
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Asking:
    """One asking for a run."""

    overrides: tuple[str, ...] = ()
    """What was set otherwise than in the portfolio's file, as the command line says it."""
    sweep_id: str | None = None
    """The sweep that asked; None for a run by itself."""
    at: datetime = field(default_factory=now)
    """When it began, UTC."""

    def reading(self, as_of: str | None) -> Asking:
        """Return the same asking with the override AS_OF where it reads data of the past, and without where not.

        Parameters
        ----------
        as_of : str, optional
            What was stated: a snapshot's number or a date. None reads what there is now.

        Returns
        -------
        Asking
        """
        others = [text for text in self.overrides if not text.lstrip("+").startswith(AS_OF)]
        return replace(self, overrides=(*others, *([] if as_of is None else [f"{AS_OF}{as_of}"])))

    def text(self, flat: bool) -> str:
        """Return the overrides as JSON.

        Parameters
        ----------
        flat : bool
            Whether the run is a flat baseline: FLAT is among the overrides then, and only then.

        Returns
        -------
        str
            A list of texts.
        """
        others = [text for text in self.overrides if not text.lstrip("+").startswith("is_meta_backtest=")]
        return json.dumps([*others, *([FLAT] if flat else [])])
