"""Price source: frames in memory, or a lakehouse, behind the same methods.

Frames pass the same reading and checking as ingested files, so they get the same digests and the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metabt.data.dataset import Dataset
from metabt.data.prices import Prices
from metabt.errors import ConfigError, DataError
from metabt.portfolio.sleeve import Sleeve

if TYPE_CHECKING:
    from metabt.lakehouse import Facts, Reader

DATASET = "prices"
"""Name of the dataset that a single frame is."""


class Frames:
    """Prices in memory."""

    def __init__(self, panels: Mapping[str, Prices]) -> None:
        """Take the prices of each dataset by its name."""
        self._panels = dict(panels)

    def symbols(self) -> dict[str, tuple[str, ...]]:
        """Return dataset -> its symbols, sorted."""
        return {name: panel.symbols for name, panel in self._panels.items()}

    def datasets(self, trees: Sequence[Sleeve]) -> dict[str, Dataset]:
        """Return the datasets that the trees read, by name, with the trees' symbols alone."""
        return {name: Dataset.of(self._panels[name].select(symbols)) for name, symbols in wanted(trees).items()}

    def alone(self, dataset: str, symbol: str) -> Dataset:
        """Return a dataset with one of its symbols alone."""
        return Dataset.of(self._panels[dataset].select((symbol,)))

    def prices(self, dataset: str) -> Prices:
        """Return all prices of a dataset."""
        return self._panels[dataset]


class Lakehouse:
    """Prices in a lakehouse, read through one connection."""

    def __init__(self, path: Path, snapshot: int | None = None, *, writes: bool = False) -> None:
        """Attach the lakehouse, as it is now or as it was at a snapshot.

        Without `writes` it is attached for reading alone. With it the same connection can store a run, which saves
        attaching anew.
        """
        from metabt import lakehouse

        self._lake = lakehouse
        self.path = path.expanduser()
        self.connection = lakehouse.attach(path, read_only=not writes)
        # one snapshot for all that follows: an ingestion in between must not mix two states of the data
        self.snapshot: int = lakehouse.snapshot(self.connection) if snapshot is None else snapshot

    def symbols(self) -> dict[str, tuple[str, ...]]:
        """Return dataset -> its symbols, sorted."""
        return self._lake.dataset_symbols(self.connection, self.snapshot)

    def datasets(self, trees: Sequence[Sleeve]) -> dict[str, Dataset]:
        """Return the datasets that the trees read, by name, with the trees' symbols alone; no price is read yet."""
        facts = self._lake.load_facts(self.connection, wanted(trees), self.snapshot)
        return {name: self._dataset(known) for name, known in facts.items()}

    def alone(self, dataset: str, symbol: str) -> Dataset:
        """Return a dataset with one of its symbols alone; no price is read yet."""
        return self._dataset(self._lake.load_facts(self.connection, {dataset: (symbol,)}, self.snapshot)[dataset])

    def reader(self, dataset: str, symbols: tuple[str, ...] | None = None) -> Reader:
        """Return a reader of a dataset's prices, of some of its symbols or, with None, of all.

        Raises
        ------
        ConfigError
            For a dataset or a symbol that the lakehouse does not have.
        """
        return self._reader(self._lake.load_facts(self.connection, {dataset: symbols}, self.snapshot)[dataset])

    def _reader(self, known: Facts) -> Reader:
        return self._lake.Reader(self.path, self.snapshot, known, self.connection)

    def _dataset(self, known: Facts) -> Dataset:
        reader = self._reader(known)
        digests = partial(getattr, known, "digests")
        return Dataset(known.name, known.dates, known.symbols, known.closed, digests, reader, stored=True)


def wanted(trees: Iterable[Sleeve]) -> dict[str, tuple[str, ...]]:
    """Return dataset -> the symbols that the trees' leaves may hold, sorted."""
    symbols: dict[str, set[str]] = {}
    for tree in trees:
        for _, leaf in tree.leaves():
            symbols.setdefault(leaf.dataset, set()).update(leaf.universe)
    return {name: tuple(sorted(symbols[name])) for name in sorted(symbols)}


def source_of(prices: Any) -> Frames | Lakehouse:
    """Return the source that `prices` is: a path, a wide frame, Prices, {dataset: any of these}, or a source."""
    if isinstance(prices, Frames | Lakehouse):
        return prices
    if isinstance(prices, str | Path):
        return Lakehouse(Path(prices))
    if isinstance(prices, Mapping):
        return Frames({str(name): to_prices(str(name), item) for name, item in prices.items()})
    panel = to_prices(DATASET, prices)
    return Frames({panel.name: panel})


def to_prices(name: str, prices: Any) -> Prices:
    """Return a wide frame (a row per session, a column per symbol) as the prices of dataset `name`.

    Raises
    ------
    ConfigError
        For anything else than a frame or Prices.
    DataError
        For what ingestion would refuse: no dates, repeated dates with other prices, prices that are not positive.
    """
    if isinstance(prices, Prices):
        return prices
    if not hasattr(prices, "columns"):
        raise ConfigError(
            f"prices '{name}': got {type(prices).__name__}; "
            "wanted a lakehouse path, a wide frame, or {dataset: wide frame}"
        )
    from metabt.lakehouse.ingestion.column_layout import read_observations
    from metabt.lakehouse.ingestion.column_names import ColumnNames

    rows = read_observations(prices, ColumnNames())
    if not len(rows):
        raise DataError(f"prices '{name}': no price in {rows.rows_read} cells; wanted at least one")
    dates, row = np.unique(rows.dates, return_inverse=True)
    symbols, code = np.unique(np.array(rows.symbols.values)[rows.symbols.codes], return_inverse=True)
    matrices = {}
    for field in {"close", "volume"} & set(rows.fields):
        matrices[field] = np.full((len(dates), len(symbols)), np.nan)
        matrices[field][row, code] = rows.fields[field]
    return Prices(
        name, dates.astype("datetime64[D]"), tuple(symbols.tolist()), matrices["close"], matrices.get("volume")
    )
