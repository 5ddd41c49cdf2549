"""Random markets in a lakehouse: prices, volumes and tables as a user ingests them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from metabt.data.point_in_time.tables import COLUMNS
from metabt.lakehouse import ingest
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.tables.table_ingestion import ingest_table
from tests.shared.random_markets import RandomMarket


def as_ingested(of: RandomMarket) -> RandomMarket:
    """Return a market none of whose members was known before its first day: what is ingested is not."""
    tables = {
        dataset: {
            name: [{**row, "known_at": max(str(row["known_at"]), str(row["first_date"]))} for row in rows]
            if name == "members"
            else rows
            for name, rows in own.items()
        }
        for dataset, own in of.tables.items()
    }
    return RandomMarket(of.prices, of.volumes, tables, of.adjusted)


def store(lake: Path, of: RandomMarket) -> Path:
    """Ingest a market into a lakehouse and return it."""
    for name, frame in of.prices.items():
        long = frame.stack().rename("close").to_frame()
        long["volume"] = of.volumes[name].stack().reindex(long.index)
        rows = long.rename_axis(["date", "symbol"]).reset_index()
        ingest(lake, name, rows, Options(adjusted=of.adjusted[name]))
        for table, held in of.tables[name].items():
            if held:
                ingest_table(lake, name, pd.DataFrame(held)[list(COLUMNS[table])], table)
    return lake
