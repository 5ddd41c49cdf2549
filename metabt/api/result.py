"""Result: the tables of one run as pandas frames.

Dates index every frame; `returns(path)["net"]` is a plain daily series that QuantStats and pyfolio take as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metabt.analysis.summary import summary
from metabt.errors import ConfigError, nearest
from metabt.values.tables import Coded, Column, Table, texts

if TYPE_CHECKING:
    import pandas as pd

    from metabt.report import Format
    from metabt.runs.replay import Origin


@dataclass(frozen=True)
class Result:
    """One run of one portfolio."""

    run_id: str
    """Digest of configuration, data and code."""
    tables: dict[str, Table]
    """Tables by name, without their run_id column."""
    found: bool = False
    """It was computed before and read back."""
    seconds: float = 0.0
    """Engine time: plan, advance and assemble, without reading, writing and compiling."""
    origin: Callable[[], Origin] | None = field(default=None, repr=False, compare=False)
    """Finds where it came from, for what its tables do not hold."""

    @property
    def name(self) -> str:
        """The portfolio's name, which is the root's path."""
        return self.paths[0]

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Paths of all sleeves, parents first."""
        return tuple(texts(self.tables["sleeves"]["path"]))

    @cached_property
    def benchmark(self) -> str | None:
        """Path of the benchmark's rows in `returns` and `metrics`; None where there is none."""
        others = set(texts(self.tables["metrics"]["path"])) - set(self.paths)
        return min(others, default=None)

    @cached_property
    def weights(self) -> pd.DataFrame:
        """Flattened targets of the root, a row per session at which anything trades x a column per symbol."""
        frame = self.frame("weights")
        return frame.pivot(index="date", columns="symbol", values="target").fillna(0.0)

    def returns(self, path: str | None = None) -> pd.DataFrame:
        """Return gross, cost, net, turnover, netting_benefit and nav of a sleeve or the benchmark; default the root.

        A row per session. Costs, and what netting saved of them, are on the session that is charged.
        """
        return self._of("returns", path, self.benchmark).set_index("date").drop(columns="path")

    def decisions(self, path: str | None = None) -> pd.DataFrame:
        """Return a sleeve's decisions, a row per date and item; default the root."""
        return self._of("decisions", path).drop(columns="path").reset_index(drop=True)

    def sleeve_weights(self, path: str | None = None) -> pd.DataFrame:
        """Return decided weights of a sleeve's children or assets, a row per decision; default the root."""
        return self._wide(path, "weight").fillna(0.0)

    def risk_contributions(self, path: str | None = None) -> pd.DataFrame:
        """Return ex-ante shares of variance, a row per decision: NaN in warm-up and cash, else they sum to one."""
        wide = self._wide(path, "risk_contribution")
        return wide.where(wide.isna().all(axis=1), wide.fillna(0.0))

    def metrics(self) -> pd.DataFrame:
        """Return every metric, a row per sleeve, parents first, and one of the benchmark last."""
        frame = self.frame("metrics")
        wide = frame.pivot(index="path", columns="metric", values="value")
        rows = [*self.paths, *([self.benchmark] if self.benchmark else [])]
        return wide.loc[rows, list(dict.fromkeys(frame["metric"]))]

    @property
    def contributions(self) -> pd.DataFrame:
        """What each leaf contributes to the flattened targets: date, path, symbol, weight."""
        return self.frame("contributions")

    @property
    def orders(self) -> pd.DataFrame:
        """The flattened targets of the newest decision by symbol: traded last, or pending."""
        return self.frame("orders").set_index("symbol")

    @property
    def risk(self) -> pd.DataFrame:
        """Realised risk contributions, and ex-ante ones by asset at the root."""
        return self.frame("risk")

    def frame(self, table: str) -> pd.DataFrame:
        """Return a table as it is stored, without run_id; text columns become categories' values.

        Raises
        ------
        ConfigError
            If the run has no such table.
        """
        if table not in self.tables:
            raise ConfigError(f"run {self.run_id[:12]} has no table '{table}'{nearest(table, self.tables)}")
        return _frame(self.tables[table])

    def attribution(self, every: str | None = None) -> pd.DataFrame:
        """Return what every child and asset contributed to returns: path, date, kind, item, own, root.

        A sleeve's rows, its costs among them, add up in `own` to its own total return, and in `root` to what the sleeve
        contributed to the portfolio's: asset within sleeve within parent (metabt.analysis.attribution.contributions).
        The run is walked again for it, from the blocks that are remembered.

        Parameters
        ----------
        every : year or month cuts the same amounts by calendar; None is the whole view

        Raises
        ------
        ConfigError
            If the result does not know where it came from.
        """
        return _frame(self._origin().attribution(every))

    def brinson(self, every: str | None = None) -> pd.DataFrame:
        """Return allocation, selection, interaction and costs against the tree in which nothing is chosen.

        That tree has the same sleeves, schedules and costs, with equal weights of all children and of all assets of
        every leaf. Rows are path, date, kind, item, effect, own, root (metabt.analysis.attribution.brinson); the rest
        is as in `attribution`.
        """
        return _frame(self._origin().brinson(every))

    def baselines(self, *, samples: int = 1000, block: int = 21, level: float = 0.9, seed: int = 0) -> Baselines:
        """Return the run beside its baselines: the same sleeves and costs, weighted in simpler ways.

        They are `equal`, `inverse_volatility`, `static_first`, `static_full (LOOK-AHEAD)` and `flat`
        (metabt.runs.baselines.walk_baselines), walked up to the end of the view.

        Parameters
        ----------
        samples, block, level, seed : of the stationary bootstrap of differences in the Sharpe ratio: histories, mean
            sessions of a block, probability of the interval, and what fixes the draws

        Raises
        ------
        ConfigError
            For a leaf alone or a flat run, or if the result does not know where it came from.
        """
        from metabt.runs.baselines.bootstrap import Bootstrap

        beside = self._origin().beside()
        results = {name: Result(name, tables) for name, tables in beside.tables.items()}
        measured = beside.statistics(Bootstrap(samples, block, level, seed))
        return Baselines(results, measured, dict(beside.left_out))

    def _origin(self) -> Origin:
        if self.origin is None:
            raise ConfigError(
                f"run {self.run_id[:12]} does not know where it came from, and has to be walked again for this; "
                "take it from metabt.backtest or metabt.load"
            )
        return self.origin()

    def summary(self) -> str:
        """Return the metrics of every sleeve, a line each, indented as the tree is."""
        return summary(self.tables)

    def report(self, path: str | Path, *, against: Result | None = None, baselines: bool | None = None) -> Path:
        """Write the run's HTML report, one self-contained file, and return where.

        Parameters
        ----------
        path : the file
        against : another run, to write one page of both side by side
        baselines : None tells baselines and attribution too, for which the run is walked again from the blocks that are
            remembered; where it cannot be, the report says why. The flat baseline of more than 300 assets, which takes
            longest, is among them where this is True. False leaves all of it out, as does a page of two runs, which has
            no place for them

        Raises
        ------
        ConfigError
            If both runs are the same, or have no time in common; for baselines of two runs.
        StoreError
            If the file cannot be written.
        """
        from metabt.report import write_comparison, write_report

        if against is None:
            return write_report(self, path, baselines)
        if not isinstance(against, Result):
            raise ConfigError(f"'against' takes a result, got {against!r}; metabt.load gives that of a stored run")
        if baselines:
            raise ConfigError("baselines are told of one run, not of two; leave them or 'against' out")
        return write_comparison(self, against, path)

    def figures(self, folder: str | Path, format: Format = "png") -> list[Path]:
        """Write the report's main charts into a folder, as png, svg or pdf, and return the files.

        Raises what `metabt.report.write_figures` raises.
        """
        from metabt.report import write_figures

        return write_figures(folder, {"run_id": self.run_id, "portfolio": self.name}, self.tables, format)

    def _of(self, table: str, path: str | None, also: str | None = None) -> pd.DataFrame:
        path = path or self.name
        if path not in (*self.paths, also):
            raise ConfigError(f"portfolio '{self.name}' has no sleeve '{path}'{nearest(path, self.paths)}")
        frame = self.frame(table)
        return frame[frame["path"] == path]

    def _wide(self, path: str | None, values: str) -> pd.DataFrame:
        return self._of("decisions", path).pivot(index="date", columns="item", values=values)


@dataclass(frozen=True)
class Baselines:
    """A run beside what it is compared with; names that say LOOK-AHEAD are yardsticks which nobody could have held."""

    results: dict[str, Result]
    """Name -> summary of a run that is not stored: the root's returns and decisions, all metrics. The tree's, called
    `portfolio`, is the first."""
    measured: dict[str, dict[str, float | bool]]
    """Name -> measure -> value."""
    left_out: dict[str, str]
    """Name -> why there is no such baseline."""

    @property
    def statistics(self) -> pd.DataFrame:
        """A row each: metrics, and the portfolio's Sharpe ratio less the baseline's with its interval.

        `allocation_change` is the mean absolute change of a child's weight in the root between decisions, and
        `sharpe_low` and `sharpe_high` end the interval of `sharpe_difference`.
        """
        import pandas as pd

        frame = pd.DataFrame.from_dict(self.measured, orient="index")
        return frame[[*(name for name in frame if name != "look_ahead"), "look_ahead"]]

    @property
    def navs(self) -> pd.DataFrame:
        """NAVs of all roots, a column each; NaN before the first trade and where one has no session."""
        import pandas as pd

        return pd.DataFrame({name: result.returns()["nav"] for name, result in self.results.items()})


def _frame(table: Table) -> pd.DataFrame:
    import pandas as pd  # half of what starting a command takes, and most commands need no frame

    return pd.DataFrame({name: _series(column) for name, column in table.items()})


def _series(column: Column) -> np.ndarray:
    if isinstance(column, Coded):
        return np.array([*column.values, None], dtype=object)[column.codes]
    if column.dtype.kind == "M":
        return column.astype("datetime64[ns]")
    return column
