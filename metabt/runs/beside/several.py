"""Several: the configuration of any number of runs, only where it differs, beside the metrics of their roots.

1. A run's configuration is flattened to keys, `portfolio.sleeves.tech.optimizer.name`; a key that is the same in all
   runs is left out. Of a sleeve that only some runs have it is told which have it, and nothing of what is in it.
2. What is no setting and yet makes runs differ has keys of its own: the data of a dataset of which all read the same
   symbols, and the code that all of them use.
3. Metrics are those that are stored with the runs, each over its own sessions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metabt.errors import ConfigError
from metabt.lakehouse.evidence import Evidence, evidence
from metabt.runs.input_differences import flat, settings_of, stated_steps, text_of
from metabt.runs.record import Record, read_record
from metabt.values.digests import digest

if TYPE_CHECKING:
    import duckdb

METRICS = ("sharpe", "p_luck", "total_return", "cagr", "volatility", "max_drawdown", "turnover", "cost")
"""Metrics of a root that are set beside each other."""
NOTHING = ""
"""Text in place of a setting that a run does not have."""
DIGITS = 12
"""Characters of a digest that are shown."""


@dataclass(frozen=True)
class Several:
    """Two or more stored runs, next to each other."""

    runs: tuple[Record, ...]
    """The runs in the order in which they were named, (n_runs,)."""
    settings: Mapping[str, tuple[str, ...]]
    """Key in which they differ -> the text of each run's value, (n_runs,)."""
    metrics: Mapping[str, np.ndarray]
    """Metric -> value of each root, (n_runs,), NaN where there is none."""
    spans: tuple[tuple[str, str], ...]
    """First and last date of each root's returns, (n_runs,)."""
    evidence: Evidence
    """What they are worth beside everything that was tried."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what `rows` has of each run."""
        return ("run_id", "portfolio", "first_date", "last_date", *self.settings, *self.metrics)

    def rows(self) -> list[tuple[Any, ...]]:
        """Return a row for each run: its identity, name, dates, settings and metrics."""
        return [
            (
                run.run_id,
                run.portfolio,
                *self.spans[place],
                *(values[place] for values in self.settings.values()),
                *(float(values[place]) for values in self.metrics.values()),
            )
            for place, run in enumerate(self.runs)
        ]

    def remarks(self) -> list[str]:
        """Return what must be known of metrics that stand beside each other; empty where nothing must."""
        found = []
        if len(set(self.spans)) > 1:
            found.append(
                "each is measured over its own sessions, and these differ: state start and end for one period, or see "
                "two of them on common sessions with `metabt report RUN RUN`"
            )
        rates = {str(run.config["portfolio"].get("cash", {}).get("rate")) for run in self.runs}
        if len(rates) > 1:
            found.append("ratios are beyond unlike rates of cash: their order compares what is not alike")
        return [*found, *self.evidence.lines()]


def several(con: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> Several:
    """Return runs next to each other.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    run_ids : sequence of str
        Whole identities, two or more, none twice.

    Raises
    ------
    ConfigError
        For fewer than two runs, or one that is named twice.
    StoreError
        For a run that is not there, or that failed.
    """
    from metabt.lakehouse import root_metrics
    from metabt.lakehouse.runs.stored_runs import root_spans

    twice = next((run_id for run_id in run_ids if run_ids.count(run_id) > 1), None)
    if twice is not None:
        raise ConfigError(f"run {twice[:DIGITS]} is named twice; name each once (`metabt runs` lists what there is)")
    if len(run_ids) < 2:
        raise ConfigError(f"got {len(run_ids)} run, wanted two or more to set beside each other")
    runs = tuple(read_record(con, run_id) for run_id in run_ids)
    found, spans = root_metrics(con, run_ids), root_spans(con, run_ids)
    beside = evidence(con, run_ids)
    metrics = {
        name: np.array([{**found[it], **beside.of(it)}.get(name, np.nan) for it in run_ids], float) for name in METRICS
    }
    return Several(
        runs, differing_settings(runs), metrics, tuple((str(spans[it][0]), str(spans[it][1])) for it in run_ids), beside
    )


def differing_settings(runs: Sequence[Record]) -> dict[str, tuple[str, ...]]:
    """Return key in which runs differ -> the text of each run's value, in the order of their trees."""
    rest = zip(_data(runs), _codes(runs), strict=True)
    stated = [{**_stated(run), **data, "code": code} for run, (data, code) in zip(runs, rest, strict=True)]
    keys = dict.fromkeys(key for own in stated for key in own)
    alone = [key for key in keys if key.endswith(SLEEVE) and not all(key in own for own in stated)]
    hidden = tuple(f"{key.removesuffix(SLEEVE)}." for key in alone)
    found = {}
    for key in keys:
        values = tuple(own.get(key, NOTHING) for own in stated)
        if len(set(values)) > 1 and not key.removesuffix(SLEEVE).startswith(hidden):
            found[key.removesuffix(SLEEVE)] = values
    return found


SLEEVE = "\0"
"""End of a key that stands for a whole sleeve; no name of a setting has it."""


def _stated(run: Record) -> dict[str, str]:
    """Return key -> text of all that makes a run what it is, its code aside."""
    found = {
        "portfolio.name": str(run.config["portfolio"]["name"]),
        **dict(_of_tree("portfolio", run.config["portfolio"])),
    }
    rest = {
        "end": run.config["end"],
        "is_meta_backtest": not run.config["flat"],
        "benchmark": run.benchmark,
        "panel": stated_steps(run.config),
    }
    found |= {key: text_of(value) for key, value in flat(rest) if value is not None}
    return found


def _data(runs: Sequence[Record]) -> list[dict[str, str]]:
    """Return the digest of each dataset of which all runs read the same symbols; else it is their trees that differ."""
    shared = set.intersection(*({(name, symbols) for name, symbols in run.wanted.items()} for run in runs))
    names = sorted(name for name, _ in shared)
    return [{f"data.{name}": str(run.config["data"].get(name, NOTHING))[:DIGITS] for name in names} for run in runs]


def _codes(runs: Sequence[Record]) -> list[str]:
    """Return the digest of the modules and libraries that all runs use, as each run had them.

    What only some of them use is no difference of the code, but of what they were set to.
    """
    parts = [{**run.versions.get("modules", {}), **run.versions.get("libraries", {})} for run in runs]
    shared = sorted(set.intersection(*map(set, parts)))
    return [digest([str(own[name]) for name in shared])[:DIGITS] for own in parts]


def _of_tree(path: str, node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from ((f"{path}.{key}", text_of(value)) for key, value in flat(settings_of(node)) if value is not None)
    for child in node.get("children", ()):
        below = f"{path}.sleeves.{child['name']}"
        yield f"{below}{SLEEVE}", "there"
        yield from _of_tree(below, child)
