"""A folder, or several files, are one source: named by their files, refused together."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from metabt.errors import DataError
from metabt.lakehouse import attach, ingest, load_prices
from metabt.lakehouse.ingestion.options import Options
from tests.lakehouse.conftest import state, wide

FRAME = wide(40)


def bars(folder: Path, symbol: str, rows: slice = slice(None), name: str | None = None) -> Path:
    """Write one symbol's closes and volumes into a file that does not name it."""
    file = folder / (name or f"{symbol}.csv")
    FRAME[symbol][rows].to_frame("Close").assign(Volume=7).to_csv(file)
    return file


def stored(lake: Path) -> pd.DataFrame:
    with attach(lake, read_only=True) as con:
        found = load_prices(con, {"d": None})["d"]
    return pd.DataFrame(found.close, pd.DatetimeIndex(found.dates, name="Date"), list(found.symbols))


def same(lake: Path, frame: pd.DataFrame = FRAME) -> bool:
    return stored(lake).equals(frame.astype(float))


def test_a_folder_holds_a_file_for_each_symbol(fresh: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bars"
    (folder / "deeper").mkdir(parents=True)
    (folder / "notes.md").touch()
    (folder / ".hidden.csv").touch()
    for symbol in ("AA", "BB"):
        bars(folder, symbol)
    FRAME[["CC"]].rename(columns={"CC": "Close"}).to_parquet(folder / "CC.parquet")
    seen: list[tuple[int, int, str]] = []
    report = ingest(fresh, "d", folder, progress=lambda *state: seen.append(state))
    assert same(fresh)
    assert seen == [(1, 3, "AA.csv"), (2, 3, "BB.csv"), (3, 3, "CC.parquet")]
    assert (report.rows_read, report.added, report.source) == (120, 120, str(folder))
    assert report.notes == (
        "left out of the folder: 'deeper', 'notes.md'",
        "symbols are the names of files: 'AA', 'BB', 'CC'",
    )
    before = state(fresh)
    ingest(fresh, "d", folder)
    assert state(fresh) == before


def test_several_files_may_be_wide(fresh: Path, tmp_path: Path) -> None:
    FRAME[:25].to_csv(tmp_path / "old.csv")
    FRAME[20:].to_csv(tmp_path / "new.csv")
    report = ingest(fresh, "d", [tmp_path / "old.csv", tmp_path / "new.csv"])
    assert same(fresh)
    assert (report.rows_read, report.duplicates, report.added) == (135, 15, 120)
    assert report.source.endswith("old.csv and 1 more")


def test_a_folder_of_one_file_names_it(fresh: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    bars(tmp_path / "one", "AA")
    ingest(fresh, "d", tmp_path / "one")
    assert stored(fresh).columns.tolist() == ["AA"]


def test_pieces_of_one_asset_are_no_symbols(fresh: Path, tmp_path: Path) -> None:
    files = [bars(tmp_path, "AA", slice(0, 20), "2019.csv"), bars(tmp_path, "AA", slice(20, 40), "2020.csv")]
    with pytest.raises(DataError, match="'2019', '2020'.*one asset cut in pieces; say symbol_name='NAME'"):
        ingest(fresh, "d", files)
    ingest(fresh, "d", files, Options(symbol_name="AA"))
    assert same(fresh, FRAME[["AA"]])


def test_a_file_of_its_own_still_wants_a_name(fresh: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="bars of one asset"):
        ingest(fresh, "d", bars(tmp_path, "AA"))


def test_one_bad_file_refuses_all_and_is_named(fresh: Path, tmp_path: Path) -> None:
    before = state(fresh)
    files = [bars(tmp_path, symbol) for symbol in FRAME]
    files[1].write_text(files[1].read_text().replace("\n", "\n2030-01-01,0,1\n", 1))
    with pytest.raises(DataError, match=r"'.*BB\.csv': BB on 2030-01-01: close 0"):
        ingest(fresh, "d", files)
    assert state(fresh) == before


def test_files_that_contradict_each_other_are_refused(fresh: Path, tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "one.csv")
    (FRAME * [1, 2, 1]).to_csv(tmp_path / "two.csv")
    with pytest.raises(DataError, match="BB on 2019-10-01: two different values of close"):
        ingest(fresh, "d", [tmp_path / "one.csv", tmp_path / "two.csv"])
