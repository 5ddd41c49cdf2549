"""The identity of a search, and whether the library at hand can go on with it.

`sweep_id = H(settings but n, space, run_id of the first point)`

So that a search on other data, or by other code, is another one, and one for more points goes on with those it has.
Optuna's version is recorded beside it, not within: who goes on with another version is refused, since it would ask for
other points after the ones that are there.
"""

from __future__ import annotations

from typing import Any

from metabt.errors import ConfigError
from metabt.lakehouse.catalog.asking import now
from metabt.lakehouse.price_source import Lakehouse
from metabt.lakehouse.runs.searches import SearchRecord, find_search, record_search
from metabt.search.settings import Settings
from metabt.search.space import Choice, Dimension, Space
from metabt.values.digests import digest


def search_id(settings: Settings, space: Space, first: str) -> str:
    """Return the identity of a search whose first point is the run `first`."""
    return digest(["search", settings.identity, plain_space(space), first])


def plain_space(space: Space) -> dict[str, Any]:
    """Return key -> a list of values, or the fields of an interval, as JSON has it."""
    return {key: _plain(it) for key, it in space.items()}


def begin(settings: Settings, space: Space, first: str, library: str | None, source: Lakehouse) -> str:
    """Return a search's identity, recorded in the lakehouse where that can be written.

    Raises
    ------
    ConfigError
        If it was begun with another version of the library.
    """
    sweep_id = search_id(settings, space, first)
    found = find_search(source.connection, sweep_id)
    if found is None:
        record_search(source.path, SearchRecord(sweep_id, settings.identity, plain_space(space), library), now())
    elif found.library != library:
        name, _, version = str(found.library).partition(" ")
        raise ConfigError(
            f"search {sweep_id[:12]} was begun with {found.library}, and here is {library}, which would ask for other "
            f"points after the same beginning; to go on: pip install {name}=={version}; for another search state "
            f"another seed, sweep.seed={settings.seed + 1}"
        )
    return sweep_id


def _plain(dimension: Dimension) -> Any:
    return list(dimension.values) if isinstance(dimension, Choice) else vars(dimension)
