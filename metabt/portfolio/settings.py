"""Settings: one parser per key of a sleeve. Each takes what was stated for it, outermost first, and returns a value.

Most take the innermost statement; costs and cash merge field by field. What cannot be meant is refused with what was
wanted.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from metabt.errors import ConfigError, nearest
from metabt.estimators.registry import canonical
from metabt.portfolio.schedule import PERIODS, Schedule
from metabt.portfolio.sleeve import Cash, Costs, Delisting, Estimator, Hedged
from metabt.values.scalars import number, plain_scalars, whole

DAILY = "daily"
"""Name of the schedule `{every: 1}`: every session of the sleeve's calendar."""

MOST_RATE = 1.0
"""Largest constant rate of cash: 5 where 0.05 is meant is refused."""
CURRENCY = re.compile(r"[A-Z]{3}")
"""What currencies are called (ISO 4217)."""
MOST_FALLBACKS = 100
"""More optimizers than there are."""
MOST_SESSIONS = 10_000_000
"""More sessions than any data have."""


def _estimator(key: str, value: object) -> Estimator:
    if isinstance(value, str):
        return Estimator(value)
    if isinstance(value, Estimator):  # an object or a class that was handed over
        return value
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        kind = "selector" if key == "selector" else "optimizer"
        params = plain_scalars({k: v for k, v in value.items() if k != "name"})
        return Estimator(value["name"], canonical(kind, value["name"], params))
    raise ConfigError(f"{key} is {value!r}, wanted a name or {{name: ..., parameter: ...}}")


def _fallback(key: str, value: object) -> tuple[Estimator, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{key} is {value!r}, wanted a list of optimizers")
    if len(value) > MOST_FALLBACKS:
        raise ConfigError(f"{key} lists {len(value):,} optimizers, at most {MOST_FALLBACKS} can be tried")
    return tuple(_estimator(key, item) for item in value)


def _schedule(key: str, value: object) -> Schedule:
    if value == DAILY:
        return Schedule(every=1)
    if isinstance(value, str):
        if value not in PERIODS:
            raise ConfigError(f"{key}: unknown period '{value}'{nearest(value, (DAILY, *PERIODS))}")
        return Schedule(period=value)
    if isinstance(value, Mapping) and value:
        return _schedule_of(key, value)
    raise ConfigError(
        f"{key} is {value!r}, wanted {{every: k}} or one of {', '.join((DAILY, *PERIODS))}, or "
        "{on: month_end, exchange: XNYS} or {dates: NAME}"
    )


def _schedule_of(key: str, value: Mapping[Any, object]) -> Schedule:
    """Return the schedule that a mapping states."""
    known = [f.name for f in fields(Schedule)]
    stated: dict[str, Any] = {}
    for name, said in value.items():
        name = "on" if name is True else name  # what YAML 1.1 makes of it in a file that another library has read
        if name not in known:
            raise ConfigError(f"unknown key '{key}.{name}'{nearest(str(name), known)}")
        if name == "every":
            stated[name] = _whole(1)(f"{key}.{name}", [said])
        elif name == "band":
            stated[name] = _band(f"{key}.{name}", said)
        elif said is not None:
            stated[name] = _text(f"{key}.{name}", [said])
    if stated.get("period") == DAILY:
        stated = {**stated, "period": None, "every": 1}
    return Schedule(**stated)


def _band(key: str, value: object) -> float:
    band = number(value)
    if band is None or not 0.0 < band < 1.0:
        raise ConfigError(
            f"{key} is {value!r}, wanted a difference of weights above 0 and below 1: 0.05 leaves alone what is within "
            "5 % of NAV of its target; leave it out to trade everything"
        )
    return float(band)


def _costs(key: str, values: Sequence[object]) -> Costs:
    merged: dict[str, float] = {}
    known = [f.name for f in fields(Costs)]
    for value in values:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key} is {value!r}, wanted {{{', '.join(known)}}}")
        for name, amount in value.items():
            if name not in known:
                raise ConfigError(f"unknown key '{key}.{name}'{nearest(str(name), known)}")
            merged[name] = _number(0.0, 10_000.0)(f"{key}.{name}", [amount])
    return Costs(**merged)


def _delisting(key: str, values: Sequence[object]) -> Delisting:
    merged: dict[str, float] = {}
    known = [f.name for f in fields(Delisting)]
    for value in values:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key} is {value!r}, wanted {{{', '.join(known)}}}, a return each: -0.3 is -30 %")
        for name, amount in value.items():
            if name not in known:
                raise ConfigError(f"unknown key '{key}.{name}'{nearest(str(name), known)}")
            merged[name] = _number(-1.0, 10.0)(f"{key}.{name}", [amount])
    return Delisting(**merged)


def _cash(key: str, values: Sequence[object]) -> Cash:
    merged: dict[str, Any] = {}
    for value in values:
        if not isinstance(value, Mapping):
            value = {"rate": value}
        for name, stated in value.items():
            if name not in ("rate", "reserve"):
                raise ConfigError(f"unknown key '{key}.{name}'{nearest(str(name), ('rate', 'reserve'))}")
            if stated is not None:
                merged[name] = (_rate if name == "rate" else _reserve)(f"{key}.{name}", stated)
    return Cash(**merged)


def _rate(key: str, value: object) -> str | float:
    if isinstance(value, str) and value:
        return value
    rate = number(value)
    if rate is None or not -1.0 < rate <= MOST_RATE:
        raise ConfigError(
            f"{key} is {value!r}, wanted the name of a rate, or an annual rate as a fraction from above -1 to "
            f"{MOST_RATE:g}: 5 % is 0.05"
        )
    return float(rate)


def _reserve(key: str, value: object) -> float:
    reserve = number(value)
    if reserve is None or not 0.0 <= reserve < 1.0:
        raise ConfigError(f"{key} is {value!r}, wanted a fraction of NAV from 0 to below 1, such as 0.05")
    return float(reserve)


def _currency(key: str, value: object) -> str:
    if not isinstance(value, str) or not CURRENCY.fullmatch(value):
        raise ConfigError(f"{key} is {value!r}, wanted a code of three capital letters, such as USD")
    return value


def _hedged(key: str, value: object) -> Hedged | None:
    if isinstance(value, bool):
        return Hedged() if value else None
    if not isinstance(value, Mapping) or not value:
        raise ConfigError(f"{key} is {value!r}, wanted true, false, or a rate of cash by currency: {{EUR: estr}}")
    rates = {_currency(f"{key}: a currency", name): _rate(f"{key}.{name}", rate) for name, rate in value.items()}
    return Hedged(tuple(sorted(rates.items())))


def _whole(least: int) -> Callable[[str, Sequence[object]], int]:
    def parse(key: str, values: Sequence[object]) -> int:
        value = whole(values[-1])
        if value is None or value < least:
            raise ConfigError(f"{key} is {values[-1]!r}, wanted a whole number of at least {least}")
        if value > MOST_SESSIONS:
            shown = f"{value:,}" if value < 10**30 else "more than 10^30"
            raise ConfigError(f"{key} is {shown}, wanted a number of sessions, at most {MOST_SESSIONS:,}")
        return value

    return parse


def _number(low: float, high: float) -> Callable[[str, Sequence[object]], float]:
    def parse(key: str, values: Sequence[object]) -> float:
        value = number(values[-1])
        if value is None or not low <= value <= high:
            raise ConfigError(f"{key} is {values[-1]!r}, wanted a number from {low:g} to {high:g}")
        return value

    return parse


def _one_of(*known: str) -> Callable[[str, Sequence[object]], str]:
    def parse(key: str, values: Sequence[object]) -> str:
        value = values[-1]
        if value not in known:
            raise ConfigError(f"{key} is {value!r}, wanted one of {', '.join(known)}")
        return str(value)

    return parse


def _text(key: str, values: Sequence[object]) -> str:
    value = values[-1]
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{key} is {value!r}, wanted text")
    return value


def _flag(key: str, values: Sequence[object]) -> bool:
    value = values[-1]
    if not isinstance(value, bool):
        raise ConfigError(f"{key} is {value!r}, wanted true or false")
    return value


def parse_date(key: str, value: object) -> str:
    """Return a date, or a text that is one, as ISO text; ConfigError, which names `key`, for anything else."""
    if isinstance(value, datetime.date):
        return value.isoformat()[:10]
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[D]")
    try:
        return datetime.date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise ConfigError(f"{key} is {value!r}, wanted a date such as 2000-01-31") from error


PARSERS: Mapping[str, Callable[[str, Sequence[Any]], Any]] = {
    "optimizer": lambda key, values: _estimator(key, values[-1]),
    "selector": lambda key, values: _estimator(key, values[-1]),
    "fallback": lambda key, values: _fallback(key, values[-1]),
    "schedule": lambda key, values: _schedule(key, values[-1]),
    "start": lambda key, values: parse_date(key, values[-1]),
    "costs": _costs,
    "cash": _cash,
    "currency": lambda key, values: _currency(key, values[-1]),
    "lookback": _whole(2),
    "lag": _whole(0),
    "stale_after": _whole(1),
    "min_history": _whole(2),
    "min_coverage": _number(1e-6, 1.0),
    "warmup": _one_of("equal", "wait"),
    "direction": _one_of("long", "short"),
    "dataset": _text,
    "delisting": _delisting,
    "signal": _text,
    "short": _flag,
    "hedged": lambda key, values: _hedged(key, values[-1]),
}
"""Setting -> parser: takes the key and its stated values, outermost first, and returns the value of a spec."""
