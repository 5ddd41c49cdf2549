"""Grid: the jobs of a sweep, every combination of the values that its overrides list.

The last override of a key decides; keys are in the order in which they first came, the last one changing fastest.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from math import ceil, prod

from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from hydra.errors import HydraException


def grid(overrides: Iterable[Override]) -> list[list[str]]:
    """Return the overrides of each job.

    Raises
    ------
    HydraException
        For a sweep over an interval, whose values are not listed.
    """
    choices: dict[str, list[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        if not override.is_sweep_override():
            choices[key] = [f"{key}={override.get_value_element_as_str()}"]
        elif override.is_discrete_sweep():
            choices[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            kind = "" if override.value_type is None else override.value_type.name
            raise HydraException(
                f"metabt does not support sweep type {kind} in a grid; list the values, KEY=1,2,3 or range(1,4), or "
                f"search: sweep.sampler=random sweep.n=100 sweep.objective=sharpe"
            )
    return [list(job) for job in product(*choices.values())]


def count(overrides: Iterable[Override]) -> int:
    """Return how many jobs `grid` would list, without listing any; members that a pattern matches count once."""
    counts = {override.get_key_element(): _values(override) for override in overrides}
    return prod(counts.values())


def _values(override: Override) -> int:
    swept = override.value()
    if isinstance(swept, ChoiceSweep):
        return len(swept.list)
    if not isinstance(swept, RangeSweep) or not swept.step:
        return 1
    start, stop = swept.start or 0, swept.stop or 0
    return max(0, ceil((stop - start) / swept.step))
