"""The oracle: a tree walked one session at a time, slowly and obviously, sharing no code with metabt.

It follows DESIGN section 2 alone and serves as the reference of the engine:

1. resolve the tree's defaults into one spec per sleeve;
2. run every child before its parent (a child trades a paper copy, so its book never depends on the parent);
3. a leaf: drift, decide on the rows up to today, trade what is due and has a price, note what it costs;
4. a meta sleeve: the same, its columns being its children's net streams accrued between common sessions, its
   positions being share x child holding, kept per (leaf, symbol) and netted by symbol.

Everything is a dict by date or by name, so that a reader can check a number by hand. What is dated beside prices, such
as members, delistings or rates, is asked of the market: one without tables answers as if there were none, another is in
tests.shared.oracle_point_in_time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import pandas as pd

Key = tuple[str, str]
"""(path of a leaf, symbol): one leaf's position in one asset."""

CASH = "cash"
"""The part of a session's return that no asset made, where cash earns a rate."""

DEFAULTS = {
    "optimizer": "equal",
    "selector": "all",
    "direction": "long",
    "schedule": "monthly",
    "lookback": 252,
    "lag": 1,
    "costs": {},
    "start": None,
    "min_coverage": 1.0,
    "stale_after": 10,
    "min_history": None,
    "warmup": "equal",
    "fallback": ["inverse_volatility", "equal"],
    "dataset": None,
    "cash": None,
    "delisting": {},
    "currency": None,
    "signal": None,
    "hedged": None,
}
PERIODS = {
    "weekly": lambda t: t.isocalendar()[:2],
    "monthly": lambda t: (t.year, t.month),
    "quarterly": lambda t: (t.year, t.quarter),
    "yearly": lambda t: t.year,
}


@dataclass
class Row:
    """One session of a stream."""

    gross: float
    cost: float
    net: float
    turnover: float


@dataclass
class Decision:
    """What a sleeve fixed at one session."""

    weights: dict[str, float]
    status: str
    window: np.ndarray | None = None
    columns: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    """Why an item was not among those that whoever decided could give weight to."""
    shortened: bool = False
    """A child was left out because it did not move in a window that another child's short history made short."""

    def risk_contribution(self) -> dict[str, float]:
        """Return v_c (S v)_c / (v' S v) by item of the window; empty in warm-up, cash or at zero variance."""
        if self.window is None or self.status in ("warmup", "cash"):
            return {}
        covariance = np.atleast_2d(np.cov(self.window, rowvar=False, ddof=1))
        v = np.array([self.weights[name] for name in self.columns])
        variance = v @ covariance @ v
        return dict(zip(self.columns, v * (covariance @ v) / variance, strict=True)) if variance > 0 else {}


@dataclass
class Book:
    """All that one sleeve did."""

    path: str
    sessions: list[pd.Timestamp]
    rows: dict[pd.Timestamp, Row] = field(default_factory=dict)
    decisions: dict[pd.Timestamp, Decision] = field(default_factory=dict)
    before: dict[pd.Timestamp, dict[Key, float]] = field(default_factory=dict)
    after: dict[pd.Timestamp, dict[Key, float]] = field(default_factory=dict)
    closed: dict[pd.Timestamp, set[Key]] = field(default_factory=dict)
    saved: dict[pd.Timestamp, float] = field(default_factory=dict)
    """Netting benefit of each session: what the children's trades would have cost apart, less what they did cost."""
    parts: dict[pd.Timestamp, dict[str, float]] = field(default_factory=dict)
    """What each child made of the session's gross return, cash beneath it included, and what the sleeve's own cash did
    (by symbol for a leaf)."""
    carried: dict[pd.Timestamp, set[Key]] = field(default_factory=dict)
    """Positions that are not share x child holding, because they had no price when shares were traded."""
    keys: list[Key] = field(default_factory=list)
    moved: dict[pd.Timestamp, float] = field(default_factory=dict)
    """The gross return of every session, of those before the stream as well: all is cash then, and may earn a rate."""
    common: set[pd.Timestamp] = field(default_factory=set)
    """The common sessions of a meta sleeve."""
    bought: float = 0.0
    """The sum of absolute trades of the first purchase, until it is on the first row."""

    def live(self, t: pd.Timestamp) -> bool:
        """Return whether a first decision, which is never an empty one, was taken at or before `t`."""
        return bool(self.decisions) and next(iter(self.decisions)) <= t

    def holdings(self, t: pd.Timestamp) -> dict[Key, float]:
        """Return the holdings as of the newest session at or before `t`."""
        past = bisect_right(self.sessions, t)
        return self.after[self.sessions[past - 1]] if past else dict.fromkeys(self.keys, 0.0)

    def until(self, last: pd.Timestamp) -> Book:
        """Return the book without what happened after `last`: a dataset holds the whole tree at its last date."""
        dated = ("rows", "decisions", "before", "after", "closed", "saved", "parts", "carried", "moved")
        kept = {name: {t: it for t, it in getattr(self, name).items() if t <= last} for name in dated}
        return replace(self, sessions=[t for t in self.sessions if t <= last], **kept)

    def by_symbol(self, which: str) -> pd.DataFrame:
        """Return flattened weights `before` or `after` trading, sessions x symbols."""
        book = self.before if which == "before" else self.after
        return pd.DataFrame({t: net(positions) for t, positions in book.items()}).T

    def stream(self) -> pd.DataFrame:
        """Return the stream, sessions x (gross, cost, net, turnover)."""
        return pd.DataFrame({t: vars(row) for t, row in self.rows.items()}).T

    def decided(self) -> pd.DataFrame:
        """Return the decided weights, decision dates x items."""
        return pd.DataFrame({t: d.weights for t, d in self.decisions.items()}).T


class Market:
    """Prices by dataset, symbol and date, and the returns between observed prices."""

    def __init__(self, prices: dict[str, pd.DataFrame] | pd.DataFrame) -> None:
        frames = {"prices": prices} if isinstance(prices, pd.DataFrame) else prices
        self.dates: dict[str, list[pd.Timestamp]] = {}
        self.price: dict[tuple[str, str], dict[pd.Timestamp, float]] = {}
        self.returns: dict[tuple[str, str], dict[pd.Timestamp, float]] = {}
        for dataset, frame in frames.items():
            frame = frame.dropna(how="all").sort_index()
            self.dates[dataset] = list(frame.index)
            for symbol in frame.columns:
                seen = {t: float(p) for t, p in frame[symbol].items() if not np.isnan(p)}
                days = list(seen)
                self.price[dataset, symbol] = seen
                self.returns[dataset, symbol] = {
                    now: seen[now] / seen[earlier] - 1.0 for earlier, now in zip(days, days[1:], strict=False)
                }

    def symbols(self, dataset: str) -> list[str]:
        """Return the symbols of a dataset, sorted."""
        return sorted(symbol for name, symbol in self.price if name == dataset)

    def universe(self, dataset: str, stated: object) -> list[str]:
        """Return every symbol that a leaf may ever hold, of the universe that it states."""
        return self.symbols(dataset) if stated == "all" else list(stated)

    def members(self, leaf: Spec, t: pd.Timestamp) -> set[str]:
        """Return those of a leaf's symbols that are of its universe at `t`."""
        return set(leaf.universe)

    def returns_of(self, leaf: Spec, symbol: str) -> dict[pd.Timestamp, float]:
        """Return what a symbol earned in each of its sessions, for whoever holds it in this leaf."""
        return self.returns[leaf.dataset, symbol]

    def days(self, spec: Spec, rule: dict) -> list[pd.Timestamp]:
        """Return the days that a schedule decides on, of an exchange or of a table."""
        raise NotImplementedError

    def end(self, dataset: str, symbol: str) -> pd.Timestamp | None:
        """Return the session with whose close a symbol is gone for good."""
        return None

    def outside(self, spec: Spec, previous: pd.Timestamp | None, t: pd.Timestamp) -> dict[str, float] | None:
        """Return the weights that a leaf's signal says at `t`, None where it says nothing new since `previous`."""
        return None

    def tradable(self, dataset: str, symbol: str, t: pd.Timestamp) -> bool:
        """Return whether a symbol can be traded in a session."""
        return t in self.price[dataset, symbol]

    def hedges(self, leaf: Spec) -> dict[str, list[str]]:
        """Return what a leaf holds against moves of currencies -> the symbols whose moves it stands against."""
        return {}

    def idle(self, spec: Spec, previous: pd.Timestamp | None, t: pd.Timestamp) -> float:
        """Return what cash earned from the `previous` session to `t`."""
        return 0.0

    def cost(self, spec: Spec, t: pd.Timestamp, trades: dict[str, float]) -> float:
        """Return what trades by symbol cost at the close of `t`."""
        return spec.rate() * sum(map(abs, trades.values()))

    def borrow(self, spec: Spec, t: pd.Timestamp, following: pd.Timestamp, positions: dict[str, float]) -> float:
        """Return the fee on the shorts held from `t` to the `following` session."""
        short = sum(-h for h in positions.values() if h < 0)
        return spec.costs.get("borrow_bp", 0.0) * 1e-4 / 365.0 * (following - t).days * short


# ------------------------------------------------------------------------------------------- the tree


@dataclass
class Spec:
    """A sleeve with every default filled in."""

    path: str
    settings: dict
    children: list[Spec]

    def __getattr__(self, name: str) -> object:
        return self.__dict__["settings"][name]

    def leaves(self) -> list[Spec]:
        """Return the leaves at or beneath this sleeve."""
        return [leaf for child in self.children for leaf in child.leaves()] or [self]

    def rate(self) -> float:
        """Return the cost of trading one unit of notional."""
        return (self.costs.get("commission_bp", 0.0) + self.costs.get("slippage_bp", 0.0)) * 1e-4

    def invested(self) -> float:
        """Return what the targets of the sleeve's optimizer are scaled by: all but its reserve."""
        return 1.0 - (self.cash.get("reserve", 0.0) if isinstance(self.cash, dict) else 0.0)

    def earns(self) -> object:
        """Return the rate of cash that the sleeve states: a name, a number or None."""
        return self.cash.get("rate") if isinstance(self.cash, dict) else self.cash

    def under(self) -> list[Spec]:
        """Return this sleeve and all beneath it."""
        return [self, *(sleeve for child in self.children for sleeve in child.under())]

    def band(self) -> float:
        """Return how far what is held may be from its target without being traded."""
        return self.schedule.get("band", 0.0) if isinstance(self.schedule, dict) else 0.0

    def scheduled(self, calendar: list[pd.Timestamp], market: Market | None = None) -> set[int]:
        """Return the scheduled positions of the sleeve's calendar."""
        start = pd.Timestamp(self.start) if self.start is not None else calendar[0]
        zero = sum(t < start for t in calendar)
        rule = self.schedule if isinstance(self.schedule, dict) else {"period": self.schedule}
        if "every" in rule:
            return set(range(zero, len(calendar), rule["every"]))
        if "period" not in rule:  # the first session on or after each day
            later = [[i for i, t in enumerate(calendar) if t >= d] for d in market.days(self, rule) if d >= start]
            return {sessions[0] for sessions in later if sessions}
        period = PERIODS[rule["period"]]
        return {i for i in range(zero + 1, len(calendar)) if period(calendar[i]) != period(calendar[i - 1])}


def resolve(tree: dict, market: Market, path: str, inherited: dict, start: object) -> Spec:
    """Return the sleeve and all beneath it with defaults filled in."""
    inherited = {**inherited, **tree.get("defaults", {})}
    if "sleeves" in tree and "hedged" in tree:  # of all leaves beneath
        inherited["hedged"] = tree["hedged"]
    own = {k: v for k, v in tree.items() if k not in ("name", "defaults", "sleeves")}
    settings = {**DEFAULTS, "start": start, **inherited, **own}
    if "sleeves" in tree:
        children = [resolve(sub, market, f"{path}/{key}", inherited, start) for key, sub in tree["sleeves"].items()]
        settings["min_history"] = settings["min_history"] or settings["lookback"]
        return Spec(path, settings, children)
    settings["dataset"] = settings["dataset"] or next(iter(market.dates))
    if settings["signal"] is not None:
        settings["universe"] = {"signal": settings["signal"]}
    settings["stated_universe"] = settings["universe"]
    settings["universe"] = market.universe(settings["dataset"], settings["universe"])
    return Spec(path, settings, [])


def net(positions: dict[Key, float]) -> dict[str, float]:
    """Return positions summed by symbol."""
    total: dict[str, float] = {}
    for (_, symbol), weight in sorted(positions.items()):
        total[symbol] = total.get(symbol, 0.0) + weight
    return total


def run(
    tree: dict,
    prices: dict[str, pd.DataFrame] | pd.DataFrame | Market,
    *,
    start: object = None,
    closed: frozenset[str] = frozenset(),
    optimizers: dict[str, Callable] | None = None,
) -> dict[str, Book]:
    """Return the book of every sleeve by path; `closed` names the datasets that will get no more data."""
    market = prices if isinstance(prices, Market) else Market(prices)
    spec = resolve(tree, market, tree["name"], {}, start)
    settle_cash(spec)
    books: dict[str, Book] = {}
    walk(spec, market, closed, {**OPTIMIZERS, **(optimizers or {})}, books)
    last = held_at(spec, market, closed)
    return {path: book.until(last) for path, book in books.items()}


def settle_cash(spec: Spec) -> None:
    """Give every sleeve of a tree the one rate that cash has in it, and the one currency that it is in."""
    currencies = {sleeve.currency for sleeve in spec.under()} - {None}
    assert len(currencies) <= 1, f"one tree is in several currencies: {currencies}"
    rates = {sleeve.earns() for sleeve in spec.under()} - {None}
    assert len(rates) <= 1, f"cash earns several rates in one tree: {rates}"
    for sleeve in spec.under():
        sleeve.settings["cash_rate"] = next(iter(rates), None)
        sleeve.settings["currency"] = next(iter(currencies), None)


def held_at(spec: Spec, market: Market, closed: frozenset[str]) -> pd.Timestamp:
    """Return the last date of whatever lies beneath: that of the first dataset to end, of those that are not closed."""
    ends = {leaf.dataset: market.dates[leaf.dataset][-1] for leaf in spec.leaves()}
    return min([end for dataset, end in ends.items() if dataset not in closed], default=max(ends.values()))


def walk(spec: Spec, market: Market, closed: frozenset[str], optimizers: dict, books: dict[str, Book]) -> Book:
    """Run a sleeve after all beneath it, and file its book."""
    children = {c.path.rsplit("/", 1)[1]: walk(c, market, closed, optimizers, books) for c in spec.children}
    book = run_meta(spec, market, closed, optimizers, children) if children else run_leaf(spec, market, optimizers)
    books[spec.path] = book
    return book


# --------------------------------------------------------------------------------------------- a leaf


def run_leaf(spec: Spec, market: Market, optimizers: dict) -> Book:
    """Walk a leaf over its dataset's sessions."""
    sessions = market.dates[spec.dataset]
    hedges = market.hedges(spec)
    book = Book(spec.path, sessions, keys=[(spec.path, s) for s in [*spec.universe, *hedges]])
    price = {s: market.price[spec.dataset, s] for s in spec.universe}
    returns = {s: market.returns_of(spec, s) for s in [*spec.universe, *hedges]}
    ends = {s: market.end(spec.dataset, s) for s in spec.universe}
    held = dict.fromkeys([*spec.universe, *hedges], 0.0)
    unpriced = dict.fromkeys(spec.universe, 0)
    queue: dict[int, dict[str, float]] = {}
    pending: dict[str, float] = {}
    begun, owed = False, 0.0
    scheduled = spec.scheduled(sessions, market)
    for i, t in enumerate(sessions):
        gained = {s: held[s] * returns[s].get(t, 0.0) for s in held}
        idle = (1 - sum(held.values())) * market.idle(spec, sessions[i - 1] if i else None, t)
        gross = sum(gained.values()) + idle
        if 1 + gross <= 0:
            raise ArithmeticError(f"{spec.path} is ruined on {t.date()}")
        before = {s: held[s] * (1 + returns[s].get(t, 0.0)) / (1 + gross) for s in held}

        if spec.signal is not None:
            said = market.outside(spec, sessions[i - 1] if i else None, t)
            if said is not None and (any(said.values()) or book.decisions):
                book.decisions[t] = from_outside(spec, said)
                queue[i + spec.lag] = book.decisions[t].weights
        elif i in scheduled and i >= spec.lookback:
            window = sessions[i - spec.lookback + 1 : i + 1]
            leaving = traded_to(before, queue[max(queue)], spec.band()) if queue else before
            leaving = {s: leaving[s] for s in spec.universe}
            members = {s for s in market.members(spec, t) if ends[s] is None or t < ends[s]}
            decision = decide_leaf(spec, price, returns, window, optimizers, leaving, members)
            if any(decision.weights.values()) or book.decisions:
                book.decisions[t] = decision
                queue[i + spec.lag] = decision.weights

        after = dict(before)
        book.closed[t] = set()
        if i in queue:
            pending = dict(queue.pop(i))
        now = {s: w for s, w in pending.items() if t in price[s] and t != ends[s]}
        reached = traded_to({s: before[s] for s in now}, now, spec.band())
        for s in spec.universe:
            unpriced[s] = 0 if t in price[s] else unpriced[s] + 1
            if t == ends[s]:  # gone for good: what waits for it is dropped, and nothing opens it
                pending.pop(s, None)
                after[s] = 0.0
                book.closed[t].add((spec.path, s))
            elif t in price[s] and s in pending:
                pending.pop(s)
                after[s] = reached[s]
            if unpriced[s] >= spec.stale_after and held[s] != 0:
                after[s] = 0.0
                book.closed[t].add((spec.path, s))

        if i and (t.year, t.month) != (sessions[i - 1].year, sessions[i - 1].month):
            for hedge, against in hedges.items():
                after[hedge] = -sum(after[s] for s in against)

        if begun:
            book.parts[t] = gained if spec.cash_rate is None else {**gained, CASH: idle}
        begun, owed = settle(spec, market, book, i, before, after, gross, begun, owed)
        book.before[t] = {(spec.path, s): w for s, w in before.items()}
        book.after[t] = {(spec.path, s): w for s, w in after.items()}
        held = after
    return book


def traded_to(held: dict[str, float], target: dict[str, float], band: float) -> dict[str, float]:
    """Return what is held after a trade that leaves alone what is at most `band` from its target.

    It does so only with what is held and is still wanted, on the same side. If what it leaves alone is more in all than
    it should be, purchases are cut pro rata by the excess, at most to nothing; sales are not.
    """
    if not band:
        return dict(target)
    alone = {s for s, w in target.items() if held[s] * w > 0 and abs(held[s] - w) <= band}
    excess = sum(abs(held[s]) - abs(target[s]) for s in alone)
    kept = {s: held[s] if held[s] * target[s] > 0 else 0.0 for s in target}  # of what changes its side all is sold
    more = {s: abs(target[s]) - abs(kept[s]) for s in target if s not in alone}
    bought = sum(part for part in more.values() if part > 0)
    after = {s: held[s] if s in alone else w for s, w in target.items()}
    if excess > 0 and bought > 0:
        share = 1 - excess / bought
        share = share if share > 1e-12 else 0.0  # nothing is sold that pays for it: rounding buys nothing either
        for s, part in more.items():
            if part > 0:
                after[s] = kept[s] + (target[s] - kept[s]) * share
    return after


def from_outside(spec: Spec, said: dict[str, float]) -> Decision:
    """Return the decision to hold what a signal says, and nothing of what it does not name."""
    weights = {s: spec.invested() * said.get(s, 0.0) for s in spec.universe}
    reasons = {s: "" if weight else "unselected" for s, weight in weights.items()}
    return Decision(weights, "ok" if any(weights.values()) else "cash", reasons=reasons)


def settle(
    spec: Spec,
    market: Market,
    book: Book,
    i: int,
    before: dict[str, float],
    after: dict[str, float],
    gross: float,
    begun: bool,
    owed: float,
) -> tuple[bool, float]:
    """File the session's row if the stream has begun; return (has it begun by now, cost owed by the next row).

    The first row, which pays for the first purchase, has its turnover too.
    """
    t = book.sessions[i]
    book.moved[t] = gross
    volume = sum(abs(after[s] - before[s]) for s in after)
    if begun:
        book.rows[t] = Row(gross, owed, (1 - owed) * (1 + gross) - 1, (book.bought + volume) / 2)
        book.bought = 0.0
    elif volume > 1e-12:  # what rounding leaves of trades that cancel is no trade
        book.bought = volume
    cost = market.cost(spec, t, {s: after[s] - before[s] for s in after})
    if i + 1 < len(book.sessions):
        cost += market.borrow(spec, t, book.sessions[i + 1], after)
    return begun or volume > 1e-12, cost


def decide_leaf(
    spec: Spec,
    price: dict,
    returns: dict,
    window: list[pd.Timestamp],
    optimizers: dict,
    leaving: dict[str, float],
    members: set[str],
) -> Decision:
    """Return the decision on `members` taken at the window's last session, which trades away from `leaving`."""
    now = window[-1]
    weights = dict.fromkeys(spec.universe, 0.0)
    eligible = [
        s
        for s in sorted(spec.universe)
        if s in members and now in price[s] and sum(t in returns[s] for t in window) / len(window) >= spec.min_coverage
    ]
    sign = -1.0 if spec.direction == "short" else 1.0
    column = {s: [sign * returns[s].get(t, 0.0) for t in window] for s in eligible}
    still = {s for s in eligible if is_still(column[s])}
    ranked = [s for s in eligible if s not in still] if ranks_risk(spec.selector) else eligible
    if ranked:
        chosen = select(spec.selector, np.array([column[s] for s in ranked]).T, ranked)
    else:  # nothing moves: there is nothing to rank, and the fallbacks have all of them
        chosen = eligible
    reasons = {s: "ineligible" if s in members else "not a member" for s in spec.universe}
    reasons.update({s: "unselected" if s in ranked else "constant" for s in eligible})
    reasons.update(dict.fromkeys(chosen, "constant"))  # unless it is given to whoever decides

    def given(measures_risk: bool) -> tuple[list[str], np.ndarray]:
        names = [s for s in chosen if s not in still or not measures_risk]
        return names, np.array([column[s] for s in names]).T

    names, X, solution, status = optimize(spec, given, optimizers, {s: sign * w for s, w in leaving.items()})
    weights.update({s: sign * spec.invested() * float(w) for s, w in zip(names, solution, strict=True)})
    reasons.update(dict.fromkeys(names, ""))
    return Decision(weights, status, X, names, reasons)


# ------------------------------------------------------------------------------------- a meta sleeve


def calendars(spec: Spec, market: Market, closed: frozenset[str]) -> tuple[list[pd.Timestamp], list[pd.Timestamp]]:
    """Return (book sessions, common sessions) of a meta sleeve."""
    datasets = {leaf.dataset for leaf in spec.leaves()}
    union = sorted({t for d in datasets for t in market.dates[d]})
    union = [t for t in union if t <= held_at(spec, market, closed)]
    sessions_of = {d: set(market.dates[d]) for d in datasets}

    def running(dataset: str, t: pd.Timestamp) -> bool:
        ended = dataset in closed and market.dates[dataset][-1] < t
        return market.dates[dataset][0] <= t and not ended

    return union, [t for t in union if all(t in sessions_of[d] for d in datasets if running(d, t))]


def last_day(spec: Spec, market: Market, closed: frozenset[str]) -> pd.Timestamp:
    """Return the last day on which the sleeve is live: that of its data if they are all closed, else never."""
    datasets = {leaf.dataset for leaf in spec.leaves()}
    return max(market.dates[d][-1] for d in datasets) if datasets <= closed else pd.Timestamp.max


def accrued(child: Book, common: list[pd.Timestamp]) -> list[tuple[pd.Timestamp, float]]:
    """Return the child's net stream compounded between common sessions, from its first row on."""
    found = []
    days = list(child.rows)
    for previous, t in zip([pd.Timestamp.min, *common], common, strict=False):
        if days and t >= days[0]:
            since = days[bisect_right(days, previous) : bisect_right(days, t)]
            found.append((t, np.prod([1 + child.rows[day].net for day in since]) - 1.0))
    return found


def run_meta(spec: Spec, market: Market, closed: frozenset[str], optimizers: dict, children: dict[str, Book]) -> Book:
    """Walk a meta sleeve over every session of any dataset beneath it."""
    sessions, common = calendars(spec, market, closed)
    book = Book(spec.path, sessions, keys=[key for child in children.values() for key in child.keys])
    home = {leaf.path: leaf.dataset for leaf in spec.leaves()}
    owner = {key: name for name, child in children.items() for key in child.keys}
    book.common = set(common)
    streams = {name: accrued(child, common) for name, child in children.items()}
    ends = {name: last_day(child, market, closed) for name, child in zip(children, spec.children, strict=True)}
    leaves = {leaf.path: leaf for leaf in spec.leaves()}
    returns = {key: market.returns_of(leaves[key[0]], key[1]) for key in book.keys}
    positions = dict.fromkeys(book.keys, 0.0)
    shares = dict.fromkeys(children, 0.0)
    queue: dict[int, dict[str, float]] = {}
    begun, owed, warm = False, 0.0, False
    number = {t: j for j, t in enumerate(common)}
    scheduled = spec.scheduled(common, market)
    for i, t in enumerate(sessions):
        gain = {key: positions[key] * returns[key].get(t, 0.0) for key in positions}
        rate = market.idle(spec, sessions[i - 1] if i else None, t)
        idle = (1 - sum(positions.values())) * rate
        gross = sum(gain.values()) + idle
        beneath = {  # of the cash: what children hold of it
            name: shares[name] * (1 - (sum(child.holdings(sessions[i - 1]).values()) if i else 0.0))
            for name, child in children.items()
        }
        if 1 + gross <= 0:
            raise ArithmeticError(f"{spec.path} is ruined on {t.date()}")
        before = {key: (positions[key] + gain[key]) / (1 + gross) for key in positions}
        for name, child in children.items():
            shares[name] *= (1 + child.moved.get(t, 0.0)) / (1 + gross)

        book.closed[t] = {key for child in children.values() for key in child.closed.get(t, ())}
        if t in number:
            j = number[t]
            if j in scheduled:
                present = {name: child for name, child in children.items() if t <= ends[name]}
                leaving = traded_to(shares, queue[max(queue)], spec.band()) if queue else shares
                decision, warm = decide_meta(spec, t, present, streams, warm, optimizers, leaving)
                if decision and (any(decision.weights.values()) or book.decisions):
                    book.decisions[t] = decision
                    queue[j + spec.lag] = decision.weights
            if j in queue:
                target = queue.pop(j)
                shares = traded_to(shares, {name: target.get(name, 0.0) for name in children}, spec.band())
                book.closed[t] |= {key for key in book.keys if t > ends[owner[key]]}  # out, at the last price

        after, book.carried[t] = dict(before), set()
        for name, child in children.items():
            for key, held in child.holdings(t).items():
                if abs(shares[name] * held - after[key]) > 1e-9:
                    book.carried[t].add(key)
                if market.tradable(home[key[0]], key[1], t) or key in book.closed[t]:
                    after[key] = shares[name] * held
                    book.carried[t].discard(key)

        if begun:
            book.parts[t] = {name: sum(g for key, g in gain.items() if owner[key] == name) for name in children}
            if spec.cash_rate is not None:
                for name, held in beneath.items():
                    book.parts[t][name] += held * rate
                book.parts[t][CASH] = idle - sum(beneath.values()) * rate
        book.saved[t] = netting_benefit(spec, market, t, before, after, owner)
        begun, owed = settle(spec, market, book, i, net(before), net(after), gross, begun, owed)
        book.before[t], book.after[t] = before, after
        positions = after
    return book


def netting_benefit(
    spec: Spec,
    market: Market,
    t: pd.Timestamp,
    before: dict[Key, float],
    after: dict[Key, float],
    owner: dict[Key, str],
) -> float:
    """Return what the children's trades would cost one by one, less what they cost netted."""
    apart: dict[tuple[str, str], float] = {}
    together: dict[str, float] = {}
    for key in after:
        trade = after[key] - before[key]
        apart[owner[key], key[1]] = apart.get((owner[key], key[1]), 0.0) + trade
        together[key[1]] = together.get(key[1], 0.0) + trade
    each = {child: {s: trade for (name, s), trade in apart.items() if name == child} for child in owner.values()}
    return sum(market.cost(spec, t, trades) for trades in each.values()) - market.cost(spec, t, together)


def decide_meta(
    spec: Spec,
    t: pd.Timestamp,
    children: dict[str, Book],
    streams: dict,
    warm: bool,
    optimizers: dict,
    leaving: dict[str, float],
) -> tuple[Decision | None, bool]:
    """Return (the decision at `t`, away from `leaving`, or None where none is feasible, whether warm-up is over)."""
    weights = dict.fromkeys(streams, 0.0)
    known = {name: [value for day, value in streams[name] if day <= t] for name in children}
    live = [name for name in sorted(children) if children[name].live(t)]
    aged = [name for name in live if len(known[name]) >= spec.min_history]
    if not live:
        return None, warm
    given_weights = split(spec.optimizer)[0] == "fixed"
    warm = warm or aged == live or given_weights
    if not warm:
        if spec.warmup == "wait":
            return None, warm
        cap = bounds_of(spec.optimizer)[1]
        weights.update(dict.fromkeys(live, spec.invested() * min(1 / len(live), cap)))
        return Decision(weights, "warmup", reasons=dict.fromkeys(live, "")), warm
    candidates = live if given_weights else aged
    reasons = {name: "constant" if name in candidates else "waiting" for name in live}

    def rows(names: list[str]) -> list[list[float]]:
        length = min([spec.lookback, *(len(known[name]) for name in names if name in aged)])
        return [([0.0] * length + known[name])[-length:] for name in names]  # given weights may be of the young

    def given(measures_risk: bool) -> tuple[list[str], np.ndarray]:
        names, moving = candidates, [*candidates]
        while measures_risk:
            moving = [name for name, values in zip(names, rows(names), strict=True) if not is_still(values)]
            if moving == names:
                break
            names = moving
        return names, np.array(rows(names)).T

    names, X, solution, status = optimize(spec, given, optimizers, leaving)
    weights.update({name: spec.invested() * float(w) for name, w in zip(names, solution, strict=True)})
    reasons.update(dict.fromkeys(names, ""))
    left = [name for name in candidates if name not in names]
    shortened = any(not is_still(known[name][-spec.lookback :]) for name in left)
    young = any(weights[name] and name not in aged for name in live)
    return Decision(weights, status, None if young else X, names, reasons, shortened), warm


def is_still(values: list[float]) -> bool:
    """Return whether returns are the same but for the rounding of 1 + r."""
    return max(values, default=0.0) - min(values, default=0.0) <= 1e-12 * (1 + max(map(abs, values), default=0.0))


def realised_risk(book: Book) -> dict[str, float]:
    """Return cov(part, R) / var(R) by child, between common sessions, the parts summing to R; {} of fewer than two.

    What a child earns in a session is a part of what the sleeve had grown to by then: the parts of an amount of money
    add up to all of it.
    """
    periods: list[dict[str, float]] = []
    begun = book.sessions[book.sessions.index(next(iter(book.parts))) - 1] in book.common
    worth, earned = 1.0, dict.fromkeys(next(iter(book.parts.values())), 0.0)
    for t, parts in book.parts.items():
        earned = {name: earned[name] + worth * part for name, part in parts.items()}
        worth *= 1 + sum(parts.values())
        if t in book.common:
            periods += [earned] if begun else []
            begun, worth, earned = True, 1.0, dict.fromkeys(parts, 0.0)
    if len(periods) < 2:
        return {}
    frame = pd.DataFrame(periods)
    total = frame.sum(axis=1)
    return {name: np.cov(frame[name], total, ddof=1)[0, 1] / total.var(ddof=1) for name in frame}


# ---------------------------------------------------------------------------------------- estimators


def split(estimator: str | dict) -> tuple[str, dict]:
    """Return (name, parameters) of an estimator's configuration."""
    if isinstance(estimator, str):
        return estimator, {}
    return estimator["name"], {k: v for k, v in estimator.items() if k != "name"}


def bounds_of(estimator: str | dict) -> tuple[float, float]:
    """Return (min_weight, max_weight) of an optimizer's configuration."""
    _, params = split(estimator)
    return params.get("min_weight", 0.0), params.get("max_weight", 1.0)


def ranks_risk(selector: str | dict) -> bool:
    """Return whether a selector measures risk: it is not given what does not move."""
    kind, params = split(selector)
    return kind != "all" and params.get("by", "momentum") != "momentum"


def optimize(
    spec: Spec, given: Callable[[bool], tuple[list[str], np.ndarray]], optimizers: dict, leaving: dict[str, float]
) -> tuple[list[str], np.ndarray, np.ndarray, str]:
    """Return (names, window, weights, status) of the first optimizer in the chain that succeeds; all failing is cash.

    `given` returns the names and the window of an optimizer that measures risk, and of one that does not. One with a
    limit on turnover, or a price of it, is the business of `optimizers[IN_TURN]`: it is called with the name, X and the
    settings, and with what is held of the columns of X and of others.
    """
    main, params = split(spec.optimizer)
    low, high = bounds_of(spec.optimizer)
    bounds = {"min_weight": low, "max_weight": high}
    others = [split(fallback) for fallback in spec.fallback]
    chain = [(main, params, "ok"), *((name, {**bounds, **own}, f"fallback:{name}") for name, own in others)]
    for name, settings, status in chain:
        names, X = given(name not in ("equal", "fixed"))
        weights: np.ndarray | None = None
        if name == "fixed":
            weights = np.array([settings["weights"].get(item, 0.0) for item in names])
            status = status if weights.any() else "cash"
        elif names and settings.keys() & {"max_turnover", "turnover_penalty"}:
            parts = {item: w / spec.invested() for item, w in leaving.items()}  # of what is no reserve, as weights are
            held = np.array([parts[item] for item in names])
            sold = np.array([w for item, w in parts.items() if item not in names])
            weights = optimizers[IN_TURN](name, X, settings, held, sold)
        elif names:
            weights = optimizers[name](X, **settings)
        if weights is not None:
            return names, X, weights, status
    names, X = given(main not in ("equal", "fixed"))
    return names, X, np.zeros(len(names)), "cash"


def within(target: np.ndarray, low: float, high: float) -> np.ndarray | None:
    """Return clip(c target, low, high) with the c at which they sum to one, by bisection; too few for `high`: cash."""
    n = len(target)
    if n * low > 1:
        return None
    if n * high <= 1:
        return np.full(n, high)
    if (target >= low).all() and (target <= high).all():
        return target
    below, above = 0.0, 1.0 / target.min()
    for _ in range(200):
        c = (below + above) / 2
        below, above = (c, above) if np.clip(c * target, low, high).sum() < 1 else (below, c)
    return np.clip(above * target, low, high)


def equal(X: np.ndarray, min_weight: float = 0.0, max_weight: float = 1.0) -> np.ndarray | None:
    """Return 1/n."""
    return within(np.full(X.shape[1], 1 / X.shape[1]), min_weight, max_weight)


def inverse_volatility(X: np.ndarray, min_weight: float = 0.0, max_weight: float = 1.0) -> np.ndarray | None:
    """Return weights proportional to 1 / volatility."""
    volatility = X.std(axis=0, ddof=1)
    if (volatility <= 0).any():
        return None
    return within(1 / volatility / (1 / volatility).sum(), min_weight, max_weight)


def min_variance(X: np.ndarray, min_weight: float = 0.0, max_weight: float = 1.0) -> np.ndarray | None:
    """Return the minimum-variance weights, the most even if twins make them many, by trying every set at a bound."""
    n = X.shape[1]
    if n * min_weight > 1 or n * max_weight < 1:
        return None
    S = np.atleast_2d(np.cov(X, rowvar=False, ddof=1))
    S = S / np.trace(S)
    best, best_variance = None, np.inf
    for state in product("LFU", repeat=n):
        w = np.where(np.array(state) == "L", min_weight, max_weight).astype(float)
        free = [i for i in range(n) if state[i] == "F"]
        fixed = [i for i in range(n) if state[i] != "F"]
        if not w[fixed].sum() + len(free) * min_weight - 1e-12 <= 1 <= w[fixed].sum() + len(free) * max_weight + 1e-12:
            continue
        if free:
            m = len(free)
            kkt = np.zeros((m + 1, m + 1))
            kkt[:m, :m] = S[np.ix_(free, free)]
            kkt[:m, m] = kkt[m, :m] = 1.0
            right = np.append(-S[np.ix_(free, fixed)] @ w[fixed], 1 - w[fixed].sum())
            w[free] = np.linalg.lstsq(kkt, right)[0][:m]
        feasible = abs(w.sum() - 1) < 1e-12 and w.min() >= min_weight - 1e-13 and w.max() <= max_weight + 1e-13
        variance = w @ S @ w
        if feasible and (variance < best_variance - 1e-14 or variance < best_variance + 1e-14 and w @ w < best @ best):
            best, best_variance = w, variance
    return best


IN_TURN = "in turn"
"""Key of what solves a window near what is held."""

OPTIMIZERS: dict[str, Callable] = {
    "equal": equal,
    "inverse_volatility": inverse_volatility,
    "min_variance": min_variance,
}


def select(selector: str | dict, X: np.ndarray, names: list[str]) -> list[str]:
    """Return the selected names: `all`, or `top_k` by momentum, low volatility or Sharpe ratio, ties by symbol."""
    kind, params = split(selector)
    if kind == "all":
        return names
    mean, volatility = X.mean(axis=0), X.std(axis=0, ddof=1)
    by = params.get("by", "momentum")
    sharpe = np.divide(mean, volatility, out=np.zeros_like(mean), where=volatility > 0)
    score = {"momentum": mean, "low_volatility": -volatility, "sharpe": sharpe}[by]
    ranked = sorted(range(len(names)), key=lambda i: (-score[i], names[i]))
    return sorted(names[i] for i in ranked[: params["k"]])
