"""`metabt demo --market`: from files to a backtest and what its tables are worth, on a small part of the market."""

from __future__ import annotations

from pathlib import Path
from shlex import split

import numpy as np
import pytest

import metabt
import metabt.demo_market
from metabt.cli.main import main
from metabt.cli.market_command import ORDER, SWITCHES, growth, market_commands, switch_commands
from metabt.data.point_in_time.tables import ORDER as SORTED
from metabt.data.point_in_time.tables import DatedTable
from metabt.demo_market import DemoMarket, hindsight
from metabt.values.tables import texts

README = Path(__file__).resolve().parents[2] / "README.md"


def part_of(market: DemoMarket, n_assets: int, last: str) -> DemoMarket:
    """Return some assets of a market up to a day, with the rows of tables that are about them."""
    stop = int(np.searchsorted(market.dates, np.datetime64(last)))
    into = market.tables["actions"].texts("into")
    begun = np.flatnonzero(~np.isnan(market.close[:stop]).all(axis=0))
    kept = begun[:: len(begun) // n_assets]
    names = frozenset(market.assets[it] for it in kept)
    place = {market.assets[it]: position for position, it in enumerate(kept.tolist())}
    tables = {}
    for name, table in market.tables.items():
        day = next(column for column in ("first_date", "ex_date", "date") if column in table.columns)
        rows = table.numbers(day) < market.dates[stop]
        if "asset" in table.columns:
            rows &= np.isin(texts(table.texts("asset")).astype(str), [*names, "*"])
        if name == "actions":  # what it turned into may not be among them
            known = np.array([*(it in names for it in into.values), True])[into.codes]
            rows &= known
        tables[name] = table.take(rows)
    return DemoMarket(
        market.dates[:stop],
        tuple(market.assets[it] for it in kept),
        market.close[:stop, kept],
        market.volume[:stop, kept],
        tuple(
            (ticker, place[market.assets[asset]], first, min(end, stop - 1))
            for ticker, asset, first, end in market.tickers
            if market.assets[asset] in names and first < stop
        ),
        {name: DatedTable.of(name, table.columns) for name, table in tables.items()},
        market.wealth[:stop, kept],
    )


@pytest.fixture(scope="module")
def small() -> DemoMarket:
    return part_of(metabt.demo_market.demo_market(), 40, "2000-01-01")


def test_the_market_is_taken_in_run_and_what_its_tables_are_worth_is_printed(
    small: DemoMarket, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metabt.demo_market, "demo_market", lambda: small)
    monkeypatch.chdir(tmp_path)
    folder, lake = tmp_path / "a market", str(tmp_path / "lake")
    assert main(["demo", "--market", "--folder", str(folder), "--lakehouse", lake, "--quiet"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert {it.stem for it in folder.iterdir()} == set(ORDER)
    whole = float(metabt.load(lake, "market").metrics().loc["market", "cagr"])
    # prices in memory that bear the assets' names give the bits of the files
    assert growth(small) == whole
    told = [line for line in said if line.endswith(tuple(switch.said for switch in SWITCHES))]
    for line, switch in zip(told, SWITCHES, strict=True):
        assert line == f"{(growth(small, switch) - whole) * 1e4:+7.1f}  {switch.said}"
    # the command that is printed gives the number beside it
    command = next(line for line in said if "portfolio.cash=0" in line)
    assert main([*split(command)[1:], "--quiet"]) == 0
    cash = float(metabt.load(lake, "latest").metrics().loc["market", "cagr"])
    assert cash == growth(small, SWITCHES[-1]) != whole


def test_prices_are_raw_and_come_before_their_tables() -> None:
    prices, members, more = market_commands({it: Path(f"{it}.csv") for it in ("hindsight", "members", "prices")})
    assert prices == ["ingest", "prices.csv", "--dataset", "market", "--adjusted", "false"]
    assert members == ["ingest", "members.csv", "--dataset", "market", "--table", "members"]
    assert more == ["ingest", "hindsight.csv", "--dataset", "market", "--table", "members"]


def test_a_table_that_is_left_out_is_put_back() -> None:
    drop, run, back = switch_commands(SWITCHES[1], {"delistings": Path("d.csv")}, "lake")
    assert drop == ["drop", "market", "--table", "delistings", "--lakehouse", "lake"]
    assert run == ["backtest", "market", "--lakehouse", "lake"]
    assert back == ["ingest", "d.csv", "--dataset", "market", "--table", "delistings", "--lakehouse", "lake"]


def test_universes_of_today_have_whoever_is_a_member_on_the_last_session(small: DemoMarket) -> None:
    found, table = hindsight(small), small.tables["members"]
    expected = set()
    for name in table.first_texts:
        for asset in small.assets:
            stays: dict[object, tuple[object, object]] = {}
            for row in range(len(table)):
                values = [texts(table.texts(it))[row] for it in ("universe", "asset")]
                if values == [name, asset] and table.numbers("known_at")[row] <= small.dates[-1]:
                    stays[table.numbers("first_date")[row]] = (row, table.numbers("last_date")[row])
            if any(np.isnat(end) or end >= small.dates[-1] for _, end in stays.values()):
                expected.add((f"{name}_today", asset))
    pairs = [texts(found.texts(it)).tolist() for it in SORTED["members"][:2]]
    assert set(zip(*pairs, strict=True)) == expected
    assert (found.numbers("first_date") == small.dates[0]).all() and np.isnat(found.numbers("last_date")).all()


def test_a_folder_without_a_market_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--folder", "somewhere"]) == 1
    assert "state --market too" in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_market(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Survivors of 30 years are worth more than a percent a year; every printed number is that of its commands."""
    lake = str(tmp_path / "lake")
    assert main(["demo", "--market", "--folder", str(tmp_path / "files"), "--lakehouse", lake, "--quiet"]) == 0
    said = capsys.readouterr().out.splitlines()
    whole = float(metabt.load(lake, "market").metrics().loc["market", "cagr"])
    for switch in SWITCHES:
        at = next(place for place, line in enumerate(said) if line.endswith(switch.said))
        commands = [split(line)[1:] for line in said[at + 1 :][: 3 if switch.table else 1]]
        for words in commands:
            assert main(words) == 0
            if words[0] == "backtest":
                found = float(metabt.load(lake, "latest").metrics().loc["market", "cagr"])
        worth = f"{(found - whole) * 1e4:+.1f}"
        assert said[at].split()[0] == worth
        assert f"| {switch.said} | {worth} |" in README.read_text(encoding="utf-8")
    assert float(said[next(k for k, line in enumerate(said) if line.endswith(SWITCHES[0].said))].split()[0]) > 100
