"""The demo's market: write it into a folder, then the commands that take it into a lakehouse and run a portfolio."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import join

from metabt.cli.printing import hint, show

DATASET, PORTFOLIO = "market", "market"
FOLDER = "data/market"
"""Where the files go unless another folder is named."""


def market_commands(files: Mapping[str, Path], lakehouse: str | None = None) -> list[list[str]]:
    """Return the commands for the files of a market by name, words after `metabt`: prices first.

    Examples
    --------
    >>> market_commands({"prices": Path("p.csv"), "members": Path("m.csv")})[0]
    ['ingest', 'p.csv', '--dataset', 'market', '--adjusted', 'false']
    """
    at = [] if lakehouse is None else ["--lakehouse", lakehouse]
    into = {name: ["ingest", str(file), "--dataset", DATASET] for name, file in files.items()}
    prices = [*into.pop("prices"), "--adjusted", "false", *at]
    return [prices, *([*words, "--table", name, *at] for name, words in into.items()), ["backtest", PORTFOLIO, *at]]


def demo_market(lakehouse: str | None, folder: str | None = None, quiet: bool = False) -> None:
    """Write the market's files, and print the commands that take it from there."""
    from metabt.demo_market import demo_market as made
    from metabt.demo_market import write_market

    if not quiet:
        hint("400 listings over 30 years, made from one seed")
    files = write_market(made(), FOLDER if folder is None else folder)
    for words in market_commands(files, lakehouse):
        show(f"metabt {join(words)}")
