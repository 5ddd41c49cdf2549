"""Rules of single rows: what no row of a table may say, whatever is stored beside it.

1. `RULES` has for each table what is wrong with a row, in the order in which it is looked for: a mask of bad rows, what
   is said of them, and the cure.
2. `check_rows` refuses the first rule that a row breaks, with the row's number.
3. `tidied` has taken out what vendors write where nothing stands: a ratio of 0 beside a cash dividend, a last date that
   stands for none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from metabt.data.point_in_time.hedging import PREFIX, is_hedge
from metabt.data.point_in_time.tables import COLUMNS, DATE, KINDS, TEXT
from metabt.lakehouse.point_in_time.incoming import DATED, OWN_DATE, Incoming
from metabt.values.ranges import plural
from metabt.values.tables import Coded

EARLIEST, LATEST = np.datetime64("1800-01-01", "D"), np.datetime64("2100-01-01", "D")
"""Dates that a row may be of; a last date from LATEST on stands for none."""
LONGEST = 256
"""Characters of the longest name."""
MOST_BP = 10_000.0
"""Basis points that a cost may be: all that is traded, or the notional in a year."""
FX = re.compile(r"fx:([A-Z]{3})([A-Z]{3})")
"""What a rate of exchange is called: fx:EURUSD is dollars for a euro."""
CURRENCY = re.compile(r"[A-Z]{3}")
EVERY = "*"
"""The asset of a cost that holds for all that have none of their own."""
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "assets": ("asset", "symbol", "first_date"),
    "actions": ("asset", "ex_date", "kind"),
    "members": ("universe", "asset", "first_date"),
    "delistings": ("asset", "date"),
    "rates": ("name", "date", "value"),
    "costs": ("asset", "first_date"),
    "schedules": ("name", "date"),
    "signals": ("name", "date", "asset", "weight"),
}
"""Table -> the columns in which every row says something."""
RATIO = ("split", "stock", "spinoff")
"""Kinds of actions that need a ratio."""
UNUSED = {"ratio": ("cash",), "cash": ("split", "stock", "spinoff"), "into": ("split", "stock", "cash")}
"""Column of `actions` -> the kinds that have no use for it."""


@dataclass(frozen=True)
class Rule:
    """What no row may say."""

    broken: Callable[[Incoming], np.ndarray]
    """Returns (n_rows,) bool: the rows that say it."""
    said: str
    """What such a row says."""
    cure: str
    """What mends it."""


def check_rows(incoming: Incoming) -> None:
    """Raise DataError for the first row that breaks a rule of its table."""
    for rule in (*_required(incoming.name), *_of_dates(incoming.name), *RULES[incoming.name]):
        incoming.refuse(rule.broken(incoming), rule.said, rule.cure)


def tidied(incoming: Incoming) -> Incoming:
    """Return rows without what stands for nothing; how much that was is noted."""
    columns, notes = dict(incoming.columns), list(incoming.notes)
    if "last_date" in columns:
        last = _numbers(incoming, "last_date")
        far = last >= LATEST
        if far.any():
            columns["last_date"] = np.where(far, np.datetime64("NaT", "D"), last)
            notes.append(f"{plural(int(far.sum()), 'last date')} from {LATEST} on: no end")
    if incoming.name == "actions":
        kind = _texts(incoming, "kind")
        for column in ("ratio", "cash"):
            values = _numbers(incoming, column)
            columns[column] = np.where(_is(kind, UNUSED[column]) & (values == 0), np.nan, values)
    if incoming.name == "delistings":
        kind = _texts(incoming, "kind")
        columns["kind"] = _filled(kind, "unknown")
    return replace(incoming, columns=columns, notes=tuple(notes))


def _filled(column: Coded, text: str) -> Coded:
    """Return a column in which `text` stands where nothing did."""
    values = column.values if text in column.values else (*column.values, text)
    return Coded(np.where(column.codes < 0, values.index(text), column.codes).astype(np.int32), values)


def _texts(incoming: Incoming, name: str) -> Coded:
    found = incoming.columns[name]
    assert isinstance(found, Coded)
    return found


def _numbers(incoming: Incoming, name: str) -> np.ndarray:
    found = incoming.columns[name]
    assert isinstance(found, np.ndarray)
    return found


def _fits(column: Coded, accepts: Callable[[str], bool]) -> np.ndarray:
    """Return (n_rows,) bool: rows whose text is accepted; nothing is not."""
    return np.array([*map(accepts, column.values), False], np.bool_)[column.codes]


def _is(column: Coded, words: tuple[str, ...]) -> np.ndarray:
    return _fits(column, words.__contains__)


def _missing(incoming: Incoming, name: str) -> np.ndarray:
    found = incoming.columns[name]
    if isinstance(found, Coded):
        return found.codes < 0
    return np.isnat(found) if found.dtype.kind == "M" else np.isnan(found)


def _required(name: str) -> list[Rule]:
    rules = [
        Rule(
            lambda it, column=column: _missing(it, column),  # type: ignore[misc]
            f"there is no {column}",
            f"fill in the {column}, or delete the row",
        )
        for column in REQUIRED[name]
    ]
    for column in (column for column, kind in COLUMNS[name].items() if kind == TEXT):
        rules += [
            Rule(
                lambda it, column=column: _fits(_texts(it, column), lambda text: len(text) > LONGEST),  # type: ignore[misc]
                f"its {column} has more than {LONGEST} characters",
                "write a shorter name",
            ),
            Rule(
                lambda it, column=column: _fits(_texts(it, column), lambda text: not text.isprintable()),  # type: ignore[misc]
                f"its {column} holds an unprintable character",
                "remove it",
            ),
        ]
    return rules


def _of_dates(name: str) -> list[Rule]:
    rules = [
        Rule(
            lambda it, column=column: (_numbers(it, column) < EARLIEST) | (_numbers(it, column) >= LATEST),  # type: ignore[misc]
            f"its {column} is before {EARLIEST}, or not before {LATEST}",
            "correct the date",
        )
        for column, kind in COLUMNS[name].items()
        if kind == DATE
    ]
    if "last_date" in COLUMNS[name]:
        rules.append(
            Rule(
                lambda it: _numbers(it, "first_date") > _numbers(it, "last_date"),
                "its first_date is after its last_date",
                "exchange them, or leave last_date empty where it has not ended",
            )
        )
    if name in DATED and name != "schedules":  # a day to decide on is told before it comes, or after
        rules.append(
            Rule(
                lambda it: _numbers(it, "known_at") < _numbers(it, OWN_DATE[it.name]),
                f"its known_at is before the {OWN_DATE[name]} that it is about",
                "write the day from which on it held and was known, or leave known_at empty",
            )
        )
    return rules


def _ratio(it: Incoming) -> np.ndarray:
    return _numbers(it, "ratio")


def _cash(it: Incoming) -> np.ndarray:
    return _numbers(it, "cash")


def _of_kind(*kinds: str) -> Callable[[Incoming], np.ndarray]:
    return lambda it: _is(_texts(it, "kind"), kinds)


def _itself(it: Incoming) -> np.ndarray:
    asset, into = _texts(it, "asset"), _texts(it, "into")
    place = {text: number for number, text in enumerate(asset.values)}
    alike = np.array([*(place.get(text, -1) for text in into.values), -1])[into.codes]
    return (alike >= 0) & (alike == asset.codes)


def _outside(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return (values < low) | (values > high)


def _unknown_kind(it: Incoming) -> np.ndarray:
    return ~_is(_texts(it, "kind"), KINDS[it.name])


def _useless(column: str) -> Rule:
    return Rule(
        lambda it: _is(_texts(it, "kind"), UNUSED[column]) & ~_missing(it, column),
        f"a {' or '.join(UNUSED[column])} has no {column}",
        f"leave {column} empty; what was paid or given besides is a row of its own",
    )


def _is_fx(it: Incoming) -> np.ndarray:
    return _fits(_texts(it, "name"), lambda text: text.lower().startswith("fx:"))


def _misnamed_fx(text: str) -> bool:
    found = FX.fullmatch(text)
    return text.lower().startswith("fx:") and (found is None or found[1] == found[2])


RULES: Mapping[str, tuple[Rule, ...]] = {
    "assets": (
        Rule(
            lambda it: _fits(_texts(it, "currency"), lambda text: not CURRENCY.fullmatch(text)),
            "its currency is no code of three capital letters",
            "write such as USD, or leave it empty",
        ),
        Rule(
            lambda it: _fits(_texts(it, "asset"), is_hedge),
            "its asset begins as hedges of currencies do",
            f"call it by another name than {PREFIX}...",
        ),
    ),
    "actions": (
        Rule(_unknown_kind, "its kind is unknown", f"write one of {', '.join(KINDS['actions'])}"),
        Rule(
            lambda it: _of_kind(*RATIO)(it) & np.isnan(_ratio(it)),
            "a split, a stock dividend or a spin-off needs a ratio",
            "write new shares per old: 10 for 10:1, 0.05 for a stock dividend of 5 %",
        ),
        Rule(
            lambda it: (_ratio(it) <= 0) | np.isinf(_ratio(it)),
            "its ratio is not above 0 and finite",
            "write new shares per old: 10 for 10:1, 0.1 for 1:10",
        ),
        Rule(
            lambda it: _of_kind("cash")(it) & np.isnan(_cash(it)),
            "a cash dividend needs cash",
            "write what a share was paid, or delete the row",
        ),
        Rule(
            lambda it: (_cash(it) < 0) | np.isinf(_cash(it)),
            "its cash is negative or infinite",
            "write what a share was paid",
        ),
        *(_useless(column) for column in UNUSED),
        Rule(
            lambda it: _of_kind("merger")(it) & np.isnan(_ratio(it)) & ~(_cash(it) > 0),
            "a merger needs cash, or a ratio of shares of what it merges into",
            "write what a share became",
        ),
        Rule(
            lambda it: _of_kind("spinoff", "merger")(it) & ~np.isnan(_ratio(it)) & _missing(it, "into"),
            "it has a ratio, and nothing says of which shares",
            "name them in the column 'into'",
        ),
        Rule(
            lambda it: _of_kind("merger")(it) & np.isnan(_ratio(it)) & ~_missing(it, "into"),
            "it names what it merges into, and no ratio",
            "write shares received for each share held, or leave 'into' empty",
        ),
        Rule(_itself, "it becomes shares of itself", "name what was received, or write a split or a stock dividend"),
    ),
    "members": (),
    "delistings": (
        Rule(_unknown_kind, "its kind is unknown", f"write one of {', '.join(KINDS['delistings'])}, or leave it empty"),
        Rule(
            lambda it: (_numbers(it, "return") < -1) | np.isinf(_numbers(it, "return")),
            "its return is below -1, or infinite",
            "write a fraction: -0.55 for a loss of 55 %",
        ),
    ),
    "rates": (
        Rule(
            lambda it: _fits(_texts(it, "name"), _misnamed_fx),
            "a rate of exchange is called fx: and two codes of three capital letters",
            "write such as fx:EURUSD, which is dollars for a euro",
        ),
        Rule(lambda it: np.isinf(_numbers(it, "value")), "its value is infinite", "correct it"),
        Rule(
            lambda it: _is_fx(it) & (_numbers(it, "value") <= 0),
            "a rate of exchange is not above 0",
            "write what one unit of the first currency costs in the second",
        ),
        Rule(
            lambda it: ~_is_fx(it) & ~np.isin(_numbers(it, "day_count"), (360.0, 365.0)),
            "its day_count is neither 360 nor 365",
            "write 360 for money markets of dollar and euro, 365 for sterling, in a column 'day_count'",
        ),
        Rule(
            lambda it: _is_fx(it) & ~_missing(it, "day_count"),
            "a rate of exchange has no day_count",
            "leave it empty",
        ),
    ),
    "costs": tuple(
        Rule(
            lambda it, column=column: _outside(_numbers(it, column), 0.0, MOST_BP),  # type: ignore[misc]
            f"its {column} is negative, or above {MOST_BP:,.0f}",
            "write basis points: 5 is 0.05 %",
        )
        for column in ("commission_bp", "slippage_bp", "borrow_bp")
    ),
    "schedules": (),  # a day is told before it comes, or after
    "signals": (
        Rule(
            lambda it: np.isinf(_numbers(it, "weight")),
            "its weight is infinite",
            "write a fraction of the sleeve's value: 0.25 for 25 %",
        ),
    ),
}
"""Table -> what none of its rows may say."""
