"""One digest of all that a panel, or a stored dataset, is addressed by."""

from __future__ import annotations

import duckdb

from metabt.data.facts import Facts
from metabt.data.prices import Prices
from metabt.lakehouse import load_facts
from metabt.lakehouse.prices.dataset_facts import Wanted


def panel_digest(panel: Prices) -> str:
    return Facts.of(panel).digest(panel.symbols)


def stored_digests(con: duckdb.DuckDBPyConnection, wanted: Wanted, at: int | None = None) -> dict[str, str]:
    return {name: known.digest(known.symbols) for name, known in load_facts(con, wanted, at).items()}
