"""Run: the stored tables of one run; what several sections read from them is worked out once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from metabt.analysis.calendar_time import DAYS_PER_YEAR
from metabt.analysis.common_sessions import Series
from metabt.analysis.summary import metrics_by_path
from metabt.lakehouse.evidence import Evidence
from metabt.report.allocation_path import Shares, held_shares
from metabt.report.reading import Tables
from metabt.report.replayed import Replayed
from metabt.report.streams import Streams
from metabt.values.tables import texts

if TYPE_CHECKING:
    from metabt.data.dataset import Dataset


@dataclass(frozen=True)
class Run:
    """One run, as its page reads it."""

    row: Mapping[str, Any]
    """The columns of `runs`, or at least run_id and portfolio."""
    tables: Tables
    """Tables by name, as in the lakehouse."""
    again: Replayed | None = None
    """Baselines and attribution, which its tables do not hold; None leaves them out."""
    source: Replayed | None = None
    """Where its datasets are found for a page that leaves those out; None for one that has them, or has no data."""

    evidence: Evidence | None = None
    """What it is worth beside everything that was tried; None where that is not known."""

    @cached_property
    def paths(self) -> list[str]:
        """Paths of all sleeves, parents first."""
        return list(texts(self.tables["sleeves"]["path"]))

    @cached_property
    def root(self) -> str:
        """The root's path."""
        return min(self.paths, key=lambda path: path.count("/"))

    @cached_property
    def children(self) -> list[str]:
        """Paths of the root's children; empty where it is a leaf."""
        return [path for path in self.paths if path.rpartition("/")[0] == self.root]

    @cached_property
    def beside(self) -> list[str]:
        """Paths that have a stream and are no sleeves: that of the benchmark, if there is one."""
        return [path for path in self.streams.paths if path not in self.slots]

    @cached_property
    def nearest(self) -> list[str]:
        """Paths of all sleeves, those nearest the root first."""
        return sorted(self.paths, key=lambda path: path.count("/"))

    @cached_property
    def slots(self) -> dict[str, int]:
        """Path -> place of its colour in the palette, the same in every chart."""
        return {path: slot for slot, path in enumerate(self.nearest)}

    @cached_property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Path -> metric -> value."""
        return metrics_by_path(self.tables["metrics"])

    @cached_property
    def streams(self) -> Streams:
        """The streams of all sleeves."""
        return Streams(self.tables["returns"], self.root)

    @cached_property
    def specs(self) -> dict[str, dict[str, Any]]:
        """Path -> resolved spec, as plain values."""
        sleeves = self.tables["sleeves"]
        return {
            path: json.loads(spec) for path, spec in zip(texts(sleeves["path"]), texts(sleeves["spec"]), strict=True)
        }

    @cached_property
    def datasets(self) -> Mapping[str, Dataset]:
        """The datasets that its tree reads, unread; empty where they are not at hand."""
        found = self.source if self.again is None else self.again
        return {} if found is None else found.datasets

    @cached_property
    def shares(self) -> Shares:
        """The root's holdings of its children, session by session."""
        leaves = [path for path in self.paths if self.specs[path]["kind"] == "leaf"]
        lag = int(self.specs[self.root]["lag"])
        return held_shares(self.streams, self.tables["decisions"], self.children, leaves, lag)

    def label(self, path: str) -> str:
        """Return the last part of a path: the sleeve's own name."""
        return path.rpartition("/")[2]

    def inception(self, path: str) -> np.datetime64:
        """Return the session of a sleeve's first trade, from which its years count; NaT where there is none."""
        dates, years = self.streams.own(path, "date"), self.metrics.get(path, {}).get("years", 0.0)
        if not (len(dates) and years > 0):
            return np.datetime64("NaT")
        before: np.datetime64 = dates[-1] - np.timedelta64(round(years * DAYS_PER_YEAR), "D")
        return before

    def series(self, path: str) -> Series:
        """Return the net returns of a sleeve or of the benchmark, as they are put beside those of others."""
        return Series(self.streams.own(path, "date"), self.streams.own(path, "net"), self.inception(path))
