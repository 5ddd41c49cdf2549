"""`metabt demo --market`: a made market from files to a backtest, and what its tables are worth.

1. Its prices and tables are written into a folder, and taken into the lakehouse: prices first, raw; then what is cheap
   to check, then what an asset is called, which the others need.
2. portfolio=market is run on them and printed.
3. The same is run in memory with one thing left out at a time: memberships, delistings, what cash earns. What that adds
   to the growth a year is printed, with the command that gives it in the lakehouse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

from metabt.cli.printing import founded, hint, show

if TYPE_CHECKING:
    from metabt.demo_market import DemoMarket

DATASET, PORTFOLIO = "market", "market"
FOLDER = "data/market"
"""Where the files go unless another folder is named."""
ORDER = ("prices", "rates", "costs", "assets", "members", "hindsight", "delistings", "actions")
"""Files in the order in which they are taken in; `hindsight` is of more members."""
BASIS_POINTS = 1e4
SLEEVES = {
    "index.sleeves.momentum": "top100",
    "index.sleeves.calm": "top100",
    "small": "dollar",
}
"""Leaves of the portfolio -> the universe of their members."""


@dataclass(frozen=True)
class Switch:
    """One thing that is left out."""

    said: str
    """What a backtest is without it."""
    overrides: tuple[str, ...] = ()
    """Settings of the portfolio that leave it out."""
    table: str | None = None
    """The table that is left out."""


SWITCHES = (
    Switch(
        "today's members in place of those of then",
        tuple(f"portfolio.sleeves.{leaf}.universe.members={name}_today" for leaf, name in SLEEVES.items()),
    ),
    Switch("without delistings: what fails is sold at its last price", table="delistings"),
    Switch("cash that earns nothing", ("portfolio.cash=0",)),
)


def market_commands(files: Mapping[str, Path], lakehouse: str | None = None) -> list[list[str]]:
    """Return the commands that take in the files of a market by name, words after `metabt`: prices first.

    Examples
    --------
    >>> market_commands({"prices": Path("p.csv"), "members": Path("m.csv")})[0]
    ['ingest', 'p.csv', '--dataset', 'market', '--adjusted', 'false']
    """
    found = []
    for name in ORDER:
        if name in files:
            of_table = ["--table", "members" if name == "hindsight" else name]
            kind = ["--adjusted", "false"] if name == "prices" else of_table
            found.append(["ingest", str(files[name]), "--dataset", DATASET, *kind, *_at(lakehouse)])
    return found


def switch_commands(switch: Switch, files: Mapping[str, Path], lakehouse: str | None = None) -> list[list[str]]:
    """Return the commands that run the portfolio without something, and put back what they take away."""
    run = ["backtest", PORTFOLIO, *switch.overrides, *_at(lakehouse)]
    if switch.table is None:
        return [run]
    back = market_commands({switch.table: files[switch.table]}, lakehouse)
    return [["drop", DATASET, "--table", switch.table, *_at(lakehouse)], run, *back]


def demo_market(
    lakehouse: str | None,
    backtest: Callable[..., None],
    folder: str | None = None,
    quiet: bool = False,
    catalog: str | None = None,
) -> None:
    """Write the market's files, take them in, have `backtest` run it, and print what the tables are worth."""
    from metabt.cli.data_commands import ingest
    from metabt.demo_market import demo_market as made
    from metabt.demo_market import write_market

    if not quiet:
        hint("400 listings over 30 years, made from one seed")
    market = made()
    files = write_market(market, FOLDER if folder is None else folder)
    where, catalog = founded(lakehouse, catalog)
    for name, words in zip((it for it in ORDER if it in files), market_commands(files, lakehouse), strict=True):
        if not quiet:
            hint(f"metabt {join(words)}")
        if name == "prices":
            ingest(where, [str(files[name])], DATASET, adjusted=False, catalog=catalog, quiet=quiet)
        else:
            ingest(where, [str(files[name])], DATASET, table=words[words.index("--table") + 1], quiet=quiet)
    print()
    backtest(where, [f"portfolio={PORTFOLIO}"], quiet=quiet)
    if not quiet:
        hint(f"{len(SWITCHES)} more runs, in memory: what it would be without its tables")
    show("\n".join(_told(market, where, files, lakehouse)))


def growth(market: DemoMarket, switch: Switch | None = None) -> float:
    """Return the portfolio's growth a year, a fraction, on the market in memory; with a switch, without something."""
    from metabt.api.functions import backtest
    from metabt.config import compose
    from metabt.data.point_in_time.tables import DatedTable
    from metabt.data.prices import Prices
    from metabt.demo_market import hindsight
    from metabt.values.tables import concat

    switched = Switch("") if switch is None else switch
    # prices that bear the assets' names give the bits of those of tickers with the table `assets`
    tables = {name: table for name, table in market.tables.items() if name not in ("assets", switched.table)}
    both = [dict(market.tables["members"].columns), dict(hindsight(market).columns)]
    tables["members"] = DatedTable.of("members", concat(both))
    prices = Prices(DATASET, market.dates, market.assets, market.close, market.volume)
    tree = compose([f"portfolio={PORTFOLIO}", *switched.overrides])["portfolio"]
    result = backtest(tree, {DATASET: prices}, tables=tables, adjusted=False, engine="local")
    return float(result.metrics().loc[PORTFOLIO, "cagr"])


def _told(market: DemoMarket, where: str, files: Mapping[str, Path], lakehouse: str | None) -> list[str]:
    """Return in lines what each thing that is left out is worth, with the commands that leave it out."""
    from metabt.api.functions import load

    whole = float(load(where, PORTFOLIO).metrics().loc[PORTFOLIO, "cagr"])
    lines = ["", f"{PORTFOLIO} without them, in basis points a year more than its CAGR of {whole:.2%}"]
    for switch in SWITCHES:
        more = (growth(market, switch) - whole) * BASIS_POINTS
        commands = [f"metabt {join(words)}" for words in switch_commands(switch, files, lakehouse)]
        lines += [f"{more:+7.1f}  {switch.said}", *(f"         {it}" for it in commands)]
    return lines


def _at(lakehouse: str | None) -> list[str]:
    return [] if lakehouse is None else ["--lakehouse", lakehouse]
