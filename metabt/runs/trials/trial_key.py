"""Trial key: one name for all askings that are one try.

`key = H(format, settings, flat or not, data, rows that were written, visible by a day)`

1. Settings are those of metabt.runs.trials.trial_settings: neither names nor code, libraries, snapshot or `end`.
2. Data are known by the name of each dataset, whether its prices are adjusted, and its steps with what somebody wrote
   of their code. What is appended, corrected or rescaled under a name is the same data, a dataset of another name
   another one; so a dataset that is ingested again under a new name counts as new, which is the safe side.
3. The period begins at `start`, which is a setting. Where a leaf states none it begins with the data: the year in which
   one of its assets is first observed is in the key, and prices from before make another trial.
4. A benchmark is not in the key: it changes what a stream is compared with, and not the stream.
5. What somebody wrote into tables is covered as it was visible by the last session (metabt.runs.trials.written_rows),
   so that the key of a first asking needs a day. Whoever asks again, with rows added since, is found by `key_by` that
   same day, under the same `base`. Who asks on data from before that day cannot be compared, and counts as another.
6. A flat baseline has the settings of the whole tree in its key, also those that it has no use for: that may count one
   twice, and misses none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from metabt.build.step_checks import steps_of
from metabt.data.dataset import Dataset
from metabt.data.facts import Facts
from metabt.portfolio.sleeve import Sleeve
from metabt.runs.request import Request
from metabt.runs.trials.trial_settings import TrialSettings, own_files
from metabt.runs.trials.written_rows import visible, written_tables
from metabt.values.digests import digest, joint_digest

FORMAT = 1
"""Version of what a key covers; another one counts every trial again."""


@dataclass(frozen=True)
class TrialKey:
    """The key of a request, and of what it would have been on an earlier day."""

    base: str
    """Digest of all but written rows; the key itself where there are none."""
    by: date | None
    """The last session of its data, by which written rows are covered; None where there are none."""
    _rows: Mapping[tuple[str, str], Any] = field(repr=False, default_factory=dict)

    @property
    def key(self) -> str:
        """The key."""
        return self.base if self.by is None else self.key_by(self.by)

    def key_by(self, day: date) -> str:
        """Return the key of the same asking with the rows that were visible by a day."""
        last = np.datetime64(day, "D")
        rows = {f"{name} {table}": visible(own, last).digest for (name, table), own in self._rows.items()}
        return digest([self.base, day.isoformat(), rows])


@dataclass(frozen=True)
class TrialKeys:
    """Keys of many requests; what they share is worked out once."""

    _settings: TrialSettings = field(default_factory=TrialSettings)
    _known: dict[tuple[object, ...], tuple[Mapping[str, Dataset], str]] = field(default_factory=dict)

    def of(self, asked: Request) -> TrialKey:
        """Return the key of a request; prices are not read."""
        settings = self._settings.digest(asked.tree.spec)
        base = joint_digest([str(FORMAT), settings, str(asked.flat), self._data(asked)])
        rows = written_tables(asked.tree, asked.datasets)
        if not rows:
            return TrialKey(base, None)
        names = {name for name, _ in rows}
        last = max(asked.datasets[name].facts.dates[-1] for name in names)
        return TrialKey(base, last.astype("datetime64[D]").item(), rows)

    def _data(self, asked: Request) -> str:
        """Return one digest of what the datasets are known by; trees over the same leaves share it."""
        shared = id(asked.datasets), *(leaf.digest for _, leaf in asked.tree.leaves())
        if shared not in self._known:  # which keeps the datasets, so that no others get their address
            self._known[shared] = asked.datasets, digest(identities(asked.tree, asked.datasets))
        return self._known[shared][1]


def identities(tree: Sleeve, datasets: Mapping[str, Dataset]) -> dict[str, Any]:
    """Return dataset that a tree reads -> what it is known by."""
    leaves: dict[str, set[str]] = {}
    for _, leaf in tree.leaves():
        own = leaves.setdefault(leaf.dataset, set())
        own |= set(leaf.universe) if leaf.start is None else set()
    return {name: _identity(datasets[name], symbols) for name, symbols in sorted(leaves.items())}


def _identity(dataset: Dataset, symbols: set[str]) -> dict[str, Any]:
    """Return what a dataset is known by; `symbols` are those of leaves whose period begins with the data."""
    steps = [[step.text, own_files(dict(step.packages))] for step in steps_of(dataset)]
    stated = {"adjusted": dataset.facts.point_in_time.adjusted, "steps": steps}
    return {**stated, "begins": _begins(dataset.facts, symbols)} if symbols else stated


def _begins(facts: Facts, symbols: set[str]) -> str:
    """Return the year in which some of the symbols are first observed; empty where none is."""
    first = facts.first_observed(tuple(sorted(symbols)))
    known = first[~np.isnat(first)]
    return str(known.min())[:4] if len(known) else ""
