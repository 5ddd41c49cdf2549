"""Panel: sessions x assets that are read and computed when they are asked for, a partition at a time.

1. `select`, `between`, `partitions` and `panel["close"]` choose; before any function, what they leave out is not read.
2. `map_partitions` and `map_overlap` apply functions of sheets.
3. `compute` brings everything here, `sheets` one partition after the other, `persist` keeps all where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metabt.data.dataset import Names
from metabt.data.panel.causality import check_causal
from metabt.data.panel.plan import Keeping, Plan
from metabt.data.panel.recipes import Function
from metabt.data.panel.scheduling import Here, Scheduler
from metabt.data.panel.sheet import Sheet, join_sheets, known
from metabt.errors import ConfigError
from metabt.values.arguments import names, port, scalar, shown, whole

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Panel:
    """Sessions x assets, computed on demand, a partition (calendar year) at a time; `metabt.open_panel` makes one.

    Methods that return a panel read and compute nothing. The panel itself never changes.
    """

    plan: Plan
    """How each partition is read and computed."""
    scheduler: Scheduler = Here()
    """Where partitions are computed: in this process, or on Ray."""

    def __repr__(self) -> str:
        dates = self.plan.dates
        symbols = "as computed" if self.symbols is None else len(self.symbols)
        fields = "as computed" if self.fields is None else ", ".join(self.fields)
        return (
            f"Panel({dates[0]} .. {dates[-1]}: {len(dates)} sessions in {self.npartitions} partitions; "
            f"symbols: {symbols}; fields: {fields})"
        )

    @property
    def divisions(self) -> tuple[np.datetime64, ...]:
        """The first session of every partition, then the last session: (npartitions + 1) datetime64[D]."""
        dates = self.plan.dates
        return (*(dates[rows.start] for _, rows in self.plan.partitions), dates[-1])

    @property
    def npartitions(self) -> int:
        """The number of partitions."""
        return len(self.plan.partitions)

    @property
    def partitions(self) -> Choice:
        """The partitions, to choose from: `panel.partitions[3]`, `panel.partitions[-2:]`."""
        return Choice(self)

    @property
    def symbols(self) -> Names | None:
        """Names of the columns; None where a function decides them."""
        return self.plan.symbols

    @property
    def fields(self) -> Names | None:
        """Names of the fields; None where a function decides them."""
        return self.plan.fields

    def __getitem__(self, fields: str | tuple[str, ...]) -> Panel:
        """Return some fields alone: `panel["close"]`, `panel["close", "volume"]`.

        Parameters
        ----------
        fields : str or tuple of str
            Names of fields. Where a function decides what there is, they are looked for when it is computed.

        Returns
        -------
        Panel
            The same sessions and symbols.

        Raises
        ------
        ConfigError
            For a field that is not there, or none at all.
        """
        return self._with(self.plan.pick(None, _chosen(names("fields", fields), self.fields, "field")))

    def select(self, symbols: Iterable[str]) -> Panel:
        """Return some symbols alone.

        Parameters
        ----------
        symbols : iterable of str
            Names of columns. Before any function they are sorted, each once, and others are not read; after one they
            come in the order given.

        Returns
        -------
        Panel
            The same sessions and fields.

        Raises
        ------
        ConfigError
            For a symbol that is not there, or none at all.
        """
        return self._with(self.plan.pick(_chosen(names("symbols", symbols), self.symbols, "symbol"), None))

    def between(self, start: str | np.datetime64 | None = None, end: str | np.datetime64 | None = None) -> Panel:
        """Return the sessions from `start` to `end`, both included.

        Parameters
        ----------
        start, end : str or datetime64, optional
            Dates such as 2020-12-31; None is the panel's own first or last session.

        Returns
        -------
        Panel
            The same symbols and fields. A partition of which no session is left is neither read nor computed.

        Raises
        ------
        ConfigError
            Where no session is left, or for text that is no date.
        """
        dates = self.plan.dates
        first = 0 if start is None else int(np.searchsorted(dates, _day(start)))
        stop = len(dates) if end is None else int(np.searchsorted(dates, _day(end), side="right"))
        if first >= stop:
            raise ConfigError(
                f"panel has no session between {start or 'its beginning'} and {end or 'its end'}; "
                f"it has {len(dates)} from {dates[0]} to {dates[-1]}"
            )
        return self._with(self.plan.cut(slice(first, stop)))

    def map_partitions(self, function: Function) -> Panel:
        """Return the panel of what `function` makes of each partition alone.

        Parameters
        ----------
        function : callable
            Takes a Sheet and returns one with the same sessions, such as ``sheet.derive(name=matrix)``. It is called
            once a partition, when that is computed; on Ray it travels pickled.

        Returns
        -------
        Panel
            The same sessions; symbols and fields are what the function returns, and must be the same for every
            partition. Computing it raises DataError where they are not.
        """
        return self.map_overlap(function, before=0)

    def map_overlap(self, function: Function, *, before: int) -> Panel:
        """Return the panel of what `function` makes of each partition and of some sessions ahead of it.

        The function never gets a later session than the partition's last. Its rows for the sessions ahead are dropped.

        Parameters
        ----------
        function : callable
            Takes a Sheet and returns one with the same sessions, such as ``sheet.derive(name=matrix)``. It is called
            once a partition, when that is computed; on Ray it travels pickled.
        before : int
            Sessions of history that the sheet begins with, at least 0; the first partitions have fewer, or none.

        Returns
        -------
        Panel
            The same sessions; symbols and fields are what the function returns, and must be the same for every
            partition. Computing it raises DataError where they are not.

        Raises
        ------
        ConfigError
            For a negative number of sessions.

        Examples
        --------
        >>> import pandas as pd, metabt
        >>> sessions = pd.to_datetime(["2020-12-30", "2020-12-31", "2021-01-04", "2021-01-05"])
        >>> closes = metabt.open_panel(pd.DataFrame({"A": [10.0, 12.0, 15.0, 12.0]}, sessions))["close"]
        >>> def change(sheet):
        ...     close = sheet["close"]
        ...     before = close[[0, *range(len(close) - 1)]]  # row by row the close before, its own for the first
        ...     return sheet.derive(change=close - before)
        >>> closes.map_overlap(change, before=1).to_pandas("change")["A"].tolist()
        [0.0, 2.0, 3.0, -3.0]
        """
        if isinstance(before, int) and before < 0:
            raise ConfigError(f"before is {before} sessions, wanted 0 or more: later ones are never shown")
        whole("before", before, 0)
        port("function", function, "__call__")
        port("function", function, "__call__")
        return self._with(self.plan.map(function, before))

    def sheets(self) -> Iterator[Sheet]:
        """Compute every partition in time order.

        Yields
        ------
        Sheet
            One partition. None is kept, so that only what the caller keeps stays in memory.

        Raises
        ------
        DataError
            If a function returns no Sheet, or other sessions than it was given.
        """
        return self.scheduler.sheets(self.plan)

    def compute(self) -> Sheet:
        """Compute everything.

        Returns
        -------
        Sheet
            All partitions as one, in memory.

        Raises
        ------
        DataError
            If a function returns no Sheet, other sessions than it was given, or other columns for some partitions.
        """
        return join_sheets(list(self.sheets()))

    def persist(self) -> Panel:
        """Compute everything and keep each partition where it was computed: here, or in Ray's object store.

        Returns
        -------
        Panel
            The same values, which are not computed again; they are kept as long as this panel is.

        Raises
        ------
        DataError
            If a function returns no Sheet, or other sessions than it was given.
        """
        plan = self.plan
        kept = self.scheduler.persist(plan)
        return self._with(Keeping(plan.dates, plan.partitions, plan.symbols, plan.fields, kept))

    def check_causal(self, sessions: int = 12) -> None:
        """Check that what the panel says of a session does not depend on later ones.

        Some sessions are computed again from a panel that ends with them, and compared to the bit. A look-ahead that
        shows in other sessions only is not found.

        Parameters
        ----------
        sessions : int
            How many sessions are checked, spread evenly from the first to the last.

        Raises
        ------
        DataError
            For a value that is another one when later sessions are taken away.
        ConfigError
            For a number of sessions below 1.
        """
        check_causal(self.plan, self.scheduler, whole("sessions", sessions, 1))

    def to_pandas(self, field: str | None = None) -> pd.DataFrame:
        """Compute one field and return it as a frame.

        Parameters
        ----------
        field : str, optional
            Name of the field; None is the only one there is.

        Returns
        -------
        DataFrame
            Index `date`: the sessions, datetime64. Columns `symbol`, float64, NaN where nothing is known.

        Raises
        ------
        ConfigError
            For a field that is not there, or none named where there are several.
        """
        return (self if field is None else self[field]).compute().to_pandas(field)

    def _with(self, plan: Plan) -> Panel:
        return replace(self, plan=plan)


@dataclass(frozen=True)
class Choice:
    """The partitions of a panel, to choose from by position; iterating yields a panel each."""

    panel: Panel
    """The panel that is chosen from."""

    def __len__(self) -> int:
        return self.panel.npartitions

    def __iter__(self) -> Iterator[Panel]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, which: int | slice) -> Panel:
        """Return one partition, or consecutive ones.

        Parameters
        ----------
        which : int or slice
            Position, from the end where it is negative, or a slice of step 1.

        Returns
        -------
        Panel
            Their sessions; the same symbols and fields.

        Raises
        ------
        ConfigError
            Where none is left, or they are not consecutive.
        """
        rows = [rows for _, rows in self.panel.plan.partitions]
        if not isinstance(which, int | np.integer | slice):
            raise ConfigError(f"panel has {len(rows)} partitions by position, got {shown(which)}, wanted 0 or a slice")
        chosen = range(len(rows))[which if isinstance(which, slice) else slice(which, which + 1 or None)]
        if not chosen or chosen.step != 1:
            raise ConfigError(
                f"panel has {len(rows)} partitions, and [{_shown(which)}] chooses {len(chosen)} of them; "
                "wanted one or more consecutive ones"
            )
        return self.panel._with(self.panel.plan.cut(slice(rows[chosen[0]].start, rows[chosen[-1]].stop)))


def _chosen(names: Names, among: Names | None, kind: str) -> Names:
    if not names:
        raise ConfigError(f"no {kind} chosen; wanted at least one")
    if among is not None:
        for name in names:
            known(name, among, kind)
    return names


def _day(day: str | np.datetime64) -> np.datetime64:
    text = scalar("date", day)
    try:
        return np.datetime64(text if isinstance(text, str) else "?").astype("datetime64[D]")
    except ValueError as error:
        raise ConfigError(f"{shown(day)} is no date; wanted one such as 2020-12-31") from error


def _shown(which: int | slice) -> str:
    if isinstance(which, int):
        return str(which)
    parts = (which.start, which.stop, *(() if which.step is None else (which.step,)))
    return ":".join("" if part is None else str(part) for part in parts)
