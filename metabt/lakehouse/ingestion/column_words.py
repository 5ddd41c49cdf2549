"""Column words: what columns are called by those who write price files, and what they mean by it.

1. A name is compared in lower case, without the decoration that vendors add: ``4. close``, ``<CLOSE>``, ``Vol.``,
   ``Adj_Close*``, ``Close (USD)``.
2. `meaning` says which field of a bar a whole name is; `split` cuts ``AAPL_Volume`` or ``Close AAPL`` in two.
"""

from __future__ import annotations

import re

DATES = (
    *("date", "datetime", "timestamp", "time", "day", "observation date", "caldt", "trade date", "trading day"),
    *("datum", "fecha", "data", "дата", "日期", "日付"),
)
SYMBOLS = (
    *("symbol", "ticker", "asset", "sid", "tic", "ric", "permno", "gvkey", "secid", "isin", "cusip", "sedol", "figi"),
    *("wkn", "instrument", "security", "stock"),
)
ADJUSTED = ("adj close", "adjclose", "adjusted close", "adjusted", "close adj", "closeadj")
CLOSES = (
    *(*ADJUSTED, "close", "close/last", "settle", "settlement", "closing", "last", "px last", "price", "prc", "nav"),
    *("value", "last sale", "mid", "trade close", "trdprc 1", "closing value", "close value"),
    *("schlusskurs", "schluss", "kurs", "zuletzt", "clôture", "cloture", "clot", "dernier", "cierre", "último"),
    *("ultimo", "chiusura", "fechamento", "slotkoers", "laatste", "zamkniecie", "zamknięcie"),
    *("закрытие", "цена", "收盘", "收盘价", "終値"),
)
"""Names of a price column, the preferred first."""
PLAINLY = frozenset((*ADJUSTED, "close", "close/last", "closing", "schlusskurs", "clôture", "settlement"))
"""Names of a price column that no symbol has."""
OTHERS = {
    "open": (
        *("open", "opening", "px open", "open prc", "erster", "eröffnung", "eröffn", "ouverture", "ouv", "apertura"),
        *("abertura", "openen", "opening", "otwarcie", "откр", "открытие", "开盘", "开盘价", "始値"),
    ),
    "high": (
        *("high", "px high", "high 1", "hoch", "höchst", "plus haut", "haut", "máximo", "maximo", "máxima", "massimo"),
        *("max", "hoog", "najwyzszy", "najwyższy", "макс", "максимум", "最高", "最高价", "高値"),
    ),
    "low": (
        *("low", "px low", "low 1", "tief", "tiefst", "plus bas", "bas", "mínimo", "minimo", "mínima", "min", "laag"),
        *("najnizszy", "najniższy", "мин", "минимум", "最低", "最低价", "安値"),
    ),
    "volume": (
        *("volume", "vol", "px volume", "trade volume", "total volume", "total traded quantity", "acvol uns"),
        *("volumen", "stuecke", "stücke", "umsatz", "volumes", "wolumen", "объём", "объем", "成交量", "出来高"),
    ),
}
"""Other field -> names of its column."""
FIELD_OF = {
    **dict.fromkeys(CLOSES, "close"),
    **{word: field for field, words in OTHERS.items() for word in words},
}
"""Word -> field."""
DIVIDENDS = ("dividends", "dividend", "dividend amount", "div cash", "divcash", "ex-dividend", "cash dividend")
SPLITS = ("stock splits", "stock split", "split factor", "splitfactor", "split ratio", "split coefficient")
"""Names of columns of dividends and splits that stand beside raw bars."""
BESIDE = (
    *("dividends", "stock splits", "capital gains", "change", "change %", "openint", "open interest", "ex-dividend"),
    *("bid", "ask", "vwap", "average", "turnover", "market cap", "aum", "shares outstanding", "trades"),
    *(
        "no. of trades",
        "veränderung",
        "+/- %",
        "var. %",
        "% var.",
        "amount",
        "adj factor",
        "split ratio",
        "dividend amount",
    ),
)
"""Names of columns that stand beside the bars of one asset and are no field."""
UNNAMED = re.compile(r"(unnamed: \d+(_level_\d+)?|index|level \d+)?")
"""Names that pandas gives to a column that has none."""
CURRENCIES = frozenset("usd eur gbp gbx jpy chf cad aud cny hkd sek nok dkk inr".split())
"""What a second line under the header names where it states units."""

_NUMBERED = re.compile(r"^\d+[.:]\s+")
_UNIT = re.compile(r"\s*[(\[][^)\]]*[)\]]$")
_SEPARATOR = re.compile(r"[ _.:|/-]+")


def plain(name: str) -> str:
    """Return a name as names are compared."""
    text = name.strip().lower().strip("<>*").replace("_", " ")
    text = _UNIT.sub("", _NUMBERED.sub("", text))
    text = text.replace("adj. ", "adj ").rstrip(".*")
    return text[: -len(" price")] if text.endswith(" price") else text


def meaning(name: str) -> str | None:
    """Return the field that a column's name means; None for any other name."""
    return FIELD_OF.get(plain(name))


def split(name: str) -> tuple[str, str, str] | None:
    """Return (side of the field, symbol, word of the field) of a name that holds both; None for any other name."""
    cuts = [(cut.start(), cut.end()) for cut in _SEPARATOR.finditer(name)]
    for start, end in cuts:  # from the left, so that the longest word at the end is found first
        if start and meaning(name[end:]):
            return "last", name[:start], name[end:]
    for start, end in reversed(cuts):
        if end < len(name) and meaning(name[:start]):
            return "first", name[end:], name[:start]
    return None
