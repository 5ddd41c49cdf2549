"""Table words: what the columns of tables are called by those who write them, and what cells say in words.

Names are compared as those of price files are (metabt.lakehouse.ingestion.column_words): in lower case, without
decoration.
"""

from __future__ import annotations

from collections.abc import Mapping

from metabt.lakehouse.ingestion.column_words import DATES, SYMBOLS, plain

ASSETS = (*SYMBOLS, "assets", "code", "constituent", "member")
FIRST = (
    *("first date", "from", "start", "start date", "from date", "since", "begin", "begin date", "valid from", "entry"),
    *("date from", "date added", "added", "effective", "effective date", "entry date", "start dt", "in date"),
)
LAST = (
    *("last date", "to", "end", "end date", "to date", "through", "thru", "until", "valid to", "exit", "exit date"),
    *("date to", "date removed", "removed", "end dt", "out date", "valid until"),
)
KNOWN = ("known at", "known", "announced", "announcement date", "announced at", "as of", "published", "published at")
KIND = ("kind", "type", "reason", "action", "action type", "event", "event type")
RATIO = ("ratio", "split ratio", "factor", "split factor", "shares", "new shares per old")
CASH = ("cash", "amount", "dividend", "dividends", "dividend amount", "value", "div cash", "divcash", "cash amount")
SYNONYMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "assets": {
        "asset": ("asset", "id", "sid", "permno", "permanent id", "asset id", "gvkey", "figi", "name"),
        "symbol": ("symbol", "ticker", "tic", "code"),
        "first_date": FIRST,
        "last_date": LAST,
        "currency": ("currency", "ccy", "curr"),
        "known_at": KNOWN,
    },
    "actions": {
        "asset": ASSETS,
        "ex_date": ("ex date", "exdate", "ex-date", "ex dividend date", "ex-dividend date", "ex dt", *DATES),
        "kind": KIND,
        "ratio": RATIO,
        "cash": CASH,
        "into": ("into", "to", "acquirer", "new symbol", "new ticker", "received", "target"),
    },
    "members": {
        "universe": ("universe", "index", "index name", "list", "group", "benchmark"),
        "asset": ASSETS,
        "first_date": FIRST,
        "last_date": LAST,
        "known_at": KNOWN,
    },
    "delistings": {
        "asset": ASSETS,
        "date": ("delisting date", "delist date", "delisted", "dlstdt", "date delisted", "end date", *DATES),
        "return": ("return", "delisting return", "delist return", "dlret", "ret"),
        "kind": KIND,
        "included": ("included", "return included", "in prices"),
    },
    "rates": {
        "name": ("name", "rate", "rate name", "series", "id", "symbol", "ticker"),
        "date": ("observation date", *DATES),
        "value": ("value", "rate value", "yield", "level", "close", "fixing", "annual rate"),
        "day_count": ("day count", "daycount", "basis", "day count basis", "days"),
    },
    "costs": {
        "asset": ASSETS,
        "first_date": (*FIRST, *DATES),
        "commission_bp": ("commission bp", "commission bps", "commission", "fee bp", "fees bp"),
        "slippage_bp": ("slippage bp", "slippage bps", "slippage", "half spread bp", "spread bp"),
        "borrow_bp": ("borrow bp", "borrow bps", "borrow", "borrow fee bp", "short fee bp"),
    },
    "schedules": {
        "name": ("name", "schedule", "calendar", "event", "series"),
        "date": ("decision date", "rebalance date", "rebalancing date", *DATES),
        "known_at": KNOWN,
    },
    "signals": {
        "name": ("name", "signal", "signal name", "strategy", "strategy name", "model"),
        "date": DATES,
        "asset": ASSETS,
        "weight": ("weight", "weights", "target weight", "target", "allocation"),
        "known_at": KNOWN,
    },
}
"""Table -> column -> what it is called, the preferred first; the column's own name is one of them always."""
CHANGES: Mapping[str, tuple[str, ...]] = {
    "universe": SYNONYMS["members"]["universe"],
    "date": ("effective date", "effective", "change date", *DATES),
    "action": ("action", "change", "event", "type", "kind"),
    "asset": ASSETS,
}
"""Column of a list of changes of membership -> what it is called."""
LEFT_OUT = ("weight", "weights", "company", "company name", "security name", "sector", "industry", "notes", "comment")
"""Columns that stand beside and say nothing of a table."""
ADD = frozenset(
    "add added addition include included join joined enter entered entry in insert inserted buy + 1".split()
)
REMOVE = frozenset(
    (
        *"remove removed removal delete deleted deletion drop dropped".split(),
        *"exclude excluded leave left exit exited out - -1 0".split(),
    )
)
"""Words of a change of membership."""
TRUE, FALSE = frozenset("true t yes y 1 1.0 x".split()), frozenset("false f no n 0 0.0".split()) | {""}
"""Words of a flag; nothing is no."""
KIND_WORDS: Mapping[str, Mapping[str, str]] = {
    "actions": {
        **dict.fromkeys(("dividend", "cash dividend", "div", "special dividend", "distribution"), "cash"),
        **dict.fromkeys(("stock split", "splits", "reverse split"), "split"),
        "stock dividend": "stock",
        **dict.fromkeys(("spin-off", "spin off"), "spinoff"),
    },
    "delistings": {"": "unknown", "acquisition": "merger", "takeover": "merger"},
}
"""Table -> what its kinds are called besides."""


def column_of(name: str, synonyms: Mapping[str, tuple[str, ...]]) -> str | None:
    """Return the column that a name means; None for any other name."""
    word = plain(name)
    for column, words in synonyms.items():
        if word in (column.replace("_", " "), *words):
            return column
    return None
