"""The oracle's market with tables beside its prices: raw closes and actions, members, delistings, rates, costs.

It shares no code with metabt and reads tables as plain lists of rows, a dict each, with the columns that metabt's
tables have. Whatever is asked of it is looked for from the beginning, row by row; rates alone by bisection of dates:

1. what one share became and was paid since the last price, action by action in order of their dates;
2. the session with whose close an asset is gone, and its last return, missing ones by the policy of who holds it;
3. who is a member at a session, by the newest row known by then; a rule is evaluated on the raw closes up to it;
4. what cash earned since the session before, what a trade costs, and what a short does, by asset and date;
5. what a foreign asset earned in the currency of the tree;
6. which days a schedule decides on: an exchange's, given the days on which it is open, or those of a table;
7. what a signal from outside says at a session, by the rows known by then;
8. what a forward sold on a currency earned: the currency's move less what it costs to carry.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import pandas as pd

from tests.shared.oracle import Market, Spec

Tables = Mapping[str, Sequence[Mapping[str, object]]]
"""Table -> its rows, each a dict of the columns of that table; dates are texts, or None where there is none."""

POLICY = {"performance": -0.3, "merger": 0.0, "unknown": 0.0}
"""Return of a delisting without one, by its kind, unless a leaf says otherwise."""
FIRST = {
    "members": "universe",
    "rates": "name",
    "schedules": "name",
    "signals": "name",
    **dict.fromkeys(("assets", "actions", "delistings", "costs"), "asset"),
}
"""Table -> the column that says what a row is of."""
SPLITS = ("split", "stock")
"""Kinds of actions that change the number of shares; those of a day come before what is paid on it."""


class PointInTimeMarket(Market):
    """Prices by dataset and what is dated beside them."""

    def __init__(
        self,
        prices: Mapping[str, pd.DataFrame],
        tables: Mapping[str, Tables],
        adjusted: Mapping[str, bool] | None = None,
        volumes: Mapping[str, pd.DataFrame] | None = None,
        exchanges: Mapping[str, Sequence[pd.Timestamp]] | None = None,
    ) -> None:
        super().__init__(dict(prices))
        self.exchanges = dict(exchanges or {})
        self.datasets = list(self.dates)
        self._rows: dict[tuple[str, str, object], list[Mapping[str, object]]] = {}
        for dataset, of in tables.items():
            for table, rows in of.items():
                for row in rows:
                    self._rows.setdefault((dataset, table, row[FIRST[table]]), []).append(row)
        self.adjusted = dict(adjusted or {})
        self.volume: dict[tuple[str, str], dict[pd.Timestamp, float]] = {}
        for dataset, frame in (volumes or {}).items():
            for symbol in frame.columns:
                self.volume[dataset, symbol] = {t: float(v) for t, v in frame[symbol].items() if not math.isnan(v)}
        self._found: dict[tuple, dict[pd.Timestamp, float]] = {}
        self._rates: dict[str, tuple[list[pd.Timestamp], list[Mapping[str, object]]]] = {}

    def rows(self, dataset: str, table: str, first: str) -> list[Mapping[str, object]]:
        """Return the rows of a table that are of one asset, universe or rate."""
        return self._rows.get((dataset, table, first), [])

    # ------------------------------------------------------------------------------------------ returns

    def end(self, dataset: str, symbol: str) -> pd.Timestamp | None:
        """Return the first session on or after a delisting's date or a merger's, if the dataset has one."""
        row = self._last_row(dataset, symbol)
        return (
            None if row is None else self.session_from(dataset, day(row["date"] if "date" in row else row["ex_date"]))
        )

    def _last_row(self, dataset: str, symbol: str) -> Mapping[str, object] | None:
        """Return the row, of delistings or of actions, that ends the asset."""
        delisted = self.rows(dataset, "delistings", symbol)
        merged = [row for row in self.actions(dataset, symbol) if row["kind"] == "merger"]
        dated = [(day(row["date"]), row) for row in delisted] + [(day(row["ex_date"]), row) for row in merged]
        return min(dated, key=lambda it: it[0])[1] if dated else None

    def actions(self, dataset: str, symbol: str) -> list[Mapping[str, object]]:
        """Return the actions of an asset, none where prices are adjusted for them already."""
        return [] if self.adjusted.get(dataset, True) else self.rows(dataset, "actions", symbol)

    def session_from(self, dataset: str, date: pd.Timestamp) -> pd.Timestamp | None:
        """Return the first session on or after a date, None if there is none yet."""
        return next((t for t in self.dates[dataset] if t >= date), None)

    def returns_of(self, leaf: Spec, symbol: str) -> dict[pd.Timestamp, float]:
        """Return what a symbol earned in each session in which it has a price, or ends, in the tree's currency."""
        if symbol.startswith("fx:"):
            key = (leaf.dataset, symbol, leaf.currency, leaf.cash_rate, repr(leaf.hedged))
            if key not in self._found:
                self._found[key] = self.forward(leaf, symbol.removeprefix("fx:"))
            return self._found[key]
        key = (leaf.dataset, symbol, tuple(sorted(leaf.delisting.items())), leaf.currency)
        if key not in self._found:
            local = self.total_returns(leaf.dataset, symbol, {**POLICY, **leaf.delisting})
            self._found[key] = self.converted(leaf.dataset, symbol, local, leaf.currency)
        return self._found[key]

    def total_returns(self, dataset: str, symbol: str, policy: Mapping[str, float]) -> dict[pd.Timestamp, float]:
        """Return what a symbol earned in its own currency."""
        price = self.price[dataset, symbol]
        actions = [row for row in self.actions(dataset, symbol) if row["kind"] != "merger"]
        end, last_row = self.end(dataset, symbol), self._last_row(dataset, symbol)
        found: dict[pd.Timestamp, float] = {}
        previous: pd.Timestamp | None = None
        for t in self.dates[dataset]:
            if previous is not None and (t in price or t == end):
                shares, paid = self.became(dataset, actions, previous, t)
                if t == end and "ex_date" in last_row:
                    worth = shares * self.received(dataset, last_row, t)
                else:  # without a price what one share became is worth what the share was
                    worth = shares * price[t] if t in price else price[previous]
                found[t] = (worth + paid) / price[previous] - 1.0
                if t == end and "date" in last_row and not last_row["included"]:
                    stated = number(last_row["return"])
                    final = policy[last_row["kind"]] if stated is None else stated
                    found[t] = (1.0 + found[t]) * (1.0 + final) - 1.0
            if t == end:
                break
            if t in price:
                previous = t
        return found

    def became(
        self, dataset: str, actions: Sequence[Mapping[str, object]], after: pd.Timestamp, t: pd.Timestamp
    ) -> tuple[float, float]:
        """Return (shares that one share became, what was paid for it) by actions of (`after`, `t`]."""
        due = [row for row in actions if after < day(row["ex_date"]) <= t]
        shares, paid = 1.0, 0.0
        for row in sorted(due, key=lambda it: (day(it["ex_date"]), it["kind"] not in SPLITS)):
            if row["kind"] == "split":
                shares *= row["ratio"]
            elif row["kind"] == "stock":
                shares *= 1.0 + row["ratio"]
            elif row["kind"] == "cash":
                paid += shares * row["cash"]
            else:
                paid += shares * self.received(dataset, row, t)
        return shares, paid

    def received(self, dataset: str, row: Mapping[str, object], t: pd.Timestamp) -> float:
        """Return what one share gets in a spin-off or a merger: cash, and shares at their last close by `t`."""
        cash, ratio = number(row["cash"]) or 0.0, number(row["ratio"])
        if ratio is None:
            return cash
        closes = [p for d, p in self.price[dataset, row["into"]].items() if d <= t]
        return cash + ratio * closes[-1]

    # --------------------------------------------------------------------------------------- currencies

    def converted(
        self, dataset: str, symbol: str, local: dict[pd.Timestamp, float], base: str | None
    ) -> dict[pd.Timestamp, float]:
        """Return `(1 + r)(1 + x) - 1`, x what the asset's currency gained on `base` since its last price.

        There is none where either worth is not known yet.
        """
        own = next((row["currency"] for row in self.rows(dataset, "assets", symbol)), None)
        if base is None or own is None or own == base:
            return local
        days, found = sorted(self.price[dataset, symbol]), {}
        for t, r in local.items():
            previous = days[bisect_left(days, t) - 1]
            now, then = self.worth(own, base, t), self.worth(own, base, previous)
            if now is not None and then is not None:
                found[t] = (1.0 + r) * now / then - 1.0
        return found

    def worth(self, currency: str, base: str, t: pd.Timestamp) -> float | None:
        """Return what a unit of a currency is worth in `base` by its newest rate at or before `t`; None without one."""
        there, back = self.newest(f"fx:{currency}{base}", t), self.newest(f"fx:{base}{currency}", t)
        if there is None and back is None:
            return None
        return there["value"] if there is not None else 1.0 / back["value"]

    def tradable(self, dataset: str, symbol: str, t: pd.Timestamp) -> bool:
        """Return whether a symbol can be traded in a session; a forward can in every one."""
        return t in self.dates[dataset] if symbol.startswith("fx:") else super().tradable(dataset, symbol, t)

    def hedges(self, leaf: Spec) -> dict[str, list[str]]:
        """Return `fx:CUR` -> the symbols in that currency, of the currencies that a leaf hedges."""
        found: dict[str, list[str]] = {}
        for symbol in leaf.universe if leaf.hedged else ():
            own = next((row["currency"] for row in self.rows(leaf.dataset, "assets", symbol)), None)
            if own not in (None, leaf.currency) and (leaf.hedged is True or own in leaf.hedged):
                found.setdefault(f"fx:{own}", []).append(symbol)
        return dict(sorted(found.items()))

    def forward(self, leaf: Spec, currency: str) -> dict[pd.Timestamp, float]:
        """Return what a forward bought on a currency earns, with the cash that stands for it, in each session.

        What the currency gained, less what it was dearer forward than at the spot: money that earns here for a day buys
        at the spot what earns there for a day, or it buys forward; both are the same by parity.
        """
        abroad = currency.lower() if leaf.hedged is True else leaf.hedged[currency]
        days, found = self.dates[leaf.dataset], {}
        for previous, t in zip(days, days[1:], strict=False):
            here, there = self.paid(leaf.cash_rate, previous, t), self.paid(abroad, previous, t)
            then, now = self.worth(currency, leaf.currency, previous), self.worth(currency, leaf.currency, t)
            earned = 0.0
            if then is not None:
                forward = then * (1 + here) / (1 + there)
                earned = (now - forward) / then
            found[t] = earned + here
        return found

    def newest(self, name: str, t: pd.Timestamp) -> Mapping[str, object] | None:
        """Return the newest row of a rate at or before `t`, from whichever dataset has it."""
        dates, rows = self.dated(name)
        place = bisect_right(dates, t)
        return rows[place - 1] if place else None

    def dated(self, name: str) -> tuple[list[pd.Timestamp], list[Mapping[str, object]]]:
        """Return the dates of a rate in their order and the row of each, from whichever dataset has it."""
        if name not in self._rates:
            rows = [row for dataset in self.datasets for row in self.rows(dataset, "rates", name)]
            on = {day(row["date"]): row for row in reversed(rows)}  # of two rows of a date the one that is first told
            dates = sorted(on)
            self._rates[name] = dates, [on[date] for date in dates]
        return self._rates[name]

    # ---------------------------------------------------------------------------------------- universes

    def universe(self, dataset: str, stated: object) -> list[str]:
        """Return every symbol that a leaf may ever hold: all there are, or all that were ever members."""
        if not isinstance(stated, Mapping):
            return super().universe(dataset, stated)
        if "signal" in stated:
            return sorted({row["asset"] for row in self.rows(dataset, "signals", stated["signal"])})
        symbols = [symbol for symbol in self.symbols(dataset) if symbol in stated.get("of", [symbol])]
        if "members" not in stated:
            return symbols
        named = {row["asset"] for row in self.rows(dataset, "members", stated["members"])}
        return [symbol for symbol in symbols if symbol in named]

    def members(self, leaf: Spec, t: pd.Timestamp) -> set[str]:
        """Return those of a leaf's symbols that are of its universe at `t`."""
        stated = leaf.stated_universe
        if not isinstance(stated, Mapping):
            return set(leaf.universe)
        found = [s for s in leaf.universe if "members" not in stated or self.is_member(leaf.dataset, stated, s, t)]
        return set(self.drawn(leaf.dataset, stated, found, t))

    def is_member(self, dataset: str, stated: Mapping, symbol: str, t: pd.Timestamp) -> bool:
        """Return whether a row says so that is the newest known by `t` of those that begin on its date."""
        newest: dict[object, Mapping[str, object]] = {}
        rows = [row for row in self.rows(dataset, "members", stated["members"]) if row["asset"] == symbol]
        for row in sorted(rows, key=lambda it: day(it["known_at"])):
            if day(row["known_at"]) <= t:
                newest[row["first_date"]] = row
        return any(
            day(row["first_date"]) <= t and (row["last_date"] is None or t <= day(row["last_date"]))
            for row in newest.values()
        )

    def drawn(self, dataset: str, rule: Mapping, symbols: Sequence[str], t: pd.Timestamp) -> list[str]:
        """Return those that a rule on raw closes draws at `t`: the largest first, ties by symbol."""
        asked = {"largest", "min_price", "min_prices"} & rule.keys()
        if not asked:
            return list(symbols)
        window = [d for d in self.dates[dataset] if d <= t][-rule.get("lookback", 63) :]
        ranked = []
        for symbol in symbols:
            price, volume = self.price[dataset, symbol], self.volume.get((dataset, symbol), {})
            history = sum(d <= t for d in price)
            if t not in price or price[t] < rule.get("min_price", 0.0) or history < rule.get("min_prices", 1):
                continue
            if "largest" not in rule:
                sizes = [0.0]
            elif rule.get("by", "dollar_volume") == "close":
                sizes = [price[d] for d in window if d in price]
            else:
                sizes = [price[d] * volume[d] for d in window if d in price and d in volume]
            if sizes:
                ranked.append((-sum(sizes) / len(sizes), symbol))
        return [symbol for _, symbol in sorted(ranked)[: rule.get("largest")]]

    # ------------------------------------------------------------------------------------------ schedules

    def days(self, spec: Spec, rule: Mapping) -> list[pd.Timestamp]:
        """Return the days that a schedule decides on, from which on each of them counts."""
        if "dates" in rule:
            return self.told(spec, rule["dates"])
        open_days, on = self.exchanges[rule["exchange"]], rule["on"]
        if on in WEEKDAYS:
            return [
                self.of_week(week, WEEKDAYS.index(on)) for week in grouped(open_days, lambda d: d.isocalendar()[:2])
            ]
        period, which = on.split("_")
        groups = grouped(open_days, PERIODS_OF[period])
        return [group[-1] if which == "end" else group[0] for group in groups]

    def of_week(self, week: list[pd.Timestamp], weekday: int) -> pd.Timestamp:
        """Return the last day of a week's open ones up to a weekday, or, if there is none, the first after it."""
        upto = [d for d in week if d.weekday() <= weekday]
        return upto[-1] if upto else week[0]

    def told(self, spec: Spec, name: str) -> list[pd.Timestamp]:
        """Return the day from which on each date of a table counts, from a dataset beneath, or else from any."""
        own = sorted({leaf.dataset for leaf in spec.leaves()})
        for datasets in (own, self.datasets):
            rows = next(filter(None, (self.rows(dataset, "schedules", name) for dataset in datasets)), None)
            if rows is not None:
                dates = {row["date"] for row in rows}
                first = {date: min(day(row["known_at"]) for row in rows if row["date"] == date) for date in dates}
                return sorted(max(day(date), known) for date, known in first.items())
        raise LookupError(name)

    # ------------------------------------------------------------------------------------------ signals

    def outside(self, spec: Spec, previous: pd.Timestamp | None, t: pd.Timestamp) -> dict[str, float] | None:
        """Return the whole row of the newest date that is known at `t`, if anything of it is new since `previous`."""
        rows = self.rows(spec.dataset, "signals", spec.signal)
        if spec.start is not None and t < day(spec.start):
            return None
        if spec.start is not None and previous is not None and previous < day(spec.start):
            previous = None  # to the leaf it is the first session
        known = [row for row in rows if day(row["date"]) <= t and day(row["known_at"]) <= t]
        if not known:
            return None
        newest = max(day(row["date"]) for row in known)
        whole = sorted((row for row in known if day(row["date"]) == newest), key=lambda row: day(row["known_at"]))
        if previous is not None and all(max(newest, day(row["known_at"])) <= previous for row in whole):
            return None
        return {row["asset"]: row["weight"] for row in whole}  # of two rows about an asset the later known one

    # ----------------------------------------------------------------------------------- cash and costs

    def idle(self, spec: Spec, previous: pd.Timestamp | None, t: pd.Timestamp) -> float:
        """Return what cash earned since the `previous` session, at the rate that held on it."""
        return 0.0 if spec.cash_rate is None or previous is None else self.paid(spec.cash_rate, previous, t)

    def paid(self, rate: object, previous: pd.Timestamp, t: pd.Timestamp) -> float:
        """Return what a rate, a name or a number, pays from a session to another."""
        days = (t - previous).days
        if not isinstance(rate, str):
            return rate / 365 * days
        row = self.newest(rate, previous)
        return 0.0 if row is None else row["value"] / row["day_count"] * days

    def cost(self, spec: Spec, t: pd.Timestamp, trades: dict[str, float]) -> float:
        """Return what trades cost, each asset's at its own rate of the session."""
        return sum(
            abs(trade) * 1e-4 * sum(self.stated(spec, s, t, which) for which in ("commission_bp", "slippage_bp"))
            for s, trade in trades.items()
            if trade
        )

    def borrow(self, spec: Spec, t: pd.Timestamp, following: pd.Timestamp, positions: dict[str, float]) -> float:
        """Return the fees on shorts held from `t` to the `following` session, each at its own rate of `t`."""
        days = (following - t).days
        return sum(-h * self.stated(spec, s, t, "borrow_bp") * 1e-4 / 365 * days for s, h in positions.items() if h < 0)

    def stated(self, spec: Spec, symbol: str, t: pd.Timestamp, which: str) -> float:
        """Return basis points by the asset's newest row, else by that of all assets, else as the sleeve says."""
        forward = symbol.startswith("fx:")
        if forward:
            beneath = sorted({leaf.dataset for leaf in spec.leaves()})
            of = [name for name in beneath if self.rows(name, "costs", symbol)]
            of += [name for name in beneath if self._has_costs(name)]
            if not of or (which == "borrow_bp" and not self.rows(of[0], "costs", symbol)):
                return 0.0 if which == "borrow_bp" else spec.costs.get(which, 0.0)  # nobody lends a forward
            dataset = of[0]
        else:
            dataset = next(name for name, known in self.price if known == symbol)
        for asset in (symbol, "*"):
            rows = [row for row in self.rows(dataset, "costs", asset) if day(row["first_date"]) <= t]
            if rows:
                value = number(max(rows, key=lambda row: day(row["first_date"]))[which])
                return spec.costs.get(which, 0.0) if value is None else value
        return spec.costs.get(which, 0.0)

    def _has_costs(self, dataset: str) -> bool:
        return any(name == dataset and table == "costs" for name, table, _ in self._rows)


WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
PERIODS_OF = {
    "month": lambda d: (d.year, d.month),
    "quarter": lambda d: (d.year, (d.month - 1) // 3),
    "year": lambda d: d.year,
}


def grouped(days: Sequence[pd.Timestamp], by: Callable[[pd.Timestamp], object]) -> list[list[pd.Timestamp]]:
    """Return days in groups of the same period, in order."""
    found: dict[object, list[pd.Timestamp]] = {}
    for d in sorted(days):
        found.setdefault(by(d), []).append(d)
    return list(found.values())


@cache
def day(date: object) -> pd.Timestamp:
    """Return a date of a table."""
    return pd.Timestamp(date)


def number(value: object) -> float | None:
    """Return a number of a table, None where it has none."""
    return None if value is None or math.isnan(value) else float(value)
