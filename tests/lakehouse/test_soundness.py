"""Nothing damaged is believed: one flipped bit, truncation or loss of a file is an error or changes no number."""

from __future__ import annotations

import os
import pickle
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.cli.main import main
from metabt.errors import MetabtError, StoreError
from metabt.lakehouse import (
    attach,
    check_lakehouse,
    ingest,
    list_runs,
    load_point_in_time,
    load_prices,
    run_list,
)
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.point_in_time.seals import table_seal
from metabt.lakehouse.price_source import Lakehouse
from tests.lakehouse.conftest import state, wide

LEAF = {
    "dataset": "d",
    "universe": ["AA", "BB"],
    "lookback": 20,
    "schedule": {"every": 4},
    "optimizer": "inverse_volatility",
}
BOOK = {"name": "book", **LEAF}
NEW = {"name": "new", **LEAF, "optimizer": "equal"}
TRIALS = int(os.environ.get("METABT_DAMAGES", "25"))
"""Damages that the slow test makes; about a second each."""
Answer = tuple[object, ...]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse with a dataset that was appended to, a smaller one with bars, and a run."""
    lake, frame = tmp_path_factory.mktemp("sound") / "lake", wide(120)
    ingest(lake, "d", frame[:-1])
    ingest(lake, "d", frame[-1:])
    bars = frame[:30].stack().rename_axis(["date", "symbol"]).rename("close").reset_index()
    ingest(lake, "bars", bars.assign(open=bars.close - 1, high=bars.close + 1, low=bars.close - 2, volume=5.0))
    for name, table in tables(frame).items():
        metabt.ingest(table, dataset="d", lakehouse=lake, table=name)
    metabt.backtest(BOOK, lake, engine="local")
    return lake


def tables(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return rows of what is dated beside prices, so many that they lie in files; nobody's universe or rate."""
    begins = pd.bdate_range("2000-01-03", periods=30)
    ends = begins[1:].append(frame.index[:1]) - pd.Timedelta(days=1)
    return {
        "members": pd.DataFrame({"universe": "X", "asset": "AA", "first_date": begins, "last_date": ends}),
        "rates": pd.DataFrame({"name": "usd", "date": begins, "value": 0.01, "day_count": 360}),
    }


@pytest.fixture
def lake(sound: Path, tmp_path: Path) -> Path:
    """Return a copy of it that the test may damage."""
    return Path(shutil.copytree(sound, tmp_path / "lake"))


def damage(file: Path, kind: str, where: float = 0.4, bit: int = 0) -> None:
    content = bytearray(file.read_bytes())
    place = int(where * len(content))
    if kind == "lost":
        file.unlink()
    elif kind == "cut":
        file.write_bytes(content[:place])
    elif content:
        content[place] ^= 1 << bit
        file.write_bytes(content)


def only(lake: Path, pattern: str) -> Path:
    return max(lake.glob(f"data/main/{pattern}/*.parquet"), key=lambda file: file.stat().st_size)


def prices(lake: Path) -> Answer:
    with attach(lake, read_only=True) as con:
        found = load_prices(con, {"d": None})["d"]
    return found.symbols, found.dates.tobytes(), found.close.tobytes()


def dated(lake: Path) -> Answer:
    with attach(lake, read_only=True) as con:
        found = load_point_in_time(con, ["d", "bars"])
    return tuple((name, table, table_seal(rows)) for name, own in found.items() for table, rows in own.tables.items())


def numbers(result: metabt.Result) -> Answer:
    frames = (result.weights, result.returns(), result.frame("metrics"), result.frame("orders"))
    return tuple(str(frame.to_dict()) for frame in frames)


def loaded(lake: Path) -> Answer:
    return numbers(metabt.load(lake))


def listed(lake: Path) -> Answer:
    with attach(lake, read_only=True) as con:
        return tuple(zip(map(str, list_runs(con)), map(str, run_list(con)), strict=True))


def found(lake: Path) -> Answer:
    return numbers(metabt.backtest(BOOK, lake, engine="local"))


def fresh(lake: Path) -> Answer:
    return numbers(metabt.backtest(NEW, lake, engine="local", cache=metabt.MemoryCache()))


READING = (prices, loaded, listed, dated)
ALL = (*READING, found, fresh)


def flipped_price(lake: Path) -> Path:
    """Flip one bit of one price of AA in a file, which can be read as before."""
    with attach(lake, read_only=True) as con:
        closes = load_prices(con, {"d": None})["d"].close[:50, 0]
    file = only(lake, "prices/dataset=d/year=2019")
    content = bytearray(file.read_bytes())
    place = next(place for place in (content.find(close.tobytes()) for close in closes) if place > 0)
    content[place + 6] ^= 1
    file.write_bytes(content)
    return file


def test_a_wrong_price_is_refused_with_its_symbol_year_and_file(lake: Path) -> None:
    file = only(lake, "prices/dataset=d/year=2019")
    kept, expected = file.read_bytes(), fresh(Path(shutil.copytree(lake, lake.parent / "other")))
    flipped_price(lake)
    refusal = rf"dataset 'd', symbol AA, 2019, close.*{file.name}' has other bytes.*restore it from a copy"
    for ask in (prices, lambda lake: metabt.backtest(NEW, lake, engine="local")):
        with pytest.raises(StoreError, match=refusal):
            ask(lake)
    with pytest.raises(StoreError, match="are not those that were ingested"):
        ingest(lake, "d", wide(121)[-1:])  # whose digests would be made of it
    file.write_bytes(kept)
    again = metabt.backtest(NEW, lake, engine="local")
    assert not again.found and numbers(again) == expected


SATURDAY = pd.DataFrame({"AA": [100.0]}, pd.DatetimeIndex(["2019-12-28"], name="date"))
INTO_DAMAGE = {
    "prices of the damaged year": lambda lake: ingest(lake, "d", SATURDAY),
    "returns in the damaged year": lambda lake: ingest(lake, "d", SATURDAY / 1e4, Options(returns=True)),
    "a factor on the damaged year": lambda lake: ingest(lake, "d", wide(120)[-10:] / 2, rescale=True),
}
"""What changes the digest of the damaged year itself, so that no other digest tells of the damage."""


@pytest.mark.parametrize("what", INTO_DAMAGE)
def test_no_new_digest_is_made_of_a_damaged_price_beside_the_incoming_ones(lake: Path, what: str) -> None:
    sound = Path(shutil.copytree(lake, lake.parent / "other"))
    flipped_price(lake)
    before = state(lake)
    with pytest.raises(StoreError, match="symbol AA, 2019, close.* are not those that were ingested"):
        INTO_DAMAGE[what](lake)
    assert state(lake) == before
    report = INTO_DAMAGE[what](sound)
    assert report.added or report.changed


def test_what_reads_prices_in_another_process_compares_them_there(lake: Path) -> None:
    dataset = Lakehouse(lake).dataset("d")
    read = pickle.loads(pickle.dumps(dataset.part(slice(0, len(dataset.facts.dates)), ("AA", "BB", "CC"), ("close",))))
    assert read().symbols == ("AA", "BB", "CC")
    flipped_price(lake)
    with pytest.raises(StoreError, match="not those that were ingested"):
        read()


@pytest.mark.parametrize("table", ["weights", "returns"])
@pytest.mark.parametrize("kind", ["flip", "cut", "lost"])
def test_a_damaged_run_is_refused_then_assembled_again_and_replaced(lake: Path, table: str, kind: str) -> None:
    expected, file = loaded(lake), only(lake, table)
    damage(file, kind)
    with pytest.raises(StoreError, match=rf"run [0-9a-f]{{12}}, table {table}.*{file.name}.*`metabt backtest`"):
        loaded(lake)
    mended = metabt.backtest(BOOK, lake, engine="local")
    assert not mended.found and mended.mended and table in mended.mended
    again = metabt.backtest(BOOK, lake, engine="local")
    assert again.found and again.mended is None
    assert numbers(mended) == numbers(again) == loaded(lake) == expected
    assert check_lakehouse(lake).faults == []
    assert len(listed(lake)) == 1


TAMPERED = {
    "UPDATE calendars SET date = date + INTERVAL 1 DAY WHERE dataset = 'd' AND date = DATE '2019-10-04'": "calendar",
    "DELETE FROM calendars WHERE dataset = 'd' AND date = DATE '2019-10-04'": "calendar",
    "UPDATE digests SET digest = repeat('0', 64) WHERE symbol = 'AA' AND partition = '2019'": "digests of its prices",
    "DELETE FROM digests WHERE symbol = 'AA' AND partition = '2019' AND dataset = 'd'": "digests of its prices",
    "DELETE FROM symbols WHERE symbol = 'AA' AND dataset = 'd'": "symbols are not those",
    "UPDATE datasets SET closed = true WHERE dataset = 'd'": "row is not what was recorded",
    "INSERT INTO datasets SELECT * FROM datasets WHERE dataset = 'd'": "row is not what was recorded",
    "DELETE FROM prices WHERE symbol = 'AA' AND date = DATE '2019-10-04' AND dataset = 'd'": "symbol AA, 2019, close",
    "UPDATE prices SET date = DATE '2019-10-05' WHERE date = DATE '2019-10-04' AND dataset = 'd'": "not those",
    "UPDATE prices SET close = -close WHERE date = DATE '2019-10-04' AND dataset = 'd'": "not those that were",
    "UPDATE prices SET high = high + 1 WHERE dataset = 'bars' AND symbol = 'AA'": "open, high or low",
    "UPDATE members SET last_date = NULL WHERE first_date = DATE '2000-01-03'": "table members: its rows are not",
    "DELETE FROM rates WHERE date = DATE '2000-01-03'": "table rates: its rows are not those that were ingested",
    "INSERT INTO costs (dataset, asset) VALUES ('d', '*')": "table costs has 1 rows of dataset 'd' that were never",
    "UPDATE returns SET net = net + 1e-16 WHERE date = (SELECT max(date) FROM returns)": "table returns",
    "DELETE FROM weights WHERE symbol = 'AA'": "table weights: it has",
    "UPDATE runs SET portfolio = 'other'": "row is not what was stored",
    "UPDATE runs SET config = replace(config, '20', '21')": "row is not what was stored",
    "DELETE FROM runs": "holds 0 runs, and recorded 1",
    "DELETE FROM seals": "holds 1 runs",
    "UPDATE asked SET overrides = '[]', sweep_id = 'x'": "holds 1 askings, and recorded 1",
    "DELETE FROM asked": "holds 0 askings, and recorded 1",
}
"""Statement -> a part of what is said of what it does."""


@pytest.mark.parametrize("statement", TAMPERED)
def test_rows_that_are_not_those_that_were_recorded_are_named(lake: Path, statement: str) -> None:
    with attach(lake) as con:
        con.execute(statement)
    faults = check_lakehouse(lake).faults
    assert any(TAMPERED[statement] in fault for fault in faults), faults
    assert all("; " in fault for fault in faults)  # the cure


@pytest.mark.parametrize("statement", ["DELETE FROM asked", 'UPDATE asked SET "at" = "at" + INTERVAL 1 DAY'])
def test_damaged_askings_name_no_run_until_the_next_one_mends_them(
    lake: Path, statement: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = loaded(lake)
    with attach(lake) as con:
        con.execute(statement)
    for ask in (loaded, listed):
        with pytest.raises(
            StoreError, match="askings.*not those that were stored.*the next `metabt backtest` mends it"
        ):
            ask(lake)
    assert found(lake) == expected
    assert "askings in damaged files are gone" in caplog.text
    assert loaded(lake) == expected
    assert check_lakehouse(lake).faults == []


def test_a_newest_price_that_was_changed_is_printed_by_no_command(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "--lakehouse", str(lake)]) == 0
    with attach(lake) as con:
        con.execute("UPDATE prices SET close = 2 * close WHERE date = (SELECT max(date) FROM prices)")
    capsys.readouterr()
    assert main(["weights", "--lakehouse", str(lake)]) == 1
    said = capsys.readouterr()
    assert "stored prices are not those that were ingested" in said.err and "AA" not in said.out


def test_a_sound_lakehouse_is_counted(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_lakehouse(lake).counts["runs"] == 1
    assert main(["check", "--lakehouse", str(lake)]) == 0
    said = capsys.readouterr().out
    assert all(
        part in said for part in ("2 datasets", "6 symbols", "150 sessions", "60 dated rows", "1 run,", "in the cache")
    )


def test_checking_names_the_damaged_file_and_free_sql_asks_only_when_told_to(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = flipped_price(lake)
    block = next((lake / ".cache" / "packs").iterdir())
    damage(block, "flip")  # in an object of a pack
    question = ["sql", "select count(*) from prices", "--lakehouse", str(lake)]
    assert main(question) == 0
    capsys.readouterr()
    assert main([*question, "--verify"]) == 1
    assert file.name in capsys.readouterr().err
    assert main(["check", "--lakehouse", str(lake)]) == 1
    said = capsys.readouterr()
    assert file.name in said.out and block.name in said.out and "restore it from a copy" in said.out
    assert "not sound: 3 faults" in said.err


def test_a_lost_snapshot_is_noticed(lake: Path) -> None:
    import sqlite3

    con = sqlite3.connect(lake / "catalog.sqlite")
    con.execute("DELETE FROM ducklake_snapshot WHERE snapshot_id = (SELECT max(snapshot_id) FROM ducklake_snapshot)")
    con.commit()
    con.close()
    with pytest.raises(StoreError, match="the catalogue's snapshots end at"):
        found(lake)


def trial(sound: Path, expected: dict[Callable[[Path], Answer], Answer], folder: Path, seed: int) -> Counter[str]:
    """Damage one file of a copy, as the seed says, and count what the answers are."""
    dice = random.Random(seed)
    lake = Path(shutil.copytree(sound, folder / "lake"))
    files = sorted(path for path in lake.rglob("*") if path.is_file() and "locks" not in path.parts)
    file = files[seed % len(files)]
    damage(file, dice.choice(("flip", "flip", "flip", "cut", "lost")), dice.random(), dice.randrange(8))
    seen: Counter[str] = Counter()
    for ask in ALL if seed % 4 == 0 else READING:
        try:
            verdict = "same" if ask(lake) == expected[ask] else "wrong"
        except MetabtError:
            verdict = "error"
        assert verdict != "wrong", f"seed {seed}: {file.relative_to(lake)}, {ask.__name__}"
        seen[verdict] += 1
    shutil.rmtree(lake)
    return seen


@pytest.mark.parametrize(
    "seeds",
    [pytest.param(range(12), id="some"), pytest.param(range(1000, 1000 + TRIALS), id="many", marks=pytest.mark.slow)],
)
def test_damage_anywhere_gives_an_error_or_no_other_number(
    sound: Path, tmp_path: Path, seeds: range, record_property: Callable[[str, object], None]
) -> None:
    for name in ("-wal", "-shm"):
        (sound / f"catalog.sqlite{name}").unlink(missing_ok=True)
    other = Path(shutil.copytree(sound, tmp_path / "other"))
    expected = {ask: ask(other) for ask in READING} | {ask: ask(other) for ask in (found, fresh)}
    seen: Counter[str] = Counter()
    for seed in seeds:
        seen += trial(sound, expected, tmp_path, seed)
    record_property("answers", dict(seen))
    assert seen["error"] > len(seeds) // 10 and seen["same"] > len(seeds) // 10


def test_what_is_recorded_of_a_run_does_not_depend_on_codes_of_texts() -> None:
    from metabt.lakehouse.runs.run_digests import table_digest
    from metabt.values.tables import Coded

    one = {"path": Coded(np.array([0, 1, -1]), ("a", "b")), "x": np.array([1.0, np.nan, -0.0])}
    other = {"path": Coded(np.array([2, 0, -1]), ("b", "c", "a")), "x": np.array([1.0, -np.nan, -0.0])}
    assert table_digest(one) == table_digest(other)
    for name, column in (
        ("path", Coded(np.array([0, 1, 1]), ("a", "b"))),
        ("x", np.array([1.0, np.nan, 0.0])),
        ("x", np.array([np.nan, 1.0, -0.0])),
    ):
        assert table_digest({**one, name: column}) != table_digest(one)
