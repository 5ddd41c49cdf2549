"""Resolve: from a tree of plain values (YAML, dict) to sleeves with every default filled in.

1. Templates are expanded (metabt.portfolio.templates).
2. A setting is a node's own, else that of the nearest `defaults` at or above it, else the signature's in
   metabt.portfolio.sleeve.
3. `hedged` of a meta sleeve holds for all leaves beneath it that state none.
4. A tree has one rate of cash and one currency: what its root states holds for all beneath, and no sleeve may state
   another.
5. A leaf over a signal takes its assets, its dates and its weights from there, and decides nothing by itself.
6. Everything is checked here, once: keys, types, names, depth, cycles, estimators and their bounds. A message names the
   sleeve by its path, what was found, what was wanted, and the nearest thing that exists.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

from metabt.errors import ConfigError, nearest
from metabt.estimators.optimizers.base import Optimizer
from metabt.portfolio.built_estimators import bounded, build_optimizer, build_selector
from metabt.portfolio.drawn import EVER, OF, Drawn, drawn
from metabt.portfolio.schedule import Schedule
from metabt.portfolio.settings import PARSERS
from metabt.portfolio.sleeve import Estimator, Leaf, Rules, Sleeve
from metabt.portfolio.templates import count_characters, count_sleeves, expand, is_template
from metabt.values.limits import SLEEVES, STATED

MAX_DEPTH = 32
"""Largest number of levels of a tree."""

_RULES = {f.name for f in fields(Rules)}
_OF_LEAF = {"dataset", "selector", "direction", "min_coverage", "stale_after", "delisting", "hedged"}
_OF_META = {"warmup", "min_history"}
_INHERITED = _RULES | _OF_LEAF | _OF_META
_STRUCTURE = {"universe", "sleeves", "defaults"}
_OUTSIDE = {"signal", "short"}
DECIDES = {"optimizer", "selector", "fallback", "schedule", "lookback", "direction", "min_coverage"}
"""What a leaf over a signal has no use for."""
_NAME = re.compile(r"[^/\x00-\x1f\x7f\ud800-\udfff]{1,128}")

Settings = Mapping[str, Any]
Memberships = Mapping[str, Mapping[str, Sequence[str]]]
"""Dataset -> universe -> every asset that ever belonged to it; or dataset -> signal -> every asset that it names."""


def resolve(
    tree: Settings,
    *,
    symbols: Mapping[str, Sequence[str]] | None = None,
    start: str | None = None,
    leaves: dict[str, Sleeve] | None = None,
    members: Memberships | None = None,
    signals: Memberships | None = None,
) -> Sleeve:
    """Return the sleeve that a tree of plain values describes.

    Parameters
    ----------
    tree : mapping of settings of the root, as `conf/portfolio` spells it
    symbols : dataset -> symbols; None is unknown. Needed for `universe: all`, and for a leaf that names no dataset
        when there is one dataset only
    start : earliest decision, ISO date; replaces every `start` in the tree; None leaves them
    leaves : leaves that were resolved before with the same symbols; those of this tree are added to it
    members : dataset -> universe -> every asset that ever belonged to it; None is unknown
    signals : dataset -> signal -> every asset that it ever names; None is unknown

    Raises
    ------
    ConfigError
        If the tree cannot be what was meant.
    """
    if not isinstance(tree, Mapping):
        raise ConfigError(f"a portfolio is a mapping of settings, got {type(tree).__name__}")
    SLEEVES.check("the tree", count_sleeves(tree))
    STATED.check("the tree", count_characters(tree))
    name = tree.get("name", "portfolio")
    rest = {key: value for key, value in tree.items() if key != "name"}
    always = {} if start is None else {"start": start}
    known = {} if leaves is None else leaves
    sleeve = _Resolver(symbols, always, known, members, signals).node(name, "", rest, _of_root(rest), ())
    check_alike(sleeve)
    return sleeve


def check_alike(tree: Sleeve) -> None:
    """Raise ConfigError, which names two sleeves, where those of a tree state unlike rates of cash, or currencies."""
    wanted, currency = tree.spec.cash.rate, tree.spec.currency
    for path, sleeve in tree.walk():
        rate = sleeve.spec.cash.rate
        if sleeve.spec.currency != currency:
            raise ConfigError(
                f"sleeve '{path}': it is in {sleeve.spec.currency or 'no currency'}, '{tree.name}' in "
                f"{currency or 'none'}; a tree has one currency: state it once, as currency: of '{tree.name}', and "
                "take it out beneath"
            )
        if rate != wanted:
            raise ConfigError(
                f"sleeve '{path}': its cash earns {_told(rate)}, that of '{tree.name}' {_told(wanted)}; a tree has one "
                f"rate: state it once, as cash: {{rate: ...}} of '{tree.name}', and take it out beneath"
            )


def _told(rate: str | float | None) -> str:
    return "nothing" if rate is None else f"'{rate}'" if isinstance(rate, str) else f"{rate:g}"


def _of_root(settings: Settings) -> tuple[Settings, ...]:
    """Return what a root itself says of the rate of cash and of its currency, layers that hold for all of its tree."""
    stated = settings.get("cash")
    rate = stated.get("rate") if isinstance(stated, Mapping) else stated
    layers = {"cash": None if rate is None else {"rate": rate}, "currency": settings.get("currency")}
    return tuple({key: value} for key, value in layers.items() if value is not None)


class _Resolver:
    def __init__(
        self,
        symbols: Mapping[str, Sequence[str]] | None,
        always: Settings,
        leaves: dict[str, Sleeve],
        members: Memberships | None,
        signals: Memberships | None,
    ) -> None:
        self.symbols, self.members, self.signals = symbols, members, signals
        self.always = always
        self.leaves = leaves

        self.made = 0
        self.stated = 0

    def node(
        self, name: object, above: str, settings: object, inherited: tuple[Settings, ...], on_path: tuple[int, ...]
    ) -> Sleeve:
        path = f"{above}/{name}" if above else str(name)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigError(f"sleeve '{path}': a name is text without '/', at most 128 characters, got {name!r}")
        if name == "cash":
            raise ConfigError(f"sleeve '{path}': 'cash' is what is not invested; give the sleeve another name")
        if not isinstance(settings, Mapping):
            raise ConfigError(f"sleeve '{path}': got {settings!r}, wanted a mapping with a universe or with sleeves")
        if id(settings) in on_path:
            raise ConfigError(f"sleeve '{path}' contains itself; a tree must not have cycles")
        if len(on_path) >= MAX_DEPTH:
            raise ConfigError(
                f"sleeve '{path}' is {len(on_path) + 1} levels deep, the limit is {MAX_DEPTH}; flatten it"
            )
        is_meta = "sleeves" in settings
        _check_keys(path, settings, is_meta)
        self.made += 1
        SLEEVES.check("the tree", self.made, exact=False)
        chain = (*inherited, _defaults(path, settings))
        if is_meta:
            if settings.get("hedged") is not None:  # of all leaves beneath it
                chain = (*chain, {"hedged": settings["hedged"]})
            return self._meta(name, path, settings, chain, (*on_path, id(settings)))
        try:
            stated = json.dumps((name, settings, chain, self.always), sort_keys=True)  # tells 1 from 1.0
            self.stated += len(stated)
        except (TypeError, ValueError):  # what a file cannot state, such as an array: no text says all of it
            return self._leaf(name, path, settings, chain)
        STATED.check("the tree", self.stated, exact=False)
        if stated not in self.leaves:
            self.leaves[stated] = self._leaf(name, path, settings, chain)
        return self.leaves[stated]

    def _meta(
        self, name: str, path: str, settings: Settings, chain: tuple[Settings, ...], on_path: tuple[int, ...]
    ) -> Sleeve:
        listed = settings["sleeves"]
        if not isinstance(listed, Mapping) or not listed:
            raise ConfigError(f"sleeve '{path}': sleeves is {listed!r}, wanted at least one named sleeve")
        children: dict[str, Sleeve] = {}
        for pattern, template in listed.items():
            for child, body in _instances(path, pattern, template):
                if child in children:
                    raise ConfigError(f"sleeve '{path}': two sleeves are called '{child}'; give each its own name")
                children[child] = self.node(child, path, body, chain, on_path)
        rules = self._rules(path, settings, chain, _RULES | _OF_META)
        sleeve = _blamed(path, lambda: Sleeve.meta(name, tuple(children.values()), **rules))
        check_bounds(path, sleeve.spec, len(children), f"{len(children)} sleeves")
        return sleeve

    def _leaf(self, name: str, path: str, settings: Settings, chain: tuple[Settings, ...]) -> Sleeve:
        if settings.get("signal") is not None:
            return Sleeve(name, self._of_signal(path, settings, chain))
        rules = self._rules(path, settings, chain, _RULES | _OF_LEAF)
        rules["dataset"] = rules.get("dataset") or self._only_dataset(path)
        universe = settings.get("universe")
        if isinstance(universe, Mapping):
            rule = _blamed(path, partial(drawn, "universe", universe))
            symbols = self._drawn_from(path, universe.get(OF, universe.get(EVER)), rule, rules["dataset"])
            leaf = Leaf(**rules, universe=symbols, drawn=rule)
        else:
            leaf = Leaf(**rules, universe=self._universe(path, universe, rules["dataset"]))
        selector = _blamed(path, lambda: build_selector(leaf.selector))
        n_assets = len(leaf.universe)
        if n_assets:
            most = min(n_assets, selector.most(n_assets))
            check_bounds(path, leaf, most, f"{most} of {n_assets} assets")
            for it in (leaf.optimizer, *leaf.fallback):
                check = build_optimizer(it).check_names
                _blamed(path, partial(check, leaf.universe, f"optimizer '{it.name}'", "in its universe"))
        return Sleeve(name, leaf)

    def _of_signal(self, path: str, settings: Settings, chain: tuple[Settings, ...]) -> Leaf:
        """Return a leaf whose weights come from outside."""
        for key in settings:
            if key in DECIDES:
                raise ConfigError(
                    f"sleeve '{path}': '{key}' is of a sleeve that decides itself, and this one takes its weights and "
                    f"their dates from signal '{settings['signal']}'; take one of the two out"
                )
        rules = self._rules(path, settings, chain, (_RULES | _OF_LEAF | _OUTSIDE) - DECIDES)
        rules["dataset"] = rules.get("dataset") or self._only_dataset(path)
        universe = settings.get("universe")
        if isinstance(universe, Mapping):
            raise ConfigError(
                f"sleeve '{path}': a universe that is drawn by a rule, beside signal '{rules['signal']}', which says "
                "itself what is held; take the universe out, or list symbols"
            )
        if universe is None:
            symbols = self._named_by(path, rules["signal"], rules["dataset"])
        else:
            symbols = self._universe(path, universe, rules["dataset"])
        return Leaf(**rules, universe=symbols, schedule=Schedule(every=1), lookback=0, fallback=())

    def _named_by(self, path: str, signal: str, dataset: str) -> tuple[str, ...]:
        """Return every asset that a signal names."""
        if self.signals is None:
            return ()
        self._check_dataset(path, dataset)
        known = self.signals.get(dataset, {})
        if signal not in known:
            cure = nearest(signal, known) or (
                f"; dataset '{dataset}' has no table signals: metabt ingest FILE --dataset {dataset} --table signals, "
                "or backtest(..., signals={NAME: frame}) for prices in memory"
            )
            raise ConfigError(f"sleeve '{path}': no signal is called '{signal}'{cure}")
        return tuple(sorted(known[signal]))

    def _only_dataset(self, path: str) -> str:
        if self.symbols is not None and len(self.symbols) == 1:
            return next(iter(self.symbols))
        known = "" if self.symbols is None else f"; known: {', '.join(sorted(self.symbols)) or 'none yet'}"
        raise ConfigError(f"sleeve '{path}': a leaf needs a dataset to draw its universe from{known}")

    def _drawn_from(self, path: str, of: object, rule: Drawn, dataset: str) -> tuple[str, ...]:
        """Return every asset that a rule may ever draw."""
        if of is not None:
            return self._universe(path, of, dataset)
        if rule.members is None:
            return self._universe(path, "all", dataset)
        if self.members is None:
            return ()
        known = self.members.get(dataset, {})
        if rule.members not in known:
            cure = nearest(rule.members, known) or (
                f"; dataset '{dataset}' has no table members: metabt ingest FILE --dataset {dataset} --table members"
            )
            raise ConfigError(f"sleeve '{path}': no membership is called '{rule.members}'{cure}")
        return tuple(sorted(known[rule.members]))

    def _check_dataset(self, path: str, dataset: str) -> None:
        if self.symbols is not None and dataset not in self.symbols:
            raise ConfigError(f"sleeve '{path}': no dataset is called '{dataset}'{nearest(dataset, self.symbols)}")

    def _universe(self, path: str, universe: object, dataset: str) -> tuple[str, ...]:
        if universe == "all":
            if self.symbols is None:
                return ()
            self._check_dataset(path, dataset)
            return tuple(sorted(self.symbols[dataset]))
        if not isinstance(universe, list | tuple) or not universe:
            raise ConfigError(f"sleeve '{path}': universe is {universe!r}, wanted a list of symbols, 'all', or a rule")
        for symbol in universe:
            if not isinstance(symbol, str):
                raise ConfigError(
                    f"sleeve '{path}': universe has {symbol!r}, which is no text; put the symbol in quotes"
                )
            if not symbol.isascii() and not _is_text(symbol):
                raise ConfigError(
                    f"sleeve '{path}': universe has {symbol!a}, which is no Unicode text; correct the symbol"
                )
        twice = sorted(symbol for symbol, times in Counter(universe).items() if times > 1)
        if twice:
            raise ConfigError(
                f"sleeve '{path}': universe lists {', '.join(twice)} more than once; list each symbol once"
            )
        return tuple(sorted(universe))

    def _rules(self, path: str, own: Settings, chain: tuple[Settings, ...], keys: set[str]) -> dict[str, Any]:
        layers = (*chain, own, self.always)
        stated = {key: [layer[key] for layer in layers if layer.get(key) is not None] for key in sorted(keys)}
        return {key: _blamed(path, partial(PARSERS[key], key, values)) for key, values in stated.items() if values}


def _is_text(symbol: str) -> bool:
    try:
        return bool(symbol.encode())
    except UnicodeEncodeError:  # half a character
        return False


def _instances(path: str, pattern: object, template: Any) -> Iterable[tuple[Any, Any]]:
    """Yield what a template stands for one by one, so that one sleeve is counted before the next is made."""
    if is_template(template):
        return expand(f"{path}/{pattern}", str(pattern), template)
    return [(pattern, template)]


def _defaults(path: str, settings: Settings) -> Settings:
    defaults = settings.get("defaults") or {}
    if not isinstance(defaults, Mapping):
        raise ConfigError(f"sleeve '{path}': defaults is {defaults!r}, wanted a mapping of settings")
    for key in defaults:
        if key not in _INHERITED:
            raise ConfigError(f"sleeve '{path}': unknown key 'defaults.{key}'{nearest(str(key), _INHERITED)}")
    return defaults


def _check_keys(path: str, settings: Settings, is_meta: bool) -> None:
    if is_meta and "universe" in settings:
        raise ConfigError(
            f"sleeve '{path}' has both sleeves and a universe; a leaf has a universe, a meta sleeve sleeves"
        )
    if is_meta and "signal" in settings:
        raise ConfigError(
            f"sleeve '{path}' has both sleeves and a signal; a leaf takes its weights from a signal, a meta sleeve "
            "weights sleeves: make the signal a leaf of its own beneath it"
        )
    if "short" in settings and settings.get("signal") is None:
        raise ConfigError(
            f"sleeve '{path}': 'short' lets the weights of a signal be negative; state its signal, or direction: short"
        )
    other = _OF_LEAF if is_meta else _OF_META
    known = (_INHERITED - other) | _STRUCTURE | {"hedged"} | (set() if is_meta else _OUTSIDE)
    if "expand" in settings:
        raise ConfigError(
            f"sleeve '{path}': expand makes several sleeves of one, and the root is one; put the template beneath "
            f"sleeves, as in sleeves: {{NAME_{{variable}}: {{expand: ...}}}}"
        )
    for key in settings:
        if key in other and key != "hedged":  # which holds for all leaves beneath
            cure = "put it under defaults to set it for the leaves beneath" if is_meta else "take it out"
            raise ConfigError(f"sleeve '{path}': '{key}' belongs to a {'leaf' if is_meta else 'meta sleeve'}; {cure}")
        if key not in known:
            raise ConfigError(f"sleeve '{path}': unknown key '{key}'{nearest(str(key), known)}")
    if not is_meta and "universe" not in settings and settings.get("signal") is None:
        raise ConfigError(f"sleeve '{path}' is empty: it has neither a universe (a leaf) nor sleeves (a meta sleeve)")


def _check_fallback(fallback: Estimator, before: Optimizer) -> None:
    """Raise ConfigError for a fallback that cannot be built, alone or within the bounds of the optimizer before it."""
    build_optimizer(fallback)
    within = bounded(fallback, before)
    try:
        build_optimizer(within)
    except ConfigError as error:
        raise ConfigError(
            f"fallback '{fallback.name}' cannot have the bounds of the optimizer before it, "
            f"[{before.min_weight:g}, {before.max_weight:g}]: {error}; take it out, or state bounds of its own "
            "where its constructor takes them"
        ) from error


def check_bounds(path: str, spec: Rules, most: int, what: str) -> None:
    """Raise ConfigError unless the optimizer's bounds let `most` items, which `what` describes, sum to one."""
    built = _blamed(path, lambda: build_optimizer(spec.optimizer))
    for fallback in spec.fallback:
        _blamed(path, partial(_check_fallback, fallback, built))
    low, high = built.min_weight, built.max_weight
    if most * high < 1 - 1e-12:
        raise ConfigError(
            f"sleeve '{path}': weights cannot sum to one: {what} at max_weight {high:g} make {most * high:g}; "
            f"raise max_weight to at least {1 / most:.4g}"
        )
    if most * low > 1 + 1e-12:
        raise ConfigError(
            f"sleeve '{path}': weights cannot sum to one: {what} at min_weight {low:g} make {most * low:g}; "
            f"lower min_weight to at most {1 / most:.4g}"
        )


def _blamed(path: str, build: Callable[[], Any]) -> Any:
    try:
        return build()
    except ConfigError as error:
        raise ConfigError(f"sleeve '{path}': {error}") from error
