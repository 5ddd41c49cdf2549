"""Opening: a panel of one dataset, from memory or from a lakehouse, computed here or on Ray."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from metabt.data.dataset import Dataset
from metabt.data.panel.panel import Panel
from metabt.data.panel.plan import Reading
from metabt.errors import ConfigError, nearest
from metabt.lakehouse.price_source import source_of
from metabt.values.arguments import names, word

ENGINES = ("local", "ray")
"""Where partitions are computed."""


def open_panel(
    prices: Any,
    dataset: str | None = None,
    symbols: Iterable[str] | None = None,
    *,
    engine: str = "local",
    panel: Any = None,
) -> Panel:
    """Return a lazy panel of sessions x assets; no price is read until something of it is computed.

    Parameters
    ----------
    prices : str, Path, DataFrame, Prices or dict
        Path of a lakehouse, read as it is now, whatever is ingested later; a wide frame, a row per session (dates as
        index), a column per symbol; or {dataset: wide frame or Prices}.
    dataset : str, optional
        Name of the dataset. None is the only one there is.
    symbols : iterable of str, optional
        Symbols of the panel, or a single one; None is all of the dataset. They are sorted, each once.
    engine : {"local", "ray"}
        Where partitions (calendar years) are computed: in this process, or on Ray: the cluster that this process is
        connected to, or that RAY_ADDRESS names, or else a private instance on this machine.
    panel : str, mapping or sequence of these, optional
        The registered steps between prices in memory and their returns, as for `backtest`.

    Returns
    -------
    Panel
        Its fields are `close`, `returns` (simple, 0 where an asset has no return) and, where it is known, `volume`.
        Returns are those that sleeves see: the steps of the dataset have made them. Closes are as they were observed.

    Raises
    ------
    ConfigError
        For a dataset, a symbol or an engine that is not there, or no dataset named where there are several.
    DataError
        For prices in memory that must not be used.
    StoreError
        If the lakehouse cannot be read.

    Examples
    --------
    >>> import pandas as pd, metabt
    >>> sessions = pd.to_datetime(["2020-12-30", "2020-12-31", "2021-01-04"])
    >>> prices = pd.DataFrame({"A": [10.0, 11.0, 11.0], "B": [20.0, 20.0, 15.0]}, sessions)
    >>> panel = metabt.open_panel(prices)
    >>> panel
    Panel(2020-12-30 .. 2021-01-04: 3 sessions in 2 partitions; symbols: 2; fields: close, returns)
    >>> panel.to_pandas("returns").loc["2021-01-04"].to_dict()
    {'A': 0.0, 'B': -0.25}
    """
    if word("engine", engine, needed=True) not in ENGINES:
        raise ConfigError(f"engine is '{engine}'{nearest(engine, ENGINES)}; wanted one of {', '.join(ENGINES)}")
    source = source_of(prices, panel=panel)
    name = _dataset(source.symbols(), word("dataset", dataset))
    wanted = None if symbols is None else names("symbols", symbols)
    found = source.dataset(name, wanted)
    opened = _on_ray(found) if engine == "ray" else Panel(Reading.all(found))
    return opened if wanted is None else opened.select(wanted)


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

    return Panel(Reading.all(dataset if dataset.stored else shared(dataset)), OnRay())
