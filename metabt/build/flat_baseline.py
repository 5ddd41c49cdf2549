"""Flat baseline: a tree without its recursion.

One leaf over the union of the leaves' universes, on the sessions that all their datasets share, under the root's
optimizer. Returns compound between shared sessions, because prices are taken there, or the returns of a dataset's
events or step are compounded. An asset is eligible, and stale, where it would be in the most lenient of the leaves; it
ends in the first shared session on or after its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields

import numpy as np

from metabt.data.calendars import calendar_of
from metabt.data.point_in_time.cost_rates import EVERY
from metabt.data.point_in_time.events import STATED, Events
from metabt.data.point_in_time.tables import DatedTable, PointInTime
from metabt.data.prices import Prices
from metabt.errors import ConfigError
from metabt.portfolio.built_estimators import build_optimizer
from metabt.portfolio.sleeve import Leaf, Rules, Sleeve
from metabt.values.digests import digest
from metabt.values.tables import Coded, concat

NAMED = ("rates", "schedules")
"""Tables of what has a name of its own, and no asset."""


def flatten_tree(tree: Sleeve, dataset: str) -> Sleeve:
    """Return the flat baseline of a tree as a single leaf over `dataset`, which holds all its leaves' symbols.

    Raises
    ------
    ConfigError
        If an asset is long in one sleeve and short in another, an optimizer of the root speaks of its children, a
        universe is drawn anew at every decision, a leaf takes its weights from a signal or is hedged, or leaves state
        unlike returns of delistings.
    """
    for estimator in (tree.spec.optimizer, *tree.spec.fallback):
        optimizer = build_optimizer(estimator)
        if optimizer.named or optimizer.texts:
            raise ConfigError(
                f"optimizer '{estimator.name}' of '{tree.name}' speaks of its sleeves by name, which the flat baseline "
                "does not have; give the root an optimizer that treats all alike"
            )
    sides: dict[str, tuple[float, str]] = {}
    for path, leaf in tree.leaves():
        for symbol, sign in zip(leaf.universe, leaf.signs, strict=True):
            side, other = sides.setdefault(symbol, (sign, path))
            if side != sign:
                raise ConfigError(
                    f"'{symbol}' is long in one and short in the other of '{other}' and '{path}', so the flat "
                    f"baseline of '{tree.name}' has no side for it; take it out of one of them"
                )
    _check_alike(tree)
    rules = {field.name: getattr(tree.spec, field.name) for field in fields(Rules)}
    rules["delisting"] = next(leaf.delisting for _, leaf in tree.leaves())
    shorts = tuple(sorted(symbol for symbol, (sign, _) in sides.items() if sign < 0))
    rules["min_coverage"] = min(leaf.min_coverage for _, leaf in tree.leaves())
    rules["stale_after"] = max(leaf.stale_after for _, leaf in tree.leaves())
    return Sleeve(tree.name, Leaf(**rules, dataset=dataset, universe=tuple(sorted(sides)), shorts=shorts))


def _check_alike(tree: Sleeve) -> None:
    """Raise ConfigError where one leaf cannot stand for all."""
    first, (one, stated) = "", next(iter(tree.leaves()))
    for path, leaf in tree.leaves():
        if leaf.signal is not None:
            raise ConfigError(
                f"sleeve '{path}' takes its weights from signal '{leaf.signal}', and the flat baseline of "
                f"'{tree.name}' has one optimizer for all assets; leave out is_meta_backtest=false, or the sleeve"
            )
        if leaf.drawn is not None:
            first = first or path
        if leaf.hedged is not None:
            raise ConfigError(
                f"sleeve '{path}' hedges its currencies, and the flat baseline of '{tree.name}' hedges none; take "
                "hedged out, or leave out is_meta_backtest=false"
            )
        if leaf.delisting != stated.delisting:
            raise ConfigError(
                f"sleeves '{one}' and '{path}' state unlike returns of delistings, so the flat baseline of "
                f"'{tree.name}' has none; state delisting once, in the root's defaults"
            )
    if first:
        raise ConfigError(
            f"sleeve '{first}' draws its universe anew at every decision, and the flat baseline of '{tree.name}' has "
            "one universe; list the symbols, or leave out is_meta_backtest=false"
        )


def join_prices(panels: Sequence[Prices]) -> Prices:
    """Return one panel with the symbols of all, which must not overlap, on the sessions they share."""
    # a name of its own: other trees of a forest join other symbols of the same datasets
    name = "+".join(panel.name for panel in panels) + ":" + digest([panel.symbols for panel in panels])[:8]
    calendar = calendar_of(panels)
    sessions = calendar.sessions[calendar.common]
    symbols = sorted({symbol for panel in panels for symbol in panel.symbols})
    close = np.full((len(sessions), len(symbols)), np.nan)
    beyond = any(panel.stated is not None or panel.events is not None for panel in panels)
    stated = np.full(close.shape, np.nan) if beyond else None
    ends: list[tuple[int, int, int]] = []
    column = {symbol: i for i, symbol in enumerate(symbols)}
    for panel in panels:
        rows = np.searchsorted(sessions, panel.dates)
        shared = (rows < len(sessions)) & (sessions[np.minimum(rows, len(sessions) - 1)] == panel.dates)
        places = [column[symbol] for symbol in panel.symbols]
        close[np.ix_(rows[shared], places)] = panel.close[shared]
        if stated is not None:
            for at, place in enumerate(places):
                end, missing = _end_of(panel, at, shared)
                stated[:, place] = _between_prices(panel, at, rows, shared, len(sessions), end)
                ends += [] if end is None else [(int(rows[end]), place, missing)]
    events = None
    if stated is not None and ends:
        at_rows, at_assets, codes = (np.array(each) for each in zip(*ends, strict=True))
        returns = np.nan_to_num(stated[at_rows, at_assets])
        events = Events.of(at_rows, at_assets, returns, np.ones(len(ends), bool), codes)
    return Prices(name, sessions, tuple(symbols), close, None, calendar.ended, stated=stated, events=events)


def join_tables(known: Mapping[str, PointInTime], used: Mapping[str, Iterable[str]]) -> PointInTime:
    """Return the rates, the days of schedules, and the costs by asset, of datasets whose prices are joined.

    Parameters
    ----------
    known : dataset -> what is dated beside its prices
    used : dataset -> the symbols that are taken from it

    Returns
    -------
    PointInTime
        Rates, or days, of one name that datasets have with unlike rows are left out: nothing says which is meant. What
        a dataset says of all its assets is said of each that is taken from it.
    """
    found: dict[str, DatedTable] = {}
    costs = [
        _by_asset(known[name].tables["costs"], used[name]) for name in sorted(used) if "costs" in known[name].tables
    ]
    tables = {name: [known[it].tables[name] for it in sorted(used) if name in known[it].tables] for name in NAMED}
    for name, parts in (*((name, _alike(own)) for name, own in tables.items()), ("costs", costs)):
        if parts:
            found[name] = DatedTable.of(name, concat([part.columns for part in parts]))
    return PointInTime(found)


def _alike(tables: Iterable[DatedTable]) -> list[DatedTable]:
    """Return the rows of each name that all of the tables which have it say the same of."""
    named: dict[str, list[DatedTable]] = {}
    for table in tables:
        for name in table.first_texts:
            named.setdefault(name, []).append(table.of_firsts([name]))
    return [own[0] for own in named.values() if len({each.digest for each in own}) == 1]


def _by_asset(costs: DatedTable, symbols: Iterable[str]) -> DatedTable:
    """Return costs with what is said of all assets said of each of some, until an asset's own rows begin."""
    every, parts = costs.of_firsts([EVERY]), []
    for symbol in sorted(symbols):
        own = costs.of_firsts([symbol])
        begins = own.numbers("first_date")[:1]
        before = every.take(every.numbers("first_date") < begins) if len(begins) else every
        parts += [{**before.columns, "asset": Coded.constant(symbol, len(before))}, own.columns]
    return DatedTable.of("costs", concat(parts))


def _end_of(panel: Prices, column: int, shared: np.ndarray) -> tuple[int | None, int]:
    """Return the first shared session of a panel in which an asset has ended, and the code of what is missing of it."""
    if panel.events is None:
        return None, STATED
    own = np.flatnonzero(panel.events.ends & (panel.events.columns == column))
    later = np.flatnonzero(shared[panel.events.rows[own[0]] :]) if len(own) else own
    if not len(later):
        return None, STATED
    return int(panel.events.rows[own[0]] + later[0]), int(panel.events.missing[own[0]])


def _between_prices(
    panel: Prices, column: int, rows: np.ndarray, shared: np.ndarray, n_sessions: int, end: int | None
) -> np.ndarray:
    """Return an asset's returns from each shared session with a price to the next, (n_sessions,), NaN where none is.

    `rows` are the sessions of the panel among the shared ones, where they are `shared`; `end` is the one in which the
    asset has ended, to which returns go as if it had a price there.
    """
    found = np.full(n_sessions, np.nan)
    stops = shared & panel.priced[:, column]
    if end is not None:
        stops[end] = True
    held = np.flatnonzero(stops)
    if panel.stated is None and panel.events is None:
        closes = panel.close[held, column]
        found[rows[held[1:]]] = closes[1:] / closes[:-1] - 1.0
        return found
    returns, observed = panel.returns[:, column], panel.observed[:, column]
    for since, row in zip(held[:-1].tolist(), held[1:].tolist(), strict=True):
        step = returns[since + 1 : row + 1][observed[since + 1 : row + 1]]
        if len(step):
            found[rows[row]] = step[0] if len(step) == 1 else np.multiply.accumulate(1.0 + step)[-1] - 1.0
    return found
