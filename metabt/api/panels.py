"""Opening: a panel of one dataset, from memory or from a lakehouse, computed here or on Ray."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from metabt.data.dataset import Dataset
from metabt.data.panel.panel import Panel
from metabt.data.panel.plan import Reading
from metabt.errors import ConfigError, nearest
from metabt.lakehouse.price_source import source_of

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
    found = source.dataset(name, wanted)
    panel = _on_ray(found) if engine == "ray" else Panel(Reading.all(found))
    return panel if wanted is None else panel.select(wanted)


def _dataset(held: Mapping[str, object], dataset: str | None) -> str:
    if dataset is None:
        if len(held) != 1:
            raise ConfigError(f"{len(held)} datasets: {', '.join(sorted(held)) or 'none'}; name one: dataset='...'")
        return next(iter(held))
    if dataset not in held:
        raise ConfigError(f"no dataset '{dataset}' in these prices{nearest(dataset, held)}")
    return dataset


def _on_ray(dataset: Dataset) -> Panel:
    from metabt.engines.ray.connection import connect

    connect()
    from metabt.engines.ray.panels import OnRay, shared

    return Panel(Reading.all(dataset if dataset.stored else shared(dataset.prices)), OnRay())
