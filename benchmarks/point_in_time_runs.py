"""What point-in-time data cost a run, as ratios: `python benchmarks/point_in_time_runs.py [--rounds 5] [--assets 25]`.

W2's shape (20 sleeves of 25 assets over 20 years, equal risk contribution above the leaves), walked

1. on adjusted closes, without a table;
2. on raw closes with quarterly dividends and a split of every asset, costs by asset and a cash rate;
3. as 1., each leaf a membership of its 25 assets that all belong to all along, and as 1., by a rule that draws all.

They take turns; printed are the ratios of the fastest rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

import metabt
from benchmarks.works import factor_closes
from metabt.data.point_in_time.tables import DatedTable, PointInTime
from metabt.data.prices import Prices
from metabt.lakehouse.price_source import Frames
from metabt.values.tables import Coded

DAYS = np.busday_offset(np.datetime64("2000-01-03"), np.arange(5040))
RULES = {"schedule": {"every": 21}, "lookback": 252, "lag": 0}


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sleeves", type=int, default=20)
    parser.add_argument("--assets", type=int, default=25, help="of each sleeve")
    args = parser.parse_args()
    symbols = tuple(f"A{i:05d}" for i in range(args.sleeves * args.assets))
    adjusted = factor_closes(len(DAYS), len(symbols))
    raw, tables = unadjusted(adjusted, symbols)
    groups = [symbols[k : k + args.assets] for k in range(0, len(symbols), args.assets)]
    listed, ruled = [list(group) for group in groups], [{"min_price": 1e-9, "of": list(group)} for group in groups]
    named = [{"members": f"s{k}"} for k in range(len(groups))]
    plain, dated = Prices("market", DAYS, symbols, adjusted), Prices("market", DAYS, symbols, raw)
    runs: dict[str, Callable[[], metabt.Result]] = {
        "adjusted": lambda: metabt.backtest(tree(listed), Frames({"market": plain})),
        "raw, all tables": lambda: metabt.backtest(
            {**tree(listed), "cash": "usd"}, Frames({"market": dated}).with_tables({"market": tables})
        ),
        "members": lambda: metabt.backtest(
            tree(named), Frames({"market": plain}).with_tables({"market": PointInTime({"members": members(groups)})})
        ),
        "a rule": lambda: metabt.backtest(tree(ruled), Frames({"market": plain})),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(args.rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            result = run()
            seconds[name].append((result.seconds, time.perf_counter() - began))
    engine, call = (min(each[k] for each in seconds["adjusted"]) for k in (0, 1))
    print(f"{'':18}{'engine s':>10}{'x':>7}{'call s':>10}{'x':>7}")
    for name, each in seconds.items():
        own = [min(it[k] for it in each) for k in (0, 1)]
        print(f"{name:18}{own[0]:10.3f}{own[0] / engine:7.2f}{own[1]:10.3f}{own[1] / call:7.2f}")


def tree(universes: list) -> dict[str, object]:
    """Return W2's tree over some universes."""
    leaves = {f"s{k}": {**RULES, "universe": it, "optimizer": "erc"} for k, it in enumerate(universes)}
    return {"name": "w2", **RULES, "optimizer": "erc", "sleeves": leaves}


def unadjusted(adjusted: np.ndarray, symbols: tuple[str, ...]) -> tuple[np.ndarray, PointInTime]:
    """Return raw closes and the tables that make the adjusted ones' returns of them."""
    rng, raw = np.random.default_rng(0), adjusted.copy()
    rows: list[tuple[str, np.datetime64, str, float, float]] = []
    for column, symbol in enumerate(symbols):
        for at in range(int(rng.integers(30, 90)), len(DAYS), 63):
            # a dividend leaves the close lower from its day on, by what was paid
            paid = 0.005 * raw[at, column]
            raw[at:, column] *= (raw[at, column] - paid) / raw[at, column]
            rows.append((symbol, DAYS[at], "cash", np.nan, paid))
        at = int(rng.integers(500, len(DAYS) - 500))
        raw[at:, column] /= 2.0
        rows.append((symbol, DAYS[at], "split", 2.0, np.nan))
    names, dates, kinds, ratios, cash = zip(*rows, strict=True)
    nothing = np.full(len(rows), -1, np.int32)
    actions = {
        "asset": Coded.of(list(names)),
        "ex_date": np.array(dates),
        "kind": Coded.of(list(kinds)),
        "ratio": np.array(ratios),
        "cash": np.array(cash),
        "into": Coded(nothing, ()),
    }
    n = len(symbols)
    costs = {
        "asset": Coded.of(list(symbols)),
        "first_date": np.repeat(DAYS[:1], n),
        **{name: rng.uniform(1, 9, n) for name in ("commission_bp", "slippage_bp", "borrow_bp")},
    }
    months = np.arange("2000-01", "2020-01", dtype="datetime64[M]").astype("datetime64[D]")
    rates = {
        "name": Coded.constant("usd", len(months)),
        "date": months,
        "value": rng.uniform(0, 0.05, len(months)),
        "day_count": np.full(len(months), 360.0),
    }
    tables = {"actions": actions, "costs": costs, "rates": rates}
    return raw, PointInTime({name: DatedTable.of(name, it) for name, it in tables.items()}, adjusted=False)


def members(groups: list[tuple[str, ...]]) -> DatedTable:
    """Return memberships of which every asset is all along."""
    named = [(f"s{k}", symbol) for k, group in enumerate(groups) for symbol in group]
    first = np.repeat(DAYS[:1], len(named))
    columns = {
        "universe": Coded.of([universe for universe, _ in named]),
        "asset": Coded.of([symbol for _, symbol in named]),
        "first_date": first,
        "last_date": np.full(len(named), "NaT", "datetime64[D]"),
        "known_at": first,
    }
    return DatedTable.of("members", columns)


if __name__ == "__main__":
    main()
