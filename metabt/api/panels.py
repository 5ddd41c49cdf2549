"""Opening: a panel of one dataset, from memory or from a lakehouse, computed here or on Ray."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metabt.data.panel.panel import Panel
from metabt.data.panel.plan import Names, Reading, Source
from metabt.data.prices import Prices
from metabt.errors import ConfigError, nearest
from metabt.lakehouse.price_source import Lakehouse, source_of

ENGINES = ("local", "ray")
"""Where partitions are computed."""


def open_panel(
    prices: Any,
    dataset: str | None = None,
    symbols: Iterable[str] | None = None,
    *,
    engine: str = "local",
) -> Panel:
    """Return a lazy panel of sessions x assets with the fields close, returns and, where it is known, volume.

    Parameters
    ----------
    prices : a lakehouse path (read as it is now, whatever is ingested later), a wide frame with a row per session and
        a column per symbol, Prices, or {dataset: any of the last two}
    dataset : which one; may be left out where there is one
    symbols : which ones; all by default
    engine : local, in this process; or ray: the cluster that this process is connected to, or that RAY_ADDRESS names,
        or else an instance of its own

    Raises
    ------
    ConfigError
        For a dataset, a symbol or an engine that is not there.
    """
    if engine not in ENGINES:
        raise ConfigError(f"engine is '{engine}'{nearest(engine, ENGINES)}; wanted one of {', '.join(ENGINES)}")
    source = source_of(prices)
    name = _dataset(source.symbols(), dataset)
    wanted = None if symbols is None else tuple(dict.fromkeys(symbols))
    found: Source = source.reader(name, wanted) if isinstance(source, Lakehouse) else Memory(source.prices(name))
    panel = _on_ray(found) if engine == "ray" else Panel(Reading.all(found))
    return panel if wanted is None else panel.select(wanted)


@dataclass(frozen=True)
class Memory:
    """Prices in memory, as a source."""

    prices: Prices
    """All of them."""

    @property
    def dates(self) -> np.ndarray:
        """(n_sessions,) their calendar."""
        return self.prices.dates

    @property
    def symbols(self) -> Names:
        """What they are prices of."""
        return self.prices.symbols

    @property
    def has_volume(self) -> bool:
        """Whether volumes are known."""
        return self.prices.volume is not None

    def part(self, rows: slice, symbols: Names, *, volume: bool, entry: bool) -> MemoryPart:
        """Return what takes some partitions out."""
        return MemoryPart(self.prices, rows, symbols)


@dataclass(frozen=True)
class MemoryPart:
    """Some partitions of prices in memory."""

    prices: Prices
    """All of them."""
    rows: slice
    """Sessions wanted."""
    symbols: Names
    """Symbols wanted."""

    def __call__(self) -> Prices:
        """Take them out."""
        return self.prices.rows(self.rows).select(self.symbols)


def _dataset(held: Mapping[str, object], dataset: str | None) -> str:
    if dataset is None:
        if len(held) != 1:
            raise ConfigError(f"{len(held)} datasets: {', '.join(sorted(held)) or 'none'}; name one: dataset='...'")
        return next(iter(held))
    if dataset not in held:
        raise ConfigError(f"no dataset '{dataset}' in these prices{nearest(dataset, held)}")
    return dataset


def _on_ray(source: Source) -> Panel:
    from metabt.engines.ray.connection import connect

    connect()
    from metabt.engines.ray.panels import OnRay, Shared

    return Panel(Reading.all(Shared.of(source.prices) if isinstance(source, Memory) else source), OnRay())
