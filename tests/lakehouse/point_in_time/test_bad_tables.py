"""Bad rows are refused with their row and the cure, or counted and noted; nothing that is stored changes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import metabt
from metabt.errors import MetabtError
from metabt.lakehouse import attach, ingest, load_point_in_time, snapshot
from metabt.lakehouse.ingestion.ingestion import restate
from tests.lakehouse.conftest import wide

FRAME = wide(60)  # 2019-10-01 to 2019-12-23
LAST = FRAME.index[-1].date()
LONG = "A" * 300
STORED = {
    "actions": "asset,ex_date,kind,ratio,cash,into\nAA,2019-10-15,cash,,0.5,\nAA,2019-11-15,split,1.2,,\n",
    "members": "universe,asset,first_date,last_date\nX,AA,2019-10-01,2019-10-31\nX,BB,2019-10-01,\n",
    "delistings": f"asset,date,return,kind\nCC,{LAST},-0.3,performance\n",
    "rates": "name,date,value,day_count\nsofr,2019-10-01,0.05,360\nfx:EURUSD,2019-10-01,1.1,\n",
    "costs": "asset,first_date,commission_bp,slippage_bp,borrow_bp\n*,2019-10-01,5,1,50\n",
    "signals": "name,date,asset,weight\nmine,2019-10-15,AA,0.5\nmine,2019-10-15,BB,0.4\nmine,2019-11-15,AA,1\n",
    "schedules": "name,date,known_at\nfomc,2019-10-30,2018-06-01\n",
}
ACTION = "asset,ex_date,kind,ratio,cash,into\n"
MEMBER = "universe,asset,first_date,last_date,known_at\n"
DELISTING = "asset,date,return,kind\n"
RATE = "name,date,value,day_count\n"
COST = "asset,first_date,commission_bp,slippage_bp,borrow_bp\n"
LIFE = "asset,symbol,first_date,last_date,currency\n"
SIGNAL = "name,date,asset,weight,known_at\n"
DAYS = "name,date\n"
CHANGE = "date,action,ticker,universe\n"


@dataclass(frozen=True)
class Bad:
    """Something that is wrong with a file."""

    table: str
    text: str
    """The file."""
    says: str
    """A pattern of the refusal, or of the note."""
    noted: bool = False
    """It is stored, counted and noted."""
    dataset: str = "raw"


BAD = {
    "two lives of one ticker overlap": Bad(
        "assets", LIFE + "a1,AA,2019-01-01,2019-11-01,\na2,AA,2019-11-01,,\n", r"row 2 \(a2.*another asset's then"
    ),
    "an asset has two symbols at once": Bad(
        "assets", LIFE + "a1,AA,2019-01-01,,\na1,BB,2019-11-01,,\n", r"row 2 \(a1.*has another symbol then, by row 1"
    ),
    "a life ends before it begins": Bad(
        "assets", LIFE + "a1,AA,2019-11-01,2019-10-01,\n", "row 1 .*first_date is after its last_date.*exchange them"
    ),
    "a currency that is none": Bad("assets", LIFE + "a1,AA,2019-11-01,,usd\n", "row 1 .*three capital letters; write"),
    "an asset has two currencies": Bad(
        "assets",
        LIFE + "a1,AA,2019-01-01,2019-11-01,USD\na1,BB,2019-11-02,,EUR\n",
        r"row 2 \(a1.*it is in EUR, and in USD by row 1; an asset has one currency: correct its rows",
    ),
    "an asset is called as a hedge": Bad(
        "assets", LIFE + "fx:EUR,AA,2019-01-01,,\n", "row 1 .*begins as hedges of currencies do; call it by another"
    ),
    "a life of no symbol": Bad("assets", LIFE + "a1,,2019-11-01,,\n", "row 1 .*there is no symbol; fill in"),
    "lives of tickers without prices": Bad(
        "assets", LIFE + "a1,ZZ,2019-11-01,,\n", "prices of none of its assets, such as 'ZZ'.*ingest their prices first"
    ),
    "members of another market": Bad(
        "members", MEMBER + "X,ZZ,2019-11-01,,\n", "prices of none of its assets, such as 'ZZ'", dataset="bare"
    ),
    "a member without prices": Bad(
        "members", MEMBER + "X,ZZ,2019-11-01,,\nX,AA,2019-12-01,,\n", "member without prices of ZZ", noted=True
    ),
    "a membership ends before it begins": Bad(
        "members", MEMBER + "X,AA,2019-12-01,,\nX,CC,2019-11-02,2019-11-01,\n", r"row 2 \(X, CC.*after its last_date"
    ),
    "memberships overlap": Bad(
        "members",
        MEMBER + "Y,AA,2019-10-01,2019-11-30,\nY,AA,2019-11-30,,\n",
        "row 2 .*already, by row 1: 2019-10-01 to 2019-11-30; end the one",
    ),
    "a membership overlaps a stored one": Bad(
        "members", MEMBER + "X,BB,2019-12-01,,\n", "row 1 .*already, by a row that is stored: 2019-10-01 to now"
    ),
    "known before it began": Bad(
        "members", MEMBER + "X,AA,2019-12-01,,2019-11-30\n", "row 1 .*known_at is before the first_date.*or leave"
    ),
    "one membership with two ends": Bad(
        "members",
        MEMBER + "Y,AA,2019-10-01,2019-11-30,\nY,AA,2019-10-01,2019-12-01,\n",
        "row 2 .*else than row 1.*keep",
    ),
    "a membership of nothing": Bad("members", MEMBER + "X,,2019-12-01,,\n", "row 1 .*there is no asset"),
    "nothing names the universe": Bad(
        "members", "ticker,from\nAA,2019-12-01\n", "no column 'universe'.*universe='NAME'"
    ),
    "an asset that is removed and was never added": Bad(
        "members", CHANGE + "2019-11-01,remove,CC,Z\n", r"row 1 \(Z, CC, 2019-11-01\).*nothing says when it was added"
    ),
    "an asset that is added twice": Bad(
        "members", CHANGE + "2019-11-01,add,CC,Z\n2019-12-01,added,CC,Z\n", "row 2 .*is a member already; delete"
    ),
    "a change that is none": Bad("members", CHANGE + "2019-11-01,swap,CC,Z\n", "row 1: 'swap' neither adds"),
    "added and removed on one day": Bad(
        "members", CHANGE + "2019-11-01,add,CC,Z\n2019-11-01,remove,CC,Z\n", "row . .*added and removed on one day"
    ),
    "two dividends of one day": Bad(
        "actions", ACTION + "BB,2019-11-01,cash,,0.5,\nBB,2019-11-01,cash,,0.7,\n", "row 2 .*else than row 1.*keep one"
    ),
    "a split twice": Bad(
        "actions", ACTION + "BB,2019-11-01,split,2,,\nBB,2019-11-01,split,3,,\n", "row 2 .*something else than row 1"
    ),
    "a split of ratio 0": Bad("actions", ACTION + "BB,2019-11-01,split,0,,\n", "row 1 .*ratio is not above 0"),
    "a negative ratio": Bad("actions", ACTION + "BB,2019-11-01,stock,-0.05,,\n", "row 1 .*ratio is not above 0"),
    "a split without a ratio": Bad("actions", ACTION + "BB,2019-11-01,split,,,\n", "row 1 .*needs a ratio; write new"),
    "a dividend without cash": Bad("actions", ACTION + "BB,2019-11-01,cash,,,\n", "row 1 .*needs cash; write what"),
    "negative cash": Bad("actions", ACTION + "BB,2019-11-01,cash,,-1,\n", "row 1 .*cash is negative or infinite"),
    "an unknown kind of action": Bad("actions", ACTION + "BB,2019-11-01,bonus,1,,\n", "row 1 .*one of split, stock"),
    "a split that pays": Bad("actions", ACTION + "BB,2019-11-01,split,2,3,\n", "row 1 .*has no cash; leave cash empty"),
    "a dividend in shares of another": Bad(
        "actions", ACTION + "BB,2019-11-01,cash,,3,AA\n", "row 1 .*has no into; leave into empty"
    ),
    "a spin-off of unknown shares": Bad(
        "actions", ACTION + "BB,2019-11-01,spinoff,0.5,,ZZ\n", "row 1 .*no prices of 'ZZ'.*ingest its"
    ),
    "a spin-off of nothing": Bad("actions", ACTION + "BB,2019-11-01,spinoff,0.5,,\n", "row 1 .*of which shares; name"),
    "a spin-off of itself": Bad("actions", ACTION + "BB,2019-11-01,spinoff,0.5,,BB\n", "row 1 .*shares of itself"),
    "a merger that gives nothing": Bad("actions", ACTION + "BB,2019-11-01,merger,,0,\n", "row 1 .*a merger needs cash"),
    "a merger into shares without a ratio": Bad(
        "actions", ACTION + "BB,2019-11-01,merger,,3,AA\n", "row 1 .*merges into, and no ratio"
    ),
    "two mergers of one asset": Bad(
        "actions", ACTION + "BB,2019-11-01,merger,,3,\nBB,2019-12-02,merger,,3,\n", "row 2 .*merged already, by row 1"
    ),
    "actions of adjusted prices": Bad(
        "actions", ACTION + "BB,2019-11-01,cash,,1,\n", "count twice.*--dataset adj --adjusted false", dataset="adj"
    ),
    "a split without its jump": Bad(
        "actions", ACTION + "BB,2019-12-02,split,10,,\n", "split without its jump of BB on 2019-12-02 .10.", noted=True
    ),
    "an action that comes late": Bad(
        "actions", ACTION + "BB,2019-10-02,cash,,0.1,\n", "1 late .*restatements.*late actions", noted=True
    ),
    "a delisting before the last price": Bad(
        "delistings",
        DELISTING + "AA,2019-11-29,-0.5,performance\n",
        f"row 1 .*go on until {LAST}.*closed on 2019-11-29.*correct",
    ),
    "two delistings": Bad(
        "delistings",
        DELISTING + f"AA,{LAST},-0.5,unknown\nAA,2019-12-24,-0.5,unknown\n",
        f"row 2 .*already, by row 1 on {LAST}",
    ),
    "a delisting beside the stored one": Bad(
        "delistings", DELISTING + "CC,2019-12-24,-0.5,unknown\n", "row 1 .*delisted already, by a row that is stored"
    ),
    "a return below -1": Bad("delistings", DELISTING + f"AA,{LAST},-55,unknown\n", "row 1 .*below -1.*a fraction"),
    "a return that looks like percent": Bad(
        "delistings", DELISTING + f"AA,{LAST},55,unknown\n", "return like percent of AA", noted=True
    ),
    "an unknown kind of delisting": Bad(
        "delistings", DELISTING + f"AA,{LAST},-0.5,boredom\n", "row 1 .*write one of performance, merger, unknown"
    ),
    "a delisting that is neither in the prices nor not": Bad(
        "delistings", f"asset,date,included\nAA,{LAST},maybe\n", "row 1: 'maybe' is neither true nor false"
    ),
    "a rate in percent": Bad("rates", RATE + "tbill,2019-10-01,5,365\n", "rate like percent of tbill", noted=True),
    "a rate with a percent sign": Bad("rates", RATE + "tbill,2019-10-01,5%,365\n", "row 1: '5%' is not a number.*0.05"),
    "an unknown day count": Bad("rates", RATE + "tbill,2019-10-01,0.05,30\n", "row 1 .*neither 360 nor 365; write 360"),
    "no day count": Bad("rates", "name,date,value\ntbill,2019-10-01,0.05\n", "row 1 .*neither 360 nor 365"),
    "a rate of nothing": Bad("rates", RATE + "tbill,2019-10-01,,365\n", "row 1 .*there is no value"),
    "a misnamed exchange": Bad("rates", RATE + "fx:EUR/USD,2019-10-01,1.1,\n", "row 1 .*write such as fx:EURUSD"),
    "an exchange of a currency for itself": Bad("rates", RATE + "fx:EUREUR,2019-10-01,1.1,\n", "row 1 .*is called fx:"),
    "an exchange at nothing": Bad("rates", RATE + "fx:EURUSD,2019-10-02,0,\n", "row 1 .*not above 0"),
    "an exchange with a day count": Bad("rates", RATE + "fx:EURUSD,2019-10-02,1.1,360\n", "row 1 .*has no day_count"),
    "two rates of one day": Bad("rates", RATE + "t,2019-10-02,0.01,360\nt,2019-10-02,0.02,360\n", "row 2 .*than row 1"),
    "a day to decide on of no name": Bad("schedules", DAYS + ",2019-10-30\n", "row 1 .*there is no name; fill in"),
    "a day to decide on of no date": Bad("schedules", DAYS + "fomc,\n", "row 1 .*there is no date; fill in"),
    "a day to decide on that is none": Bad("schedules", DAYS + "fomc,2019-10-30\nfomc,may\n", "row 2: 'may' is not a"),
    "a day to decide on of no market": Bad("schedules", DAYS + "fomc,1492-10-12\n", "row 1 .*before 1800-01-01"),
    "days to decide on without a date": Bad("schedules", "name,known_at\nfomc,2019-10-30\n", "date"),
    "a day to decide on before all prices": Bad(
        "schedules", DAYS + "early,2019-09-01\nearly,2019-11-01\n", "days before prices of early", noted=True
    ),
    "a negative cost": Bad("costs", COST + "AA,2019-11-01,-1,,\n", "row 1 .*commission_bp is negative, or"),
    "a cost above all that is traded": Bad("costs", COST + "AA,2019-11-01,,,20000\n", "row 1 .*borrow_bp is neg"),
    "costs twice": Bad("costs", COST + "AA,2019-11-01,1,,\nAA,2019-11-01,2,,\n", "row 2 .*something else than row 1"),
    "a weight that is none": Bad("signals", SIGNAL + "s,2019-11-01,AA,NaN,\n", "row 1 .*no weight; fill in the weight"),
    "an infinite weight": Bad("signals", SIGNAL + "s,2019-11-01,AA,inf,\n", "row 1 .*weight is infinite; write"),
    "weights above one": Bad(
        "signals",
        SIGNAL + "s,2019-11-01,AA,0.6,\ns,2019-11-01,BB,0.6,\n",
        "signal 's' on 2019-11-01 sum to 1.2, wanted at most 1; write fractions",
    ),
    "weights in percent": Bad("signals", SIGNAL + "s,2019-11-01,AA,60,\n", "row 1 .*sum to 60, wanted at most 1"),
    "weights above one until a short is known": Bad(
        "signals",
        SIGNAL + "s,2019-11-01,AA,1.3,\ns,2019-11-01,BB,-0.3,2019-11-08\n",
        "row 1 .*sum to 1.3, wanted at most 1",
    ),
    "a correction that makes them more than one": Bad(
        "signals", SIGNAL + "mine,2019-10-15,BB,0.7,2019-10-20\n", r"row 1 \(mine.*BB.*sum to 1.2, wanted at most 1"
    ),
    "a weight known before its date": Bad(
        "signals", SIGNAL + "s,2019-11-01,AA,0.6,2019-10-31\n", "row 1 .*known_at is before the date.*or leave known_at"
    ),
    "a weight of an unknown asset": Bad(
        "signals", SIGNAL + "s,2019-11-01,AA,0.1,\ns,2019-11-01,ZZ,0.6,\n", "row 2 .*has no prices of 'ZZ'.*ingest its"
    ),
    "two weights of one asset and date": Bad(
        "signals",
        SIGNAL + "s,2019-11-01,AA,0.1,\ns,2019-11-01,AA,0.2,\n",
        "row 2 .*something else than row 1.*keep one",
    ),
    "weights of no signal": Bad("signals", "date,asset,weight\n2019-11-01,AA,0.1\n", "nothing names the.*name='NAME'"),
    "weights of no date": Bad("signals", SIGNAL + "s,,AA,0.6,\n", "row 1 .*there is no date; fill in"),
    "weights of nothing": Bad("signals", SIGNAL + "s,2019-11-01,,0.6,\n", "row 1 .*there is no asset; fill in"),
    "no weights": Bad("signals", "name,date,asset\ns,2019-11-01,AA\n", "needs a column 'weight'.*its columns are"),
    "weights that come late": Bad(
        "signals", SIGNAL + "mine,2019-10-20,AA,0.1,\n", "1 late .*known from today on", noted=True
    ),
    "a date said anew without an asset": Bad(
        "signals", SIGNAL + "mine,2019-10-15,AA,0.5,\n", "1 stored weight of dates that.*without them: 0", noted=True
    ),
    "an empty file": Bad("members", MEMBER, "no rows beneath the header"),
    "a column that is missing": Bad("actions", "asset,kind\nAA,cash\n", "needs a column 'ex_date'.*its columns are"),
    "a column that is unknown": Bad("costs", "asset,from,colour\nAA,2019-11-01,red\n", "no column 'colour'.*rename"),
    "a column that is there twice": Bad(
        "costs",
        "asset,ticker,from\nAA,AA,2019-11-01\n",
        "'ticker' are both the asset",
    ),
    "a date that is none": Bad("costs", COST + "AA,2019-11-01,1,,\nBB,soon,1,,\n", "row 2: 'soon' is not a date"),
    "a date that nothing proves": Bad("costs", COST + "AA,01/02/2019,1,,\n", "more than one way.*date_format="),
    "a date of no market": Bad("costs", COST + "AA,1066-10-14,1,,\n", "row 1 .*before 1800-01-01.*correct"),
    "text in a column of numbers": Bad("costs", COST + "AA,2019-11-01,1,,\nBB,2019-11-01,x,,\n", "row 2: 'x' is not a"),
    "an unprintable name": Bad("costs", COST + "A\x07A,2019-11-01,1,,\n", "row 1 .*unprintable character; remove it"),
    "a name that is too long": Bad("costs", COST + f"{LONG},2019-11-01,1,,\n", "row 1 .*more than 256 characters"),
    "a table of no dataset": Bad(
        "costs",
        COST + "AA,2019-11-01,1,,\n",
        "no dataset 'raws'.*; did you mean 'raw'",
        dataset="raws",
    ),
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse with raw prices that have tables, adjusted ones, and prices without tables."""
    folder = tmp_path_factory.mktemp("bad")
    for name in ("raw", "adj", "bare"):
        metabt.ingest(FRAME, dataset=name, lakehouse=folder / "lake", adjusted=name == "adj")
    for table, text in STORED.items():
        (folder / f"{table}.csv").write_text(text)
        metabt.ingest(folder / f"{table}.csv", dataset="raw", lakehouse=folder / "lake", table=table)
    return folder / "lake"


@pytest.fixture(scope="module")
def watch(lake: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a reading connection to it, which sees what others commit."""
    with attach(lake, read_only=True) as con:
        yield con


@pytest.fixture
def unchanged(lake: Path, watch: duckdb.DuckDBPyConnection) -> Iterator[Path]:
    """Return the lakehouse, and check afterwards that nothing of it changed: every commit makes a snapshot."""
    before = snapshot(watch)
    yield lake
    assert snapshot(watch) == before


@pytest.mark.parametrize("what", BAD)
def test_a_bad_row_is_refused_with_its_cure_or_counted_and_noted(what: str, unchanged: Path, tmp_path: Path) -> None:
    bad = BAD[what]
    file = tmp_path / "bad.csv"
    file.write_text(bad.text)
    if bad.noted:
        copy = Path(shutil.copytree(unchanged, tmp_path / "lake"))
        report = metabt.ingest(file, dataset=bad.dataset, lakehouse=copy, table=bad.table)
        matches(bad.says, str(report))
        with attach(copy, read_only=True) as con:
            after = load_point_in_time(con, ["raw"])["raw"].tables
        assert len(after[bad.table]) == report.rows > STORED[bad.table].count("\n") - 1
        return
    with pytest.raises(MetabtError) as refused:
        metabt.ingest(file, dataset=bad.dataset, lakehouse=unchanged, table=bad.table)
    matches(bad.says, str(refused.value))
    assert "; " in str(refused.value)  # the cure


def matches(pattern: str, said: str) -> None:
    assert re.search(pattern, said, flags=re.DOTALL), said


def test_there_are_at_least_forty() -> None:
    assert len(BAD) >= 40 and sum(bad.noted for bad in BAD.values()) >= 5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"close": "x"}, "close: of prices, and table 'costs' has none; leave close out"),
        ({"returns": True, "panel": "none"}, "returns, panel: of prices"),
        ({"symbol_name": "AA", "rescale": True}, "symbol_name, rescale: of prices"),
        ({"adjusted": False}, "adjusted: of prices"),
        ({"universe": "X"}, "universe: of members, and table 'costs' has no universe"),
        ({"name": "X"}, "name: of signals, and table 'costs' has none"),
        ({"table": None, "name": "X"}, "name is of the table 'signals', and these are prices; say table='signals' too"),
        ({"table": "cost"}, "no table 'cost'; did you mean 'costs'"),
    ],
)
def test_options_of_prices_are_refused_by_name(unchanged: Path, options: dict[str, object], says: str) -> None:
    rows = pd.DataFrame({"asset": ["AA"], "from": ["2019-11-01"]})
    with pytest.raises(MetabtError, match=says):
        metabt.ingest(rows, **{"dataset": "raw", "lakehouse": unchanged, "table": "costs", **options})


def test_actions_and_adjusted_prices_exclude_each_other(unchanged: Path) -> None:
    with pytest.raises(MetabtError, match="has 2 actions, which adjusted prices would count twice.*--table actions"):
        restate(unchanged, "raw", adjusted=True)
    for name, other in (("raw", True), ("adj", False)):
        with pytest.raises(MetabtError, match=f"state it anew without a file: metabt ingest --dataset {name} --adj"):
            metabt.ingest(FRAME, dataset=name, lakehouse=unchanged, adjusted=other)
    assert ingest(unchanged, "adj", FRAME).unchanged == 180
