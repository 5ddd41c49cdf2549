"""Dataset steps: what was stated of a dataset's steps becomes a dataset that has them.

1. Of a stored dataset they were stated at ingestion, and are a fact of it; of frames whoever hands them over states
   them.
2. They are put over its prices one after the other (metabt.data.panel.stepped). Beneath one that is shown all symbols
   stand those of all symbols, whichever are wanted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metabt.data.dataset import Dataset, Names
from metabt.data.facts import Facts
from metabt.data.panel.stepped import stepped
from metabt.data.step import Step
from metabt.errors import ConfigError, nearest
from metabt.values.arguments import shown


def stated_steps(known: Facts) -> tuple[Step, ...]:
    """Return the steps that were stated of a stored dataset.

    Raises
    ------
    ConfigError
        For one that is not installed here.
    """
    if known.panel is None:
        return ()
    from metabt.estimators.steps import built_steps

    return built_steps(f"panel of dataset '{known.name}'", json.loads(known.panel))


def steps_of_frames(panel: Any, names: Sequence[str]) -> dict[str, tuple[Step, ...]]:
    """Return dataset -> the steps that `panel` states, of the only one of `names`, or by dataset.

    Raises
    ------
    ConfigError
        For a dataset that is not there, none named where there are several, or a step that cannot be meant.
    """
    from metabt.estimators.steps import built_steps, canonical_steps

    by_dataset = isinstance(panel, Mapping) and "name" not in panel
    if not by_dataset and len(names) != 1:
        raise ConfigError(
            f"panel is {shown(panel)}, and there are {len(names)} datasets; say of which: panel={{{names[0]!r}: ...}}"
        )
    found = {}
    for name, each in (panel if by_dataset else {names[0]: panel}).items():
        if name not in names:
            raise ConfigError(f"panel names no dataset '{name}' of these prices{nearest(str(name), names)}")
        who = f"panel of dataset '{name}'"
        found[name] = built_steps(who, canonical_steps(who, each))
    return found


def with_steps(dataset: Dataset, steps: Sequence[Step], symbols: Names) -> Dataset:
    """Return a dataset with steps between its prices and its returns, and some of its symbols."""
    for place, step in enumerate(steps):
        needs_all = any(later.whole for later in steps[place + 1 :])
        dataset = stepped(dataset, step, dataset.facts.symbols if needs_all else symbols)
    return dataset


def reread(dataset: Dataset, read: Callable[[Facts], Dataset]) -> Dataset:
    """Return a dataset with its lives, events and steps over prices that `read` returns of what is known of them."""
    if dataset.made_of is None or dataset.beneath is None:
        return read(dataset.facts)
    return dataset.made_of(reread(dataset.beneath, read), dataset.facts)
