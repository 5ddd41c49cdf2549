"""Random markets with everything that can be dated beside prices, and random trees over them: plain data, seeded.

A market has two datasets, one of raw closes and one of adjusted ones. What is drawn is what real data have: listings
that begin and end, prices that are missing, actions on days without a session, delistings with and without a return,
members that come back, ends that were known later than the date, costs by asset, and in every third market assets in
two currencies. Who reads it (the oracle, metabt) is
not its business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from metabt.data.point_in_time.tables import COLUMNS, DATE, FLAG, NUMBER, TEXT, DatedTable
from metabt.values.tables import Coded

Rows = list[dict[str, object]]

RAW, ADJUSTED = "listed", "funds"
"""The two datasets of a market."""
FIRST = "2019-01-02"
KINDS = ("performance", "merger", "unknown")


@dataclass(frozen=True)
class RandomMarket:
    """Prices and tables by dataset."""

    prices: dict[str, pd.DataFrame]
    """Dataset -> closes, sessions x assets, NaN where there is none."""
    volumes: dict[str, pd.DataFrame]
    """Dataset -> shares traded, of the same shape."""
    tables: dict[str, dict[str, Rows]]
    """Dataset -> table -> rows."""
    adjusted: dict[str, bool]

    def dated(self) -> dict[str, dict[str, DatedTable]]:
        """Return the tables as metabt has them in memory; a table without rows is left out."""
        return {
            dataset: {name: dated_table(name, rows) for name, rows in of.items() if rows}
            for dataset, of in self.tables.items()
        }


def dated_table(name: str, rows: Sequence[Mapping[str, object]]) -> DatedTable:
    """Return rows as a table of metabt's."""
    kinds = COLUMNS[name]
    listed = {column: [row[column] for row in rows] for column in kinds}
    made = {
        TEXT: lambda values: Coded.of(["" if v is None else str(v) for v in values]),
        DATE: lambda values: np.array(["NaT" if v is None else str(v) for v in values], "datetime64[D]"),
        NUMBER: lambda values: np.array([np.nan if v is None else v for v in values], float),
        FLAG: lambda values: np.array(values, bool),
    }
    columns = {column: made[kind](listed[column]) for column, kind in kinds.items()}
    nulls = {
        column: Coded(np.where(np.array([v is None for v in listed[column]]), -1, texts.codes), texts.values)
        for column, texts in columns.items()
        if isinstance(texts, Coded)
    }
    return DatedTable.of(name, {**columns, **nulls})


def random_market(seed: int) -> RandomMarket:
    """Return a market of 8 to 25 assets and 2 to 4 years, the same for the same seed."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range(FIRST, periods=int(rng.integers(520, 1040)))
    days = days[rng.random(len(days)) > 0.02]  # holidays
    listed = [f"L{i:02d}" for i in range(rng.integers(6, 18))]
    funds = [f"F{i}" for i in range(rng.integers(2, 8))]
    sparse = days[days.day_of_week % 2 == 0] if rng.random() < 0.5 else days
    prices = {RAW: walks(rng, days, listed), ADJUSTED: walks(rng, sparse, funds)}
    tables: dict[str, dict[str, Rows]] = {name: {} for name in prices}
    ends = {name: cut(rng, frame) for name, frame in prices.items()}
    tables[RAW]["actions"] = actions(rng, prices[RAW], ends[RAW])
    for name, frame in prices.items():
        merged = {row["asset"] for row in tables[name].get("actions", []) if row["kind"] == "merger"}
        tables[name]["delistings"] = delistings(rng, frame, [s for s in ends[name] if s not in merged])
        tables[name]["members"] = members(rng, frame)
        tables[name]["costs"] = costs(rng, frame)
    tables[RAW]["rates"] = rates(rng, days)
    volumes = {name: volume(rng, frame) for name, frame in prices.items()}
    if abroad(seed):
        apart = np.random.default_rng([seed, 2])  # the rest of the market is what it is without currencies
        for name, frame in prices.items():
            tables[name]["assets"] = assets(apart, frame)
        tables[RAW]["rates"] += exchanges(apart, days)
    return RandomMarket(prices, volumes, tables, {RAW: False, ADJUSTED: True})


def walks(rng: np.random.Generator, days: pd.DatetimeIndex, symbols: list[str]) -> pd.DataFrame:
    """Return correlated random walks, some of which begin late, with cells missing at random."""
    shocks = rng.normal(size=(len(days), len(symbols))) + 0.5 * rng.normal(size=(len(days), 1))
    frame = pd.DataFrame(np.exp(np.cumsum(0.015 * shocks, axis=0)) * rng.uniform(5, 90, len(symbols)), days, symbols)
    frame = frame.mask(rng.random(frame.shape) < 0.02)
    for symbol in symbols[1::3]:
        frame.loc[frame.index[: rng.integers(0, len(days) // 2)], symbol] = np.nan
    return frame


def cut(rng: np.random.Generator, frame: pd.DataFrame) -> list[str]:
    """Take away the prices of some symbols after a session, in place; return which."""
    ended = [symbol for symbol in frame.columns[1:] if rng.random() < 0.4]
    for symbol in ended:
        frame.loc[frame.index[rng.integers(len(frame) // 2, len(frame) - 12) :], symbol] = np.nan
    return ended


def text(date: pd.Timestamp) -> str:
    """Return a date as tables have it."""
    return str(date.date())


def actions(rng: np.random.Generator, frame: pd.DataFrame, ended: list[str]) -> Rows:
    """Return actions, a split's jump being put into the prices, in place; none lies after its asset's last price."""
    rows = [row for asset in frame.columns for row in split_rows(rng, frame, asset)]
    received = frame.columns[0]  # it is there from the first days on, and to the end

    def price(asset: str, date: pd.Timestamp) -> float:
        return float(frame[asset].loc[:date].dropna().iloc[-1])

    for asset in frame.columns:
        seen = frame[asset].dropna().index
        with_split = sorted({row["ex_date"] for row in rows if row["asset"] == asset})
        dates = {day_between(rng, seen) for _ in range(rng.integers(0, 9))}
        dates |= {pd.Timestamp(date) for date in with_split if rng.random() < 0.5}  # a split and cash on one day
        for date in sorted(dates):
            rows.append(action(asset, date, "cash", cash=float(rng.uniform(0.002, 0.03)) * price(asset, date)))
        date = day_between(rng, seen)
        if asset != received and rng.random() < 0.25 and text(date) not in with_split:
            worth = float(rng.uniform(0.05, 0.2)) * price(asset, date)
            rows.append(action(asset, date, "spinoff", ratio=worth / price(received, date), into=received))
    for asset in ended:
        if rng.random() < 0.4:
            last = frame[asset].dropna().index[-1]
            worth = price(asset, last) * float(rng.uniform(0.9, 1.3))
            share = float(rng.choice([0.0, 0.4, 1.0]))
            got = {"ratio": share * worth / price(received, last), "into": received} if share else {}
            paid = {"cash": (1 - share) * worth} if share < 1 else {}
            rows.append(action(asset, last + pd.Timedelta(days=int(rng.integers(0, 5))), "merger", **got, **paid))
    return rows


def split_rows(rng: np.random.Generator, frame: pd.DataFrame, asset: str) -> Rows:
    """Return splits and stock dividends of an asset, whose prices are divided from their dates on, in place."""
    seen = frame[asset].dropna().index
    rows: Rows = []
    for date in sorted({day_between(rng, seen) for _ in range(rng.integers(0, 4))}):
        kind = str(rng.choice(["split", "stock"]))
        ratio = float(rng.choice([2.0, 10.0, 0.2])) if kind == "split" else 0.05
        frame.loc[date:, asset] /= ratio if kind == "split" else 1.0 + ratio
        rows.append(action(asset, date, kind, ratio=ratio))
    return rows


def day_between(rng: np.random.Generator, seen: pd.DatetimeIndex) -> pd.Timestamp:
    """Return a day from the first of some sessions to the last, weekends too."""
    return seen[0] + pd.Timedelta(days=int(rng.integers(0, (seen[-1] - seen[0]).days + 1)))


def action(asset: str, date: pd.Timestamp, kind: str, **values: object) -> dict[str, object]:
    """Return a row of actions."""
    return {"asset": asset, "ex_date": text(date), "kind": kind, "ratio": None, "cash": None, "into": None, **values}


def delistings(rng: np.random.Generator, frame: pd.DataFrame, ended: list[str]) -> Rows:
    """Return delistings of most of those that ended, on or after their last price."""
    rows: Rows = []
    for asset in ended:
        if rng.random() < 0.85:
            date = frame[asset].dropna().index[-1] + pd.Timedelta(days=int(rng.integers(0, 8)))
            final = [None, -0.55, -1.0, 0.1, 0.0][rng.integers(0, 5)]
            included = final is not None and bool(rng.random() < 0.25)
            kind = str(rng.choice(KINDS))
            rows.append({"asset": asset, "date": text(date), "return": final, "kind": kind, "included": included})
    return rows


def members(rng: np.random.Generator, frame: pd.DataFrame) -> Rows:
    """Return the spells of each asset in two universes; where an end became known later there are two rows."""
    rows: Rows = []
    days = frame.index
    for universe in ("core", "wide"):
        for asset in frame.columns:
            at = int(rng.integers(0, 60)) if rng.random() < 0.7 else int(rng.integers(60, len(days) - 60))
            for _ in range(rng.integers(1, 4)):
                stop = at + int(rng.integers(20, 300))
                if stop >= len(days) - 5:
                    stop = -1
                first = text(days[at] - pd.Timedelta(days=int(rng.integers(0, 3))))
                known = text(pd.Timestamp(first) + pd.Timedelta(days=int(rng.integers(-9, 6))))
                spell = {"universe": universe, "asset": asset, "first_date": first}
                if stop < 0:
                    rows.append({**spell, "last_date": None, "known_at": known})
                    break
                last = days[stop]
                if rng.random() < 0.3:  # known from its beginning
                    rows.append({**spell, "last_date": text(last), "known_at": known})
                else:
                    rows.append({**spell, "last_date": None, "known_at": known})
                    told = max(
                        last + pd.Timedelta(days=int(rng.integers(-8, 9))), pd.Timestamp(known) + pd.Timedelta("1D")
                    )
                    rows.append({**spell, "last_date": text(last), "known_at": text(told)})
                at = stop + int(rng.integers(10, 120))
                if at >= len(days) - 5:
                    break
    return rows


def costs(rng: np.random.Generator, frame: pd.DataFrame) -> Rows:
    """Return costs of all and of some, some of them with nothing in a column."""
    rows: Rows = []
    for asset in ["*", *(symbol for symbol in frame.columns if rng.random() < 0.4)]:
        for at in sorted(rng.choice(len(frame), rng.integers(1, 4), replace=False).tolist()):
            values = [float(rng.uniform(0, 40)) if rng.random() < 0.8 else None for _ in range(3)]
            columns = dict(zip(("commission_bp", "slippage_bp", "borrow_bp"), values, strict=True))
            rows.append({"asset": asset, "first_date": text(frame.index[at]), **columns})
    return rows


def rates(rng: np.random.Generator, days: pd.DatetimeIndex) -> Rows:
    """Return two cash rates by month: one from before the first session, and one from a while after it."""
    months = pd.date_range(days[0] - pd.Timedelta(days=40), days[-1], freq="MS")
    usd = [
        {"name": "usd", "date": text(t), "value": float(rng.uniform(-0.01, 0.06)), "day_count": 360.0} for t in months
    ]
    late = months[int(rng.integers(3, 9)) :]
    return usd + [
        {"name": "late", "date": text(t), "value": float(rng.uniform(0, 0.1)), "day_count": 365.0} for t in late
    ]


def abroad(seed: int) -> bool:
    """Return whether assets of a market are in currencies."""
    return seed % 3 == 0


def assets(rng: np.random.Generator, frame: pd.DataFrame) -> Rows:
    """Return most assets, under the symbols that they have, with the currencies that some of them are in."""
    return [
        {
            "asset": asset,
            "symbol": asset,
            "first_date": "2000-01-01",
            "last_date": None,
            "currency": pick(rng, ["EUR", "EUR", "USD", None]),
            "known_at": "2000-01-01",
        }
        for asset in frame.columns
        if rng.random() < 0.8
    ]


def exchanges(rng: np.random.Generator, days: pd.DatetimeIndex) -> Rows:
    """Return rates of exchange, on weekends too and not on all days, from about the first session; what euros earn."""
    name, first = pick(rng, ["fx:EURUSD", "fx:USDEUR"]), days[0] + pd.Timedelta(days=int(rng.integers(-30, 60)))
    dates = pd.date_range(first, days[-1])
    dates = dates[rng.random(len(dates)) < 0.7]
    values = 1.1 * np.exp(np.cumsum(rng.normal(0, 0.006, len(dates))))
    paid = [
        {"name": "eur", "date": text(t), "value": float(rng.uniform(-0.01, 0.04)), "day_count": 360.0}
        for t in pd.date_range(days[0], days[-1], freq="QS")
    ]
    return paid + [
        {"name": name, "date": text(t), "value": float(value), "day_count": None}
        for t, value in zip(dates, values, strict=True)
    ]


def volume(rng: np.random.Generator, frame: pd.DataFrame) -> pd.DataFrame:
    """Return shares traded where there is a price, some of them unknown."""
    traded = pd.DataFrame(np.rint(np.exp(rng.normal(10, 1, frame.shape))), frame.index, frame.columns)
    return traded.where(frame.notna() & (rng.random(frame.shape) > 0.02))


def random_tree(seed: int, market: RandomMarket) -> dict[str, object]:
    """Return a tree of one to three levels over the market, the same for the same seed."""
    rng = np.random.default_rng([seed, 1])
    tree = leaf(rng, market) if rng.random() < 0.2 else meta(rng, market, int(rng.integers(1, 3)))
    cash: dict[str, object] = {}
    if rng.random() < 0.8:
        rate = [0.05, "usd", "late"][rng.integers(0, 3)]
        cash["rate"] = rate if RAW in read(tree) else 0.05  # the other dataset has no rates
    if rng.random() < 0.4:
        cash["reserve"] = float(rng.choice([0.05, 0.2]))
    base: dict[str, object] = {}
    if abroad(seed) and RAW in read(tree):
        apart = np.random.default_rng([seed, 3])
        base["currency"] = pick(apart, ["USD", "EUR"])
        if "rate" in cash and apart.random() < 0.7:
            base["hedged"] = pick(apart, [True, {"EUR": "late", "USD": 0.02}])
    return {"name": "root", **tree, **({"cash": cash} if cash else {}), **base}


def read(tree: Mapping[str, object]) -> set[object]:
    """Return the datasets that a tree reads."""
    beneath = tree.get("sleeves")
    if not isinstance(beneath, Mapping):
        return {tree["dataset"]}
    return set().union(*(read(child) for child in beneath.values()))


def pick(rng: np.random.Generator, items: Sequence[object]) -> object:
    """Return one of some items."""
    return items[int(rng.integers(0, len(items)))]


def rules(rng: np.random.Generator) -> dict[str, object]:
    """Return what every sleeve states."""
    found: dict[str, object] = {
        "schedule": pick(rng, [{"every": 7}, {"every": 20}, "weekly", "monthly", "quarterly"]),
        "lookback": int(rng.integers(8, 40)),
        "lag": int(rng.integers(0, 3)),
        "costs": {"commission_bp": float(rng.uniform(0, 20)), "borrow_bp": float(rng.uniform(0, 300))},
    }
    return {**found, "cash": {"reserve": 0.1}} if rng.random() < 0.2 else found


def leaf(rng: np.random.Generator, market: RandomMarket) -> dict[str, object]:
    """Return a leaf over a list, a membership or a rule."""
    dataset = RAW if rng.random() < 0.7 else ADJUSTED
    symbols = list(market.prices[dataset].columns)
    few = sorted(str(s) for s in rng.choice(symbols, min(4, len(symbols)), replace=False))
    rule: dict[str, object] = {
        "largest": int(rng.integers(2, 7)),
        "by": pick(rng, ["dollar_volume", "close"]),
        "lookback": int(rng.integers(5, 60)),
        "min_price": float(rng.uniform(0, 20)),
        "min_prices": int(rng.integers(1, 120)),
    }
    if rng.random() < 0.5:
        rule["members"] = pick(rng, ["core", "wide"])
    universe = pick(rng, [few, "all", {"members": "core"}, {"members": "wide"}, rule, rule])
    kinds: list[object] = ["equal", "inverse_volatility", {"name": "inverse_volatility", "max_weight": 0.6}]
    found = {
        **rules(rng),
        "dataset": dataset,
        "universe": universe,
        "optimizer": "min_variance" if universe is few and rng.random() < 0.5 else pick(rng, kinds),
        "selector": pick(rng, ["all", "all", {"name": "top_k", "k": 3, "by": "momentum"}]),
        "direction": "short" if rng.random() < 0.2 else "long",
        "min_coverage": pick(rng, [1.0, 0.7]),
        "stale_after": int(rng.integers(2, 8)),
    }
    if rng.random() < 0.5:
        found["delisting"] = {kind: float(rng.uniform(-0.6, 0.1)) for kind in KINDS if rng.random() < 0.7}
    return found


def meta(rng: np.random.Generator, market: RandomMarket, depth: int) -> dict[str, object]:
    """Return a meta sleeve of two or three children."""
    children = [
        meta(rng, market, depth - 1) if depth > 1 and rng.random() < 0.5 else leaf(rng, market)
        for _ in range(rng.integers(2, 4))
    ]
    kinds = ["equal", "inverse_volatility", {"name": "inverse_volatility", "max_weight": 0.7}]
    return {**rules(rng), "optimizer": pick(rng, kinds), "sleeves": {f"s{i}": it for i, it in enumerate(children)}}


def with_signals(seed: int, market: RandomMarket) -> RandomMarket:
    """Return a market with signals: `alpha` is long, `tilt` has shorts; some are told late, some corrected."""
    rng = np.random.default_rng([seed, 4])
    tables = {name: {**own, "signals": signals(rng, market.prices[name])} for name, own in market.tables.items()}
    return RandomMarket(market.prices, market.volumes, tables, market.adjusted)


def signals(rng: np.random.Generator, frame: pd.DataFrame) -> Rows:
    """Return weights of two signals, whose sums are never above one, whichever of their rows are known."""
    rows: Rows = []
    first, last = frame.index[0] - pd.Timedelta(days=9), frame.index[-1] + pd.Timedelta(days=9)
    for name in ("alpha", "tilt"):
        days = sorted({first + pd.Timedelta(days=int(rng.integers(0, (last - first).days))) for _ in range(25)})
        days = sorted({*days, *(day + pd.Timedelta(days=1) for day in days[::6])})  # two that fall to one session
        for date in days:
            late = int(rng.integers(1, 60)) if rng.random() < 0.2 else 0
            some = rng.choice(frame.columns, int(rng.integers(1, min(6, len(frame.columns)) + 1)), replace=False)
            for asset in sorted(map(str, some)):
                weight = float(rng.uniform(0, 1 / len(some))) * float(rng.random() > 0.1)
                weight *= float(rng.choice([1.0, -0.8])) if name == "tilt" else 1.0
                known = date + pd.Timedelta(days=late)
                row = {"name": name, "date": text(date), "asset": asset, "weight": weight, "known_at": text(known)}
                rows.append(row)
                if rng.random() < 0.1:
                    told = text(known + pd.Timedelta(days=int(rng.integers(1, 40))))
                    rows.append({**row, "weight": weight * float(rng.uniform(0, 1)), "known_at": told})
    return rows


def outside_tree(seed: int, market: RandomMarket) -> dict[str, object]:
    """Return the random tree of a seed with signals in place of about half of its leaves, of one at least."""
    rng = np.random.default_rng([seed, 5])
    tree = random_tree(seed, market)
    found = swapped(rng, tree, market)
    while not any("signal" in leaf for leaf in bottom(found)):
        found = swapped(rng, tree, market)
    return found


def bottom(tree: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Return the leaves of a tree."""
    beneath = tree.get("sleeves")
    return [leaf for child in beneath.values() for leaf in bottom(child)] if isinstance(beneath, Mapping) else [tree]


def swapped(rng: np.random.Generator, tree: Mapping[str, object], market: RandomMarket) -> dict[str, object]:
    """Return a tree in which some leaves take their weights from a signal of their dataset."""
    beneath = tree.get("sleeves")
    if isinstance(beneath, Mapping):
        return {**tree, "sleeves": {name: swapped(rng, child, market) for name, child in beneath.items()}}
    if rng.random() < 0.5:
        return dict(tree)
    kept = ("name", "dataset", "lag", "costs", "cash", "stale_after", "delisting")
    name = str(rng.choice(["alpha", "tilt"]))
    start = market.prices[str(tree["dataset"])].index[int(rng.integers(0, 120))]
    return {
        **{key: tree[key] for key in kept if key in tree},
        "signal": name,
        **({"short": True} if name == "tilt" else {}),
        **({"start": text(start)} if rng.random() < 0.3 else {}),
    }
