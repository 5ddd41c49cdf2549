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

from metabt.data.panel.causality import check_causal
from metabt.data.panel.plan import Keeping, Names, Plan
from metabt.data.panel.recipes import Function
from metabt.data.panel.scheduling import Here, Scheduler
from metabt.data.panel.sheet import Sheet, join_sheets, known
from metabt.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Panel:
    """A lazy panel; composing one reads nothing."""

    plan: Plan
    """What it stands for."""
    scheduler: Scheduler = Here()
    """Where it is computed."""

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
        """The first session of every partition, then the last session."""
        dates = self.plan.dates
        return (*(dates[rows.start] for _, rows in self.plan.partitions), dates[-1])

    @property
    def npartitions(self) -> int:
        """How many partitions it has."""
        return len(self.plan.partitions)

    @property
    def partitions(self) -> Choice:
        """Choose partitions: `panel.partitions[3]`, `panel.partitions[-2:]`."""
        return Choice(self)

    @property
    def symbols(self) -> Names | None:
        """Its columns; None where a function decides what they are."""
        return self.plan.symbols

    @property
    def fields(self) -> Names | None:
        """Its fields; None where a function decides what they are."""
        return self.plan.fields

    def __getitem__(self, fields: str | tuple[str, ...]) -> Panel:
        """Return one field, or several: `panel["close"]`, `panel["close", "volume"]`."""
        names = (fields,) if isinstance(fields, str) else tuple(fields)
        return self._with(self.plan.pick(None, _chosen(names, self.fields, "field")))

    def select(self, symbols: Iterable[str]) -> Panel:
        """Return some symbols alone.

        Raises
        ------
        ConfigError
            For a symbol that is not there, or none at all.
        """
        names = (symbols,) if isinstance(symbols, str) else tuple(dict.fromkeys(symbols))
        return self._with(self.plan.pick(_chosen(names, self.symbols, "symbol"), None))

    def between(self, start: str | np.datetime64 | None = None, end: str | np.datetime64 | None = None) -> Panel:
        """Return the sessions from `start` to `end`, both included; None is open.

        Raises
        ------
        ConfigError
            Where no session is left.
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
        """Return what `function` makes of each partition alone.

        Parameters
        ----------
        function : callable
            Given a Sheet, returns one with the same sessions, such as ``sheet.derive(name=matrix)``.
        """
        return self.map_overlap(function, before=0)

    def map_overlap(self, function: Function, *, before: int) -> Panel:
        """Return what `function` makes of each partition and up to `before` sessions of the panel ahead of it.

        It is never handed a later session than the partition's last. Its answer for the sessions ahead is dropped.

        Parameters
        ----------
        function : callable
            Given a Sheet, returns one with the same sessions, such as ``sheet.derive(name=matrix)``.
        before : int
            How many sessions of history it is shown; the first partitions have fewer, or none.

        Raises
        ------
        ConfigError
            For a negative number of sessions.
        """
        if before < 0:
            raise ConfigError(f"before is {before} sessions, wanted 0 or more: later ones are never shown")
        return self._with(self.plan.map(function, before))

    def sheets(self) -> Iterator[Sheet]:
        """Compute and yield every partition in time order; what was yielded is not kept."""
        return self.scheduler.sheets(self.plan)

    def compute(self) -> Sheet:
        """Compute everything and return it as one sheet."""
        return join_sheets(list(self.sheets()))

    def persist(self) -> Panel:
        """Compute everything and return a panel of it; partitions stay where they were computed."""
        plan = self.plan
        kept = self.scheduler.persist(plan)
        return self._with(Keeping(plan.dates, plan.partitions, plan.symbols, plan.fields, kept))

    def check_causal(self, sessions: int = 12) -> None:
        """Compute some sessions again from a panel that ends with them, and compare: none may know what came later.

        Raises
        ------
        DataError
            For a value that is another one when later sessions are taken away.
        """
        check_causal(self.plan, self.scheduler, sessions)

    def to_pandas(self, field: str | None = None) -> pd.DataFrame:
        """Compute one field and return it as a frame, dates x symbols; it may be left out where there is one."""
        return (self if field is None else self[field]).compute().to_pandas(field)

    def _with(self, plan: Plan) -> Panel:
        return replace(self, plan=plan)


@dataclass(frozen=True)
class Choice:
    """The partitions of a panel, to choose from."""

    panel: Panel
    """Whose they are."""

    def __len__(self) -> int:
        return self.panel.npartitions

    def __iter__(self) -> Iterator[Panel]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, which: int | slice) -> Panel:
        """Return one partition, or consecutive ones.

        Raises
        ------
        ConfigError
            Where none is left, or they are not consecutive.
        """
        rows = [rows for _, rows in self.panel.plan.partitions]
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
    try:
        return np.datetime64(day).astype("datetime64[D]")
    except ValueError as error:
        raise ConfigError(f"'{day}' is no date; wanted one such as 2020-12-31") from error


def _shown(which: int | slice) -> str:
    if isinstance(which, int):
        return str(which)
    parts = (which.start, which.stop, *(() if which.step is None else (which.step,)))
    return ":".join("" if part is None else str(part) for part in parts)
