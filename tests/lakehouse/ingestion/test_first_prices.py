"""First prices of a dataset: what is stored is, to the byte, what comparing and reading back stores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from metabt.errors import DataError
from metabt.lakehouse import attach, ingest
from metabt.lakehouse.catalog.schema import SCHEMA
from metabt.lakehouse.ingestion import first_prices, ingestion

SYMBOLS = ("ZZ", "a", "Ä", "M0", "B")


def bars(n_sessions: int = 700, seed: int = 3) -> pd.DataFrame:
    """Return long rows in no order: with gaps, with fields that are missing here and there, and with repeats."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2019-03-01", periods=n_sessions)
    rows = pd.MultiIndex.from_product([days, SYMBOLS], names=["date", "symbol"]).to_frame(index=False)
    rows["close"] = rng.uniform(20.0, 30.0, len(rows)).round(2)
    rows["high"] = np.where(rng.random(len(rows)) < 0.5, rows["close"] + 1, np.nan)
    rows["volume"] = np.where(rng.random(len(rows)) < 0.9, rng.integers(0, 9, len(rows)), np.nan)
    rows = rows[rng.random(len(rows)) < 0.8]
    rows = rows[(rows["symbol"] != "B") | (rows["date"] < "2020-06-01")]
    return pd.concat([rows, rows.sample(40, random_state=1)]).sample(frac=1.0, random_state=2)


def stored(lake: Path) -> dict[str, object]:
    """Return every table, its rows as they lie in their files, and the digests of the files."""
    with attach(lake, read_only=True) as con:
        names = {name: [f'"{column}"' for column in SCHEMA[name] if column != "ingested_at"] for name in SCHEMA}
        tables = {name: con.execute(f"SELECT {', '.join(names[name])} FROM {name}").fetchall() for name in names}
    files = [(path.partition("ducklake-")[0], size, digest) for path, size, digest in tables.pop("files")]
    return {**tables, "files": sorted(file for file in files if "ingests" not in file[0])}


@pytest.mark.parametrize("part", [first_prices.SLICE, 5, 1000])
def test_first_prices_are_stored_as_rows_that_are_compared_and_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(first_prices, "SLICE", part)
    at_once = ingest(tmp_path / "at_once", "d", bars())
    monkeypatch.setattr(ingestion, "first_prices", lambda con, dataset, rows: None)
    compared = ingest(tmp_path / "compared", "d", bars())
    assert at_once == compared
    assert at_once.duplicates == 40 and at_once.notes
    assert repr(stored(tmp_path / "at_once")) == repr(stored(tmp_path / "compared"))


def test_what_has_rows_already_is_compared(tmp_path: Path) -> None:
    rows = bars(50)
    ingest(tmp_path, "d", rows)
    again = ingest(tmp_path, "d", rows.assign(close=rows["close"] + (rows["date"] == rows["date"].min())))
    assert (again.added, again.changed > 0, again.unchanged > 0) == (0, True, True)


def test_few_rows_far_apart_are_not_laid_out_as_matrices(tmp_path: Path) -> None:
    days = pd.date_range("1950-01-01", periods=200, freq="7D")
    rows = pd.DataFrame({"date": days, "symbol": [f"S{place}" for place in range(200)], "close": 5.0})
    told: list[int] = []
    report = ingest(tmp_path, "d", rows, row_progress=lambda done, total, name: told.append(done))
    assert (report.added, report.symbols, told) == (200, 200, [])


def test_rows_that_are_written_are_told(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    report = ingest(tmp_path, "d", bars(), row_progress=lambda *done: told.append(done))
    assert told[-1] == (report.added, report.added, "d")
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)


def test_symbols_that_a_file_repeats_are_read_as_the_same_symbols(tmp_path: Path) -> None:
    rows = bars().reset_index(drop=True)
    rows.to_parquet(tmp_path / "plain.parquet", index=False)
    rows.to_csv(tmp_path / "plain.csv", index=False)
    for name in ("plain.parquet", "plain.csv"):
        ingest(tmp_path / "lake", name.replace(".", "_"), tmp_path / name)
    with attach(tmp_path / "lake", read_only=True) as con:
        sql = "SELECT symbol, partition, field, digest FROM digests WHERE dataset = 'plain_{}' ORDER BY ALL"
        assert con.execute(sql.format("csv")).fetchall() == con.execute(sql.format("parquet")).fetchall()


def test_a_file_that_is_damaged_further_on_is_refused_as_one_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "damaged.parquet"
    bars(4_000).to_parquet(file, index=False, row_group_size=2_000)
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4_000] = bytes(range(250)) * 16
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be read as Parquet: .*; write it anew"):
        ingest(tmp_path / "lake", "d", file)


def test_a_file_without_rows_is_refused_as_one(tmp_path: Path) -> None:
    bars().head(0).astype({"symbol": "string"}).to_parquet(tmp_path / "none.parquet", index=False)
    with pytest.raises(DataError, match="no rows beneath the header"):
        ingest(tmp_path / "lake", "d", tmp_path / "none.parquet")


def test_an_interruption_while_rows_are_written_is_raised_as_one_and_nothing_is_stored(tmp_path: Path) -> None:
    def interrupt(done: int, total: int, name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(tmp_path, "d", bars(), row_progress=interrupt)
    with attach(tmp_path, read_only=True) as con:
        assert con.execute("SELECT (SELECT count(*) FROM prices) + (SELECT count(*) FROM datasets)").fetchone() == (0,)
