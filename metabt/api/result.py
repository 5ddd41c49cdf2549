"""Result: the tables of one run as pandas frames.

Dates index every frame; `returns(path)["net"]` is a plain daily series that QuantStats and pyfolio take as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metabt.analysis.note_lines import note_lines
from metabt.analysis.run_notes import Circumstances, RunNotes, run_notes
from metabt.analysis.summary import COLUMNS, summary
from metabt.api.showing import cells, html, identity, line, rows_of_sleeves
from metabt.errors import ConfigError, nearest
from metabt.values.arguments import between, flag, location, shown, whole, word
from metabt.values.tables import Coded, Table, texts

if TYPE_CHECKING:
    import pandas as pd

    from metabt.report import Format
    from metabt.runs.replay import Origin


@dataclass(frozen=True, repr=False)
class Result:
    """One run of one portfolio; `metabt.backtest` and `metabt.load` make it.

    A `path` names a sleeve, from the root down: `demo/equities/technology`. All returns, costs and weights are
    fractions of the NAV of the sleeve that they belong to; dates are sessions, datetime64[ns] in frames.
    """

    identified: str | Callable[[], str] = field(repr=False)
    """Its `run_id`, or what returns it: of prices in memory all is digested when somebody asks."""
    tables: dict[str, Table]
    """Table name -> column name -> column, without the column run_id; `frame` returns one as a frame."""
    found: bool = False
    """True if the run was read back, False if it was computed."""
    seconds: float = 0.0
    """Engine time, seconds: plan, advance and assemble, without reading, writing and compiling."""
    origin: Callable[[], Origin] | None = field(default=None, repr=False, compare=False)
    """Returns the request and the cache that the run came from, to walk it again; None where that is not known."""
    around: Callable[[], Circumstances] | None = field(default=None, repr=False, compare=False)
    """Returns the data that it read and how it was asked for, for `notes`; None where that is not known."""
    objects: tuple[str, ...] = ()
    """Estimators that were handed over as objects: with any the run is remembered nowhere, and has to be kept here."""
    mended: str | None = None
    """What was damaged of the stored run, which was assembled again and replaced; None where nothing was."""

    def __repr__(self) -> str:
        return line("Result", self.run_id, self.tables, self._kept)

    def _repr_html_(self) -> str:
        headings, rows, n_rows = rows_of_sleeves(self.tables)
        notes = "; ".join(["Per year, net of costs", *self._kept]) + "."
        return html(", ".join(identity(self.run_id, self.tables)), headings, rows, n_rows - len(rows), notes)

    @property
    def _kept(self) -> list[str]:
        known = "found" if self.found else f"computed in {self.seconds:.1f} s"
        held = f"remembered nowhere, for it has objects: {', '.join(self.objects)}"
        return [*([known] if self.run_id else []), *([held] if self.objects else [])]

    @cached_property
    def run_id(self) -> str:
        """Digest of configuration, data and code."""
        return self.identified if isinstance(self.identified, str) else self.identified()

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
        """Flattened targets of the root, fractions of its NAV, negative for shorts.

        Index `date`: the sessions at which anything trades. Columns `symbol`, float64; 0 where nothing is held.
        """
        frame = self.frame("weights")
        return frame.pivot(index="date", columns="symbol", values="target").fillna(0.0)

    def returns(self, path: str | None = None) -> pd.DataFrame:
        """Return the stream of a sleeve or of the benchmark.

        Parameters
        ----------
        path : str, optional
            Path of a sleeve, or of the benchmark (`Result.benchmark`); None is the root.

        Returns
        -------
        DataFrame
            Index `date`: sessions from the one after the first trade on. Columns, all float64: `gross` and `net`
            returns of the session; `cost` that it is charged, for trades at the close before it and for borrowing;
            `turnover`, half the sum of absolute trades at its close; `netting_benefit`, the cost not charged because
            trades of sleeves cancel; `nav`, at its close, 1 at that of the first trade.

        Raises
        ------
        ConfigError
            If the portfolio has no such sleeve.

        Examples
        --------
        >>> import pandas as pd, metabt
        >>> sessions = pd.date_range("2021-01-04", periods=6)
        >>> prices = pd.DataFrame({"A": [4.0, 4.0, 4.0, 4.0, 5.0, 5.0], "B": [8.0, 8.0, 8.0, 8.0, 8.0, 6.0]}, sessions)
        >>> tree = {"name": "pair", "universe": ["A", "B"], "lookback": 2, "schedule": {"every": 1}}
        >>> metabt.backtest(tree, prices).returns()["net"].to_dict()
        {Timestamp('2021-01-08 00:00:00'): 0.125, Timestamp('2021-01-09 00:00:00'): -0.125}
        """
        return self.frame("returns", self.name if path is None else path).set_index("date")

    def decisions(self, path: str | None = None) -> pd.DataFrame:
        """Return what a sleeve decided.

        Parameters
        ----------
        path : str, optional
            Path of a sleeve; None is the root.

        Returns
        -------
        DataFrame
            A row per session of decision and item (a child or an asset), numbered. Columns: `date`; `item`, text;
            `weight`, float64, negative for shorts; `risk_contribution`, float64, ex-ante share of variance, NaN in
            warm-up, in cash and where there is no variance; `status`, text: ok, warmup, fallback:NAME or cash;
            `reason`, text: why the optimizer was not given the item (ineligible, unselected, waiting, constant), else
            empty.
            Items that are not live have no row.

        Raises
        ------
        ConfigError
            If the portfolio has no such sleeve.
        """
        return self.frame("decisions", self.name if path is None else path)

    def sleeve_weights(self, path: str | None = None) -> pd.DataFrame:
        """Return the weights of a sleeve's children or assets as it decided them.

        Parameters
        ----------
        path : str, optional
            Path of a sleeve; None is the root.

        Returns
        -------
        DataFrame
            Index `date`: the sessions of its decisions. Columns `item`, float64 fractions of the sleeve's NAV; 0 where
            an item was not live yet.

        Raises
        ------
        ConfigError
            If the portfolio has no such sleeve.
        """
        return self.decisions(path).pivot(index="date", columns="item", values="weight").fillna(0.0)

    def risk_contributions(self, path: str | None = None) -> pd.DataFrame:
        """Return the shares of variance that a sleeve expected of its children or assets when it decided.

        Parameters
        ----------
        path : str, optional
            Path of a sleeve; None is the root.

        Returns
        -------
        DataFrame
            Index `date`: the sessions of its decisions. Columns `item`, float64. A row sums to one, and is NaN in
            warm-up, in cash and where there is no variance.

        Raises
        ------
        ConfigError
            If the portfolio has no such sleeve.
        """
        wide = self.decisions(path).pivot(index="date", columns="item", values="risk_contribution")
        return wide.where(wide.isna().all(axis=1), wide.fillna(0.0))

    def metrics(self) -> pd.DataFrame:
        """Return every metric of every sleeve.

        Returns
        -------
        DataFrame
            Index `path`: the sleeves, parents first, and the benchmark last where there is one. Columns `metric`,
            float64, from `cagr` on; NaN where a metric has no meaning. metabt.analysis.metrics has their formulas.
        """
        frame = self.frame("metrics")
        wide = frame.pivot(index="path", columns="metric", values="value")
        rows = [*self.paths, *([self.benchmark] if self.benchmark else [])]
        return wide.loc[rows, list(dict.fromkeys(frame["metric"]))]

    @property
    def contributions(self) -> pd.DataFrame:
        """The flattened targets of the root by leaf and asset.

        A row per session at which anything trades, leaf and asset, numbered. Columns: `date`; `path` of the leaf and
        `symbol`, text; `weight`, float64 fraction of the root's NAV, negative for shorts.
        """
        return self.frame("contributions")

    @property
    def orders(self) -> pd.DataFrame:
        """The flattened targets of the newest decision: what was traded last, or what is going to be.

        Index `symbol`. Columns: `date`, the session of the decision; `held`, `target` and `trade`, float64 fractions
        of the root's NAV; `pending`, bool, whether the decision is yet to be traded (`trade` is 0 where it is not).
        """
        return self.frame("orders").set_index("symbol")

    @property
    def risk(self) -> pd.DataFrame:
        """Contributions to risk, realised and expected.

        A row each, numbered. Columns: `path` of the sleeve whose variance is shared out, text; `date`; `measure`,
        text: realised (by child, at every meta sleeve), realised_asset or ex_ante_asset (at the root); `item`, text, a
        child, an asset or cash; `contribution`, float64 share of variance, which sum to one by sleeve, date and
        measure.
        """
        return self.frame("risk")

    def frame(self, table: str, path: str | None = None) -> pd.DataFrame:
        """Return a table as it is stored, without its column run_id.

        Parameters
        ----------
        table : str
            Its name, one of `Result.tables`.
        path : str, optional
            Path of a sleeve, or of the benchmark (`Result.benchmark`) in `returns` and `metrics`, to return its rows
            alone, without their column path; None returns all rows.

        Returns
        -------
        DataFrame
            Rows in the order in which they are stored, numbered. Columns as in the lakehouse's table: dates are
            datetime64[ns], numbers float64 or int64, flags bool, and texts have None where there is none.

        Raises
        ------
        ConfigError
            If the run has no such table, the portfolio no such sleeve, or the table no rows by sleeve.
        """
        if word("table", table, needed=True) not in self.tables:
            raise ConfigError(f"run {self.run_id[:12]} has no table '{table}'{nearest(table, self.tables)}")
        whole = _frame(self.tables[table])
        if path is None:
            return whole
        if not isinstance(path, str):
            raise ConfigError(f"path is {shown(path)}, wanted that of a sleeve, such as '{self.paths[-1]}'")
        if path not in self.paths and (path != self.benchmark or table not in ("returns", "metrics")):
            raise ConfigError(f"portfolio '{self.name}' has no sleeve '{path}'{nearest(path, self.paths)}")
        if "path" not in whole:
            raise ConfigError(f"table '{table}' is of the whole portfolio, and has no rows of '{path}'; leave path out")
        return whole[whole["path"] == path].drop(columns="path").reset_index(drop=True)

    def attribution(self, every: str | None = None) -> pd.DataFrame:
        """Return what every child and asset contributed to returns (metabt.analysis.attribution.contributions).

        The run is walked again for it: from the blocks that its cache has, else from prices.

        Parameters
        ----------
        every : {"year", "month"}, optional
            Cuts the same amounts by calendar; None is one period, the whole view.

        Returns
        -------
        DataFrame
            A row per sleeve, period and item, numbered. Columns: `path` of the sleeve, text; `date`, last session of
            the period; `kind`, text: child, asset, cash or costs; `item`, text; `own` and `root`, float64, linked by
            Carino's factors. A sleeve's rows add up in `own` to its total net return, and in `root` to what it
            contributed to the portfolio's.

        Raises
        ------
        ConfigError
            For another period, or if the result does not know where it came from.
        StoreError
            If prices or settings of a stored run can no longer be read.
        """
        return _frame(self._origin().attribution(_period(every)))

    def brinson(self, every: str | None = None) -> pd.DataFrame:
        """Return allocation, selection, interaction and costs against the tree in which nothing is chosen.

        That tree has the same sleeves, schedules and costs, with equal weights of all children and of all assets of
        every leaf (metabt.analysis.attribution.brinson; Brinson, Hood and Beebower 1986). Both are walked for it.

        Parameters
        ----------
        every : {"year", "month"}, optional
            Cuts the same amounts by calendar; None is one period, the whole view.

        Returns
        -------
        DataFrame
            A row per sleeve, period, item and effect, numbered. Columns as of `attribution` and `effect`, text:
            allocation, selection, interaction or costs. `own` is of the sleeve's net return, `root` of the portfolio's,
            both less the benchmark tree's.

        Raises
        ------
        ConfigError
            For another period, or if the result does not know where it came from.
        StoreError
            If prices or settings of a stored run can no longer be read.
        """
        return _frame(self._origin().brinson(_period(every)))

    def baselines(self, *, samples: int = 1000, block: int = 21, level: float = 0.9, seed: int = 0) -> Baselines:
        """Return the run beside its baselines: the same sleeves and costs, weighted in simpler ways.

        They are `equal`, `inverse_volatility`, `static_first`, `static_full (LOOK-AHEAD)` and `flat`
        (metabt.runs.baselines.walk_baselines), walked up to the end of the view. The differences in the Sharpe ratio
        get an interval from a stationary bootstrap (Politis and Romano 1994).

        Parameters
        ----------
        samples : int
            Histories that are drawn, at least 1.
        block : int
            Mean length of a block, sessions, at least 1.
        level : float
            Probability of the interval, between 0 and 1.
        seed : int
            Fixes the draws, from 0 to 2,147,483,647.

        Returns
        -------
        Baselines
            Statistics, NAVs and a Result each; names that say LOOK-AHEAD could not have been held.

        Raises
        ------
        ConfigError
            For an argument out of range, a leaf alone or a flat run, or if the result does not know where it came from.
        StoreError
            If prices or settings of a stored run can no longer be read.
        """
        from metabt.runs.baselines.bootstrap import Bootstrap

        bootstrap = Bootstrap(
            whole("samples", samples, 1),
            whole("block", block, 1),
            between("level", level, 0.0, 1.0),
            whole("seed", seed, 0, 2**31 - 1),
        )
        beside = self._origin().beside()
        results = {name: Result(name, tables) for name, tables in beside.tables.items()}
        measured = beside.statistics(bootstrap)
        return Baselines(results, measured, dict(beside.left_out))

    def _origin(self) -> Origin:
        if self.origin is None:
            raise ConfigError(
                f"run {self.run_id[:12]} does not know where it came from, and has to be walked again for this; "
                "take it from metabt.backtest or metabt.load"
            )
        return self.origin()

    @cached_property
    def notes(self) -> RunNotes:
        """What must be known beside the numbers, as values (metabt.analysis.run_notes).

        They are what ended the run early, which sleeves' decisions fell back and why, which assets were ineligible at
        most decisions, and which warnings foreign estimators gave. `summary` ends with them in words.
        """
        return run_notes(self.run_id, self.tables, self.around() if self.around else Circumstances({}))

    def summary(self) -> str:
        """Return the main metrics of every sleeve as text, and what must be known of them.

        Returns
        -------
        str
            A line with the view, a line with headings, and a line per sleeve, indented as the tree is; an empty line,
            then at most six that name the run and its period, and say what `notes` has.
        """
        return "\n".join([summary(self.tables), "", *note_lines(self.notes)])

    def report(self, path: str | Path, *, against: Result | None = None, baselines: bool | None = None) -> Path:
        """Write the run's HTML report, one self-contained file.

        Parameters
        ----------
        path : str or Path
            The file, which is replaced; its folder must exist.
        against : Result, optional
            Another run, to write one page of both side by side.
        baselines : bool, optional
            False leaves baselines and attribution out. None walks the run again for them, from the blocks that its
            cache has, and leaves the flat baseline of more than 300 assets out, which takes longest; True includes it.
            Where the run cannot be walked again, the report says why. A page of two runs has neither.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ConfigError
            If both runs are the same, or have no time in common; for baselines of two runs.
        StoreError
            If the file cannot be written.
        """
        from metabt.report import write_comparison, write_report

        location("path", path)
        if against is None:
            return write_report(self, path, flag("baselines", baselines))
        if not isinstance(against, Result):
            raise ConfigError(f"'against' takes a result, got {shown(against)}; metabt.load gives that of a stored run")
        if baselines:
            raise ConfigError("baselines are told of one run, not of two; leave them or 'against' out")
        return write_comparison(self, against, path)

    def figures(self, folder: str | Path, format: Format = "png") -> list[Path]:
        """Write the report's main charts into a folder, a file each.

        Parameters
        ----------
        folder : str or Path
            Where the files go: `growth.png` and so on. It is made where it is missing; files of the same name are
            replaced.
        format : {"png", "svg", "pdf"}
            Format of the files.

        Returns
        -------
        list of Path
            The files. A leaf alone has no charts of sleeves.

        Raises
        ------
        ConfigError
            If there is no such format.
        StoreError
            If matplotlib is not installed or a file cannot be written.
        """
        from metabt.report import write_figures

        return write_figures(
            location("folder", folder), {"run_id": self.run_id, "portfolio": self.name}, self.tables, format
        )


@dataclass(frozen=True, repr=False)
class Baselines:
    """A run beside its baselines; those whose names say LOOK-AHEAD have weights that could not have been known."""

    results: dict[str, Result]
    """Name -> summary of a run that is not stored: the root's returns and decisions, all metrics. The tree's, called
    `portfolio`, is the first."""
    measured: dict[str, dict[str, float | bool]]
    """Name -> column of `statistics` -> value."""
    left_out: dict[str, str]
    """Name -> why there is no such baseline."""

    def __repr__(self) -> str:
        sharpes = ", ".join(
            f"{name} {values.get('sharpe', float('nan')):.2f}" for name, values in self.measured.items()
        )
        left_out = [f"left out: {', '.join(self.left_out)}"] if self.left_out else []
        return f"Baselines({'; '.join([self._head, f'Sharpe: {sharpes}', *left_out])})"

    def _repr_html_(self) -> str:
        rows = [[name, *cells(values, SHOWN), *_interval(values)] for name, values in self.measured.items()]
        headings = [*(COLUMNS[name][0] for name in SHOWN), "Sharpe of the portfolio less this", "its interval"]
        return html(self._head, ["Weights", *headings], rows, notes="; ".join(map(": ".join, self.left_out.items())))

    @property
    def _head(self) -> str:
        first = next(iter(self.results.values()), None)
        return ", ".join(identity("", first.tables)) if first else "none"

    @property
    def statistics(self) -> pd.DataFrame:
        """What is measured of the portfolio and of each baseline.

        Index: their names, `portfolio` first. Columns, float64: metrics of the root; `allocation_change`, the mean
        absolute change of a child's weight in the root between decisions; `sharpe_difference`, the portfolio's Sharpe
        ratio less the baseline's, in an interval from `sharpe_low` to `sharpe_high`; `common_sessions`, the number of
        sessions that both have, on which it is measured. `look_ahead`, bool, is the last.
        """
        import pandas as pd

        frame = pd.DataFrame.from_dict(self.measured, orient="index")
        return frame[[*(name for name in frame if name != "look_ahead"), "look_ahead"]]

    @property
    def navs(self) -> pd.DataFrame:
        """NAVs of all roots, each 1 at the close of its first trade.

        Index `date`: the sessions of any of them. Columns: their names, `portfolio` first, float64; NaN before the
        first trade, and where one has no session.
        """
        import pandas as pd

        return pd.DataFrame({name: result.returns()["nav"] for name, result in self.results.items()})


def _period(every: object) -> Any:
    if every is not None and not isinstance(every, str):
        raise ConfigError(f"every is {shown(every)}, wanted year, month or None for the whole view")
    return every


SHOWN = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown", "turnover", "cost")
"""Metrics of baselines in a notebook."""


def _interval(values: Mapping[str, float | bool]) -> list[str]:
    """Return the difference in Sharpe ratios and its interval as texts, dashes where there is none."""
    difference, low, high = (values.get(f"sharpe_{name}", float("nan")) for name in ("difference", "low", "high"))
    return [f"{it:.2f}" if it == it else "-" for it in (difference,)] + [
        f"{low:.2f} to {high:.2f}" if low == low else "-"
    ]


def _frame(table: Table) -> pd.DataFrame:
    import pandas as pd  # half of what starting a command takes, and most commands need no frame

    columns = {name: texts(column) if isinstance(column, Coded) else column for name, column in table.items()}
    days = {name: column.astype("datetime64[ns]") for name, column in columns.items() if column.dtype.kind == "M"}
    return pd.DataFrame(columns | days)
