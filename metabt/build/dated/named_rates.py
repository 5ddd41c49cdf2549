"""Named rates: the rows of a rate that a tree needs by name, from whichever dataset has them.

It is looked for in the datasets that a sleeve reads, and then in all that the forest reads; where several have it they
must agree, or it is not clear which is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from metabt.data.dataset import Dataset
from metabt.data.point_in_time.accrual import Rate
from metabt.errors import ConfigError, nearest

RATES = "rates"
"""Name of the table."""


def named_rate(what: str, name: str, read: Iterable[str], datasets: Mapping[str, Dataset]) -> Rate | None:
    """Return the rows of a rate that sleeves over some datasets need; None where no dataset has any.

    Parameters
    ----------
    what : who needs it, for messages
    name : what it is called
    read : the datasets that the sleeves read
    datasets : all there are

    Raises
    ------
    ConfigError
        For a rate that several datasets have with unlike rows.
    """
    for names in (sorted(read), sorted(datasets)):
        found = {it: rate for it in names if (rate := rate_of(datasets[it], name)) is not None}
        if found:
            (first, one), *others = found.items()
            for other, rate in others:
                if not one.agrees(rate):
                    raise ConfigError(
                        f"{what} '{name}', which datasets '{first}' and '{other}' have with unlike rows; "
                        "give one of them another name, or ingest the same rows"
                    )
            return one
    return None


def cash_rate(name: str, read: Iterable[str], datasets: Mapping[str, Dataset]) -> Rate:
    """Return the rows of a rate that sleeves over some datasets name, from those, or else from any dataset.

    Raises
    ------
    ConfigError
        For a rate that none has, or that several have with unlike values.
    """
    own = sorted(read)
    found = named_rate("cash earns the rate", name, own, datasets)
    if found is not None:
        return found
    known = rate_names(datasets)
    cure = nearest(name, known) if known else ""
    raise ConfigError(
        f"cash earns the rate '{name}', which no dataset of the tree has{cure}; ingest it with one of them: metabt "
        f"ingest FILE --dataset {own[0]} --table rates, or state a constant, such as cash: 0.03"
    )


def rate_names(datasets: Mapping[str, Dataset]) -> set[str]:
    """Return what all rates of some datasets are called."""
    tables = [dataset.facts.point_in_time.tables.get(RATES) for dataset in datasets.values()]
    return {name for table in tables if table is not None for name in table.first_texts}


def rate_of(dataset: Dataset, name: str) -> Rate | None:
    """Return the rows of a rate that a dataset has by a name; None where it has none."""
    table = dataset.facts.point_in_time.tables.get(RATES)
    return None if table is None or name not in table.first_texts else Rate.of(table, name)
