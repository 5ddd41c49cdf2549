"""Price source: frames in memory, or a lakehouse, behind the same methods.

1. Frames pass the same reading and checking as ingested files, so they get the same digests and the same bits.
2. A source says where blocks of what is computed from it are remembered, and finds and stores its runs. What comes from
   frames is not stored: nothing is found, and committing a run does nothing.
3. Every dataset that a source gives has its steps between prices and returns: those that were stated of a stored one
   when it was ingested, or of frames when they were handed over. Whoever reads returns, in whichever process, reads
   them through these steps; levels are those that were observed.
4. A dataset with a table `assets` is one of assets (metabt.data.point_in_time.asset_prices): these are what is named of
   it, wherever symbols are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from metabt.data.dataset import Dataset, Names
from metabt.data.facts import Facts
from metabt.data.point_in_time.asset_prices import by_asset
from metabt.data.point_in_time.lives import Lives
from metabt.data.point_in_time.membership import universe_names
from metabt.data.point_in_time.tables import DatedTable, PointInTime
from metabt.data.point_in_time.with_events import turned_into, with_events
from metabt.data.prices import Prices
from metabt.data.step import Step
from metabt.errors import ConfigError, DataError
from metabt.lakehouse.dataset_steps import reread, stated_steps, steps_of_frames, with_steps
from metabt.portfolio.sleeve import Sleeve
from metabt.values.arguments import shown
from metabt.values.tables import Coded, Table

if TYPE_CHECKING:
    from metabt.build.cache.disk import StoredCache
    from metabt.build.cache.shared.stated import Share
    from metabt.build.ports import Cache
    from metabt.lakehouse import Reader
    from metabt.lakehouse.catalog.asking import Asking
    from metabt.lakehouse.ledger.trial import Trial
    from metabt.lakehouse.prices.as_of import AsOf
    from metabt.lakehouse.runs.askings import Asked
    from metabt.lakehouse.storage.port import Root

DATASET = "prices"
"""Name of the dataset that a single frame is."""


class Named(Protocol):
    """A run that can be stored."""

    @property
    def run_id(self) -> str:
        """Its identity."""

    @property
    def flat(self) -> bool:
        """Whether it is a flat baseline."""

    def row(self, **columns: object) -> dict[str, object]:
        """Return the run's row in `runs`, completed by the `columns` that only its execution tells."""


class Frames:
    """Prices in memory."""

    path = None
    """They are in no lakehouse."""
    as_of = None
    """They are what they are now."""
    damaged: Mapping[str, str] = MappingProxyType({})
    """Nothing is stored, so nothing is damaged."""

    def __init__(
        self,
        panels: Mapping[str, Prices],
        steps: Mapping[str, tuple[Step, ...]] | None = None,
        tables: Mapping[str, PointInTime] | None = None,
    ) -> None:
        """Take the prices, the steps between them and the returns, and what is dated beside them, by dataset."""
        self._panels, self._steps, self._tables = dict(panels), dict(steps or {}), dict(tables or {})
        self._named: dict[str, Names] = {}

    def symbols(self) -> dict[str, tuple[str, ...]]:
        """Return dataset -> its symbols, sorted: its assets where a table names them."""
        return {name: self._assets(name) for name in self._panels}

    def members(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Return dataset -> universe -> every asset that ever belonged to it, sorted."""
        return {name: _universes(known, self._assets(name)) for name, known in self._tables.items()}

    def signals(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Return dataset -> signal -> every asset that it names, sorted."""
        return {name: universe_names(_signals_of(known)) for name, known in self._tables.items()}

    def datasets(self, trees: Sequence[Sleeve]) -> dict[str, Dataset]:
        """Return the datasets that the trees read, by name, with the trees' symbols alone."""
        return {name: self._chosen(name, symbols) for name, symbols in wanted(trees).items()}

    def dataset(self, name: str, symbols: Names | None = None) -> Dataset:
        """Return a dataset, with some of its symbols or, with None, all.

        Raises
        ------
        ConfigError
            For a symbol that it does not have.
        """
        from metabt.data.panel.sheet import known

        every = self._assets(name)
        some = sorted({known(symbol, every, "symbol") for symbol in symbols or ()})
        return self._chosen(name, tuple(some) if some else every)

    def _assets(self, name: str) -> Names:
        if name not in self._named:
            self._named[name] = assets_of(self._tables.get(name), self._panels[name].symbols)
        return self._named[name]

    def _chosen(self, name: str, symbols: Names) -> Dataset:
        panel, steps, known = self._panels[name], self._steps.get(name, ()), self._tables.get(name, PointInTime())
        named = self._assets(name) if any(step.whole for step in steps) else symbols
        read = turned_into(known, named)
        prices = Dataset.of(panel.select(symbols_of(known, read, panel.symbols)), known)
        return with_steps(with_events(by_asset(prices, read), named), steps, symbols)

    def as_known(self, stated: Any) -> Frames:
        """Return the same prices for None; raise ConfigError for anything else: prices in memory have no past."""
        if stated is not None:
            raise ConfigError(
                f"as_of is {shown(stated)}, and prices are in memory, which have no snapshots; leave as_of out, or "
                "ingest them: metabt.ingest(prices, dataset=..., lakehouse=...)"
            )
        return self

    def with_steps(self, steps: Mapping[str, tuple[Step, ...]]) -> Frames:
        """Return the same prices with steps between them and the returns, by dataset."""
        return Frames(self._panels, steps, self._tables)

    def with_tables(self, tables: Mapping[str, PointInTime]) -> Frames:
        """Return the same prices with what is dated beside them, by dataset."""
        return Frames(self._panels, self._steps, tables)

    def lasting(self, datasets: Mapping[str, Dataset]) -> Mapping[str, Dataset]:
        """Return the datasets: they stay readable."""
        return datasets

    def check_writable(self) -> None:
        """Do nothing: no run is stored."""

    def shared_cache(self, share: Share | None) -> None:
        """Return None: no cache belongs to prices in memory."""

    def commit(
        self,
        run: Named,
        tables: Mapping[str, Table],
        asking: Asking | None = None,
        trial: Trial | None = None,
        **columns: object,
    ) -> None:
        """Do nothing."""

    def asked_again(self, run: Named, asking: Asking, trial: Trial | None = None) -> None:
        """Do nothing: no run is found."""


def assets_of(known: PointInTime | None, symbols: Names) -> Names:
    """Return the assets of a dataset, sorted, given the symbols of its prices; without lives they are these."""
    table = None if known is None else known.tables.get("assets")
    return symbols if table is None else Lives.of(symbols, table).assets_of(symbols)


def symbols_of(known: PointInTime, assets: Names, symbols: Names) -> Names:
    """Return the symbols of its prices, sorted, that some assets of a dataset are read from; without lives the same."""
    table = known.tables.get("assets")
    if table is None:
        return assets
    held = frozenset(symbols)
    return tuple(it for it in Lives.of(symbols, table).symbols_of(assets) if it in held)


def _universes(known: PointInTime, symbols: Names) -> dict[str, Names]:
    """Return universe -> every asset that ever belonged to it and has prices; `check` notes those that have none."""
    held = frozenset(symbols)
    return {
        name: tuple(it for it in assets if it in held)
        for name, assets in universe_names(known.tables.get("members")).items()
    }


class Memberships(Mapping[str, Mapping[str, tuple[str, ...]]]):
    """Dataset -> universe -> every asset that ever belonged to it; a dataset's are read when they are asked for.

    Or dataset -> signal -> every asset that it names, those without prices among them: a weight is of something.
    """

    def __init__(self, source: Lakehouse, table: str = "members") -> None:
        """Take the lakehouse, and which of the two tables it is about; nothing is read."""
        self._source, self._table = source, table

    def __getitem__(self, name: str) -> dict[str, tuple[str, ...]]:
        """Return universe, or signal, -> assets of a dataset."""
        symbols = self._source.symbols()
        if name not in symbols:
            raise KeyError(name)
        known = self._source.dated([name])[name]
        return _universes(known, symbols[name]) if self._table == "members" else universe_names(_signals_of(known))

    def __iter__(self) -> Iterator[str]:
        """Return the names of the datasets."""
        return iter(self._source.symbols())

    def __len__(self) -> int:
        """Return the number of datasets."""
        return len(self._source.symbols())


def _signals_of(known: PointInTime) -> DatedTable | None:
    return known.tables.get("signals")


class Lakehouse:
    """Prices in a lakehouse, read through one connection."""

    def __init__(self, path: Path, snapshot: int | None = None, *, writes: bool = False) -> None:
        """Attach the lakehouse, as it is now or as it was at a snapshot.

        Without `writes` it is attached for reading alone. With it the same connection can store a run, which saves
        attaching anew.
        """
        from metabt import lakehouse

        self._lake, self._writes = lakehouse, writes
        self.path = path.expanduser()
        self.connection = lakehouse.attach(path, read_only=not writes)
        # one snapshot for all that follows: an ingestion in between must not mix two states of the data
        self.snapshot: int = lakehouse.snapshot(self.connection) if snapshot is None else snapshot
        self.as_of: AsOf | None = None
        """The snapshot of the past that somebody asked for; None where nobody did."""
        self._forget()
        self.damaged: dict[str, str] = {}
        """Identity -> what is wrong with a run that is stored and cannot be read back; committing it replaces it."""

    def _forget(self) -> None:
        """Hold nothing of what was read."""
        self._dated: dict[str, PointInTime] = {}
        self._held: dict[str, Names] | None = None  # dataset -> the symbols of its prices
        self._named: dict[str, Names] = {}  # dataset -> its assets, where a table names them

    def at(self, snapshot: int, as_of: AsOf | None = None) -> Lakehouse:
        """Return the lakehouse as it was at a snapshot, over the same connection; `as_of` where somebody asked so."""
        view = copy(self)
        view.snapshot, view.as_of = snapshot, as_of
        view._forget()  # what was read of one snapshot is nothing of another
        return view

    def as_known(self, stated: Any) -> Lakehouse:
        """Return the lakehouse as of a snapshot's number or a day; as it is for None.

        Raises
        ------
        ConfigError
            For what is neither, or a snapshot or a day that the lakehouse never had.
        StoreError
            For a snapshot that expired, and for a day of which that leaves unknown what was held.
        """
        if stated is None:
            return self
        from metabt.lakehouse.prices.as_of import as_of

        found = as_of(self.connection, stated)
        return self.at(found.snapshot, found)

    def symbols(self) -> dict[str, tuple[str, ...]]:
        """Return dataset -> its symbols, sorted: its assets where a table names them."""
        if self._held is None:
            self._held = self._lake.dataset_symbols(self.connection, self.snapshot)
            renamed = self._lake.datasets_with(self.connection, "assets", self.snapshot)
            for name, known in self.dated(renamed).items():
                self._named[name] = assets_of(known, self._held[name])
        return self._held | self._named

    def members(self) -> Memberships:
        """Return dataset -> universe -> every asset that ever belonged to it, sorted; read when it is asked for."""
        return Memberships(self)

    def signals(self) -> Memberships:
        """Return dataset -> signal -> every asset that it names, sorted; read when it is asked for."""
        return Memberships(self, "signals")

    def dated(self, names: Sequence[str]) -> dict[str, PointInTime]:
        """Return what is dated beside the prices of some datasets; each is read once."""
        from metabt.lakehouse.point_in_time.loading import load_point_in_time

        new = [name for name in names if name not in self._dated]
        if new:
            self._dated |= load_point_in_time(self.connection, new, self.snapshot)
        return {name: self._dated[name] for name in names}

    def datasets(self, trees: Sequence[Sleeve]) -> dict[str, Dataset]:
        """Return the datasets that the trees read, by name, with the trees' symbols alone; no price is read yet."""
        return self.wanted(wanted(trees))

    def dataset(self, name: str, symbols: Names | None = None) -> Dataset:
        """Return a dataset, with some of its symbols or, with None, all; no price is read yet.

        Raises
        ------
        ConfigError
            For a dataset or a symbol that the lakehouse does not have.
        """
        return self.wanted({name: symbols})[name]

    @property
    def root(self) -> Root:
        """Where it lies: an absolute folder, or an address."""
        from metabt.lakehouse.catalog.catalog_location import located

        return located(self.path)

    def check_writable(self) -> None:
        """Raise StoreError unless the lakehouse can be written; nothing is left behind."""
        if not self._writes:
            self._lake.check_writable(self.path)

    def shared_cache(self, share: Share | None) -> Cache:
        """Return the lakehouse's own cache, before what a team shares if that is stated."""
        return self.cache() if share is None else share.around(self.cache())

    def cache(self) -> StoredCache:
        """Return the lakehouse's own cache of blocks."""
        from metabt.lakehouse.folder.lost_catalogue import CACHE
        from metabt.lakehouse.storage.place import storage_of

        return storage_of(self.root / CACHE).cache()

    def find(self, run_id: str) -> tuple[dict[str, object], dict[str, Table]] | None:
        """Return the row and the tables of a run that is stored whole and did not fail; None where there is none.

        None as well where it is damaged: `damaged` has the reason then.
        """
        try:
            if not self._lake.find_run(self.connection, run_id, keep="all"):
                return None
            return self._lake.load_run(self.connection, run_id)
        except self._lake.Damaged as error:
            self.damaged[run_id] = str(error)
            return None

    def commit(
        self,
        run: Named,
        tables: Mapping[str, Table],
        asking: Asking | None = None,
        trial: Trial | None = None,
        **columns: object,
    ) -> None:
        """Store a run whole, in one transaction; the connection may be closed by that and is not to be used again.

        Parameters
        ----------
        run : what names it
        tables : its tables by name, without run_id
        asking : who asked for it, which is recorded with it; None is nobody
        trial : what it is a try of, which the ledger notes; None is nothing
        columns : engine, started_at (UTC), seconds and whatever else `runs` has of its execution, but the snapshot

        Raises
        ------
        StoreError
            If the lakehouse cannot be written; nothing is stored then.
        """
        row = run.row(snapshot=self.snapshot, **columns)
        rows = [] if asking is None else [_asked(run, asking)]
        mend = row["run_id"] in self.damaged
        trials = [] if trial is None else [trial]
        self._lake.commit_run(self.path, row, tables, self.connection, rows, mend=mend, trials=trials)

    def asked_again(self, run: Named, asking: Asking, trial: Trial | None = None) -> None:
        """Record who asked for a run that is stored, if the lakehouse can be written; the connection is then closed.

        `trial` is what the ledger is to note of it: that it is part of a study.
        """
        trials = [] if trial is None else [trial]
        rows, writes = [_asked(run, asking)], self._writes or None
        self._lake.record(self.path, rows, self.connection, is_writable=writes, trials=trials)

    def tried(self, trial: Trial) -> None:
        """Note in the ledger what failed and left no run, if the lakehouse can be written; the connection is closed."""
        self._lake.record(self.path, [], self.connection, is_writable=self._writes or None, trials=[trial])

    def wanted(self, symbols: Mapping[str, Names | None], *, levels: bool = False) -> dict[str, Dataset]:
        """Return some datasets, by name, each with some of its symbols or, with None, all; no price is read yet.

        With `levels` alone their steps are left out: prices are those that were observed, and so are returns.
        """
        reader = self._lake.Reader(self.path, self.snapshot, self.connection)
        self.symbols()  # which of them a table names the assets of
        own = {name: self._lake.chosen(self._named, name, symbols[name]) for name in symbols if name in self._named}
        dated = self.dated(list(own))
        read = {name: turned_into(dated[name], assets) for name, assets in own.items()}
        facts = self._lake.load_facts(self.connection, dict(symbols) | self._symbols_of(read), self.snapshot)
        if levels:
            return {name: _by_asset(reader, known, dated.get(name), own.get(name)) for name, known in facts.items()}
        steps = {name: stated_steps(known) for name, known in facts.items()}
        dated = self.dated(list(facts))
        # a step that is shown all symbols needs the facts of all, whichever are wanted, and an asset those of what it
        # turns into
        more: dict[str, Names | None] = {}
        for name, known in facts.items():
            if any(step.whole for step in steps[name]):
                more[name] = None
                read |= {name: self._named[name]} if name in own else {}
            elif name not in own and (named := turned_into(dated[name], known.symbols)) != known.symbols:
                more[name] = named
        again = self._lake.load_facts(self.connection, more, self.snapshot) if more else {}
        found = {}
        for name, known in facts.items():
            wanted_here = own.get(name, known.symbols)
            below = _by_asset(reader, again.get(name, known), dated[name], read.get(name))
            beneath = below.facts.symbols if name in more and more[name] is None else wanted_here
            found[name] = with_steps(with_events(below, beneath), steps[name], wanted_here)
        return found

    def _symbols_of(self, assets: Mapping[str, Names]) -> dict[str, Names]:
        """Return dataset -> the symbols of its prices that some of its assets are read from."""
        held = self._held or {}
        return {name: symbols_of(self.dated([name])[name], own, held[name]) for name, own in assets.items()}

    def lasting(self, datasets: Mapping[str, Dataset]) -> Mapping[str, Dataset]:
        """Return datasets of this source whose prices are read through another connection, once this one is closed."""
        reader = self._lake.Reader(self.path, self.snapshot)
        return {name: reread(dataset, partial(_stored, reader)) for name, dataset in datasets.items()}


@contextmanager
def said_as_of(source: Frames | Lakehouse) -> Iterator[None]:
    """Within the block, say in every ConfigError as of when the data are read, where somebody asked for the past.

    A dataset that the lakehouse has now and did not have then is named.
    """
    try:
        yield
    except ConfigError as error:
        if not isinstance(source, Lakehouse) or source.as_of is None:
            raise
        then, present = source.symbols(), source.at(source._lake.snapshot(source.connection)).symbols()
        later = [name for name in present if name not in then and f"'{name}'" in str(error)]
        if later:
            raise ConfigError(
                f"dataset '{later[0]}' did not exist yet as of {source.as_of}; state a later as_of, or leave it out"
            ) from None
        raise ConfigError(f"{error} (data are read as of {source.as_of})") from None


def _by_asset(reader: Reader, known: Facts, dated: PointInTime | None, assets: Names | None) -> Dataset:
    """Return a dataset of what is stored, with what is dated beside it: of some assets, or with None of its symbols."""
    prices = _stored(reader, known if dated is None else replace(known, point_in_time=dated))
    return prices if assets is None else by_asset(prices, assets)


def _stored(reader: Reader, known: Facts) -> Dataset:
    return Dataset(known, partial(reader.part, known), stored=True)


def _asked(run: Named, asking: Asking) -> Asked:
    return run.run_id, asking.sweep_id, asking.at, asking.text(run.flat)


def wanted(trees: Iterable[Sleeve]) -> dict[str, tuple[str, ...]]:
    """Return dataset -> the symbols that the trees' leaves may hold, sorted."""
    symbols: dict[str, set[str]] = {}
    for tree in trees:
        for _, leaf in tree.leaves():
            symbols.setdefault(leaf.dataset, set()).update(leaf.universe)
    return {name: tuple(sorted(symbols[name])) for name in sorted(symbols)}


def source_of(
    prices: Any,
    *,
    to_write: bool = False,
    panel: Any = None,
    tables: Any = None,
    adjusted: Any = True,
    signals: Any = None,
) -> Frames | Lakehouse:
    """Return the source that `prices` is: a path, a wide frame, Prices, {dataset: any of these}, or a source.

    With `to_write` a lakehouse that can be written is attached for it at once, which is quicker than to do so later.
    `panel` states the steps of prices in memory, of a single dataset or by dataset, `tables` what is dated beside them,
    `signals` weights from outside by name, and `adjusted` whether prices are adjusted for splits and distributions.

    Raises
    ------
    ConfigError
        For a `panel`, `tables`, `adjusted` or `signals` of a lakehouse, which has what was stated when it was ingested,
        or one that cannot be meant.
    DataError
        For tables that would not be ingested.
    """
    if (tables is not None or adjusted is not True or signals is not None) and not isinstance(prices, Frames):
        if isinstance(prices, Lakehouse | str | Path):
            raise ConfigError(
                "tables, adjusted and signals are stated of prices in memory, and prices are those of a lakehouse, "
                "which has what was ingested: metabt ingest FILE --dataset NAME --table TABLE"
            )
        from metabt.lakehouse.ingestion.tables.handed_over import tables_of_frames

        source = source_of(prices, panel=panel)
        assert isinstance(source, Frames)  # of a lakehouse it has been refused
        return source.with_tables(tables_of_frames(tables, adjusted, source.symbols(), signals))
    if panel is not None and isinstance(prices, Lakehouse | str | Path):
        raise ConfigError(
            f"panel is {shown(panel)}, and prices are those of a lakehouse, whose steps are stated with its datasets; "
            "leave panel out and state it there: metabt ingest --dataset NAME --panel STEP"
        )
    if panel is not None and not isinstance(prices, Frames):
        source = source_of(prices)
        assert isinstance(source, Frames)  # of a lakehouse it has been refused
        return source.with_steps(steps_of_frames(panel, list(source.symbols())))
    if isinstance(prices, Frames | Lakehouse):
        return prices
    if isinstance(prices, str | Path):
        from metabt.lakehouse import can_be_written

        return Lakehouse(Path(prices), writes=to_write and can_be_written(prices))
    if isinstance(prices, Mapping):
        return Frames({str(name): to_prices(str(name), item) for name, item in prices.items()})
    panel = to_prices(DATASET, prices)
    return Frames({panel.name: panel})


def to_prices(name: str, prices: Any) -> Prices:
    """Return a frame (a row per session and a column per symbol, or long) as the prices of dataset `name`.

    Raises
    ------
    ConfigError
        For anything else than a frame or Prices.
    DataError
        For what ingestion would refuse: no dates, repeated dates with other prices, prices that are not positive, bars
        of an asset that nothing names. What an option would say, `metabt.ingest` takes.
    """
    if isinstance(prices, Prices):
        return prices
    from metabt.lakehouse.ingestion.readers.frames import is_frame

    if not is_frame(prices):
        raise ConfigError(
            f"prices '{name}': got {type(prices).__name__}; "
            "wanted a lakehouse path, a wide frame, or {dataset: wide frame}"
        )
    from metabt.lakehouse.ingestion.column_layout import read_observations
    from metabt.lakehouse.ingestion.options import Options
    from metabt.lakehouse.ingestion.whole_frames import prices_of

    whole = prices_of(name, prices)
    if whole is not None:
        return whole
    try:
        rows = read_observations(prices, Options(face="memory"))
    except DataError as error:
        raise DataError(f"prices '{name}': {error}") from error
    if (rows.dates[1:] < rows.dates[:-1]).any():
        rows = rows.take(np.argsort(rows.dates, kind="stable"))
    is_first = np.concatenate([[True], rows.dates[1:] != rows.dates[:-1]])
    dates, row = rows.dates[is_first], np.cumsum(is_first) - 1
    symbols, column_of = _sorted_symbols(rows.symbols)
    matrices = {}
    for field in {"close", "volume"} & set(rows.fields):
        matrices[field] = np.full((len(dates), len(symbols)), np.nan)
        matrices[field][row, column_of[rows.symbols.codes]] = rows.fields[field]
    return Prices(name, dates.astype("datetime64[D]"), symbols, matrices["close"], matrices.get("volume"))


def _sorted_symbols(column: Coded) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the symbols that occur, sorted, and (n_values,) the place of each distinct value among them."""
    values = column.values
    held = sorted(np.unique(column.codes).tolist(), key=values.__getitem__)
    place = np.zeros(len(values), np.int64)
    place[held] = np.arange(len(held))
    return tuple(values[code] for code in held), place
