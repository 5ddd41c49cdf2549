"""Request: one run that is asked for, and its identity.

`run_id = H(resolved tree with names, end of the view, flat or not, benchmark, digests of the data, code, libraries,
platform)`
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from sys import intern
from typing import Any

import numpy as np

from metabt.analysis.benchmark import Benchmark, Symbols, find_benchmark
from metabt.build.dated.currencies import currencies_in, homes_of, in_currency
from metabt.build.dated.dated_inputs import COSTS, SIGNALS
from metabt.build.dated.decision_days import opened
from metabt.build.dated.named_rates import RATES
from metabt.build.keys import FORMAT, basis, plugin_versions, step_versions
from metabt.build.plan import check_universes
from metabt.build.sleeve_code import kind_of, run_code
from metabt.build.step_checks import steps_of
from metabt.data.calendars import calendar_of
from metabt.data.dataset import Dataset
from metabt.data.point_in_time.cost_rates import EVERY
from metabt.data.point_in_time.currencies import exchange_name
from metabt.data.point_in_time.hedging import hedge_name
from metabt.engines.backtest_engine import check_shape
from metabt.errors import ConfigError, StoreError
from metabt.lakehouse.price_source import Frames, Lakehouse, wanted
from metabt.numerics.platform import numeric_platform
from metabt.portfolio.drawn import EVER, OF
from metabt.portfolio.resolve import DECIDES, Memberships, resolve
from metabt.portfolio.schedule import spelled
from metabt.portfolio.settings import parse_date
from metabt.portfolio.sleeve import Leaf, Meta, Sleeve
from metabt.values.digests import array_digest, digest, joint_digest
from metabt.values.reached_code import Code

CODE = ("metabt.walk.walk_forward", "metabt.engines.backtest_engine", "metabt.analysis.run_tables")
"""Modules that, with all that its sleeves reach, decide what a run gives."""


@dataclass(frozen=True)
class Request:
    """One run that is asked for: a resolved tree, its view, and what it reads."""

    tree: Sleeve
    """The resolved tree."""
    end: str | None
    """Last session of the view, ISO date; None is the last of the tree's calendar."""
    flat: bool
    """Whether the flat baseline is walked instead."""
    datasets: Mapping[str, Dataset]
    """Datasets by name: those that the tree reads, and perhaps more."""
    benchmark: Benchmark | None = None
    """Benchmark of every sleeve; None is none."""

    @property
    def shape(self) -> bool | None:
        """What `is_meta_backtest` has to be for an engine to walk it."""
        return False if self.flat else None

    @cached_property
    def digests(self) -> dict[str, str]:
        """Dataset -> digest of all that the tree may read of it."""
        return data_digests(self.tree, self.datasets)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, names and all."""
        against = (
            {"benchmark": {"name": self.benchmark.name, "digest": self.benchmark.digest}} if self.benchmark else {}
        )
        steps = {"steps": self.steps} if self.steps else {}
        days = {"decision_days": self.decision_days} if self.decision_days else {}
        shown = {"portfolio": self.tree.plain(), "end": self.end, "flat": self.flat, "data": self.digests}
        return {**shown, **against, **steps, **days}

    @cached_property
    def decision_days(self) -> dict[str, str]:
        """Schedule, as it is spelled -> digest of the sessions that its days fall on; empty without such schedules."""
        found: dict[str, set[str]] = {}
        seen: dict[tuple[object, ...], str] = {}
        for path, sleeve in [*self.tree.walk()][: 1 if self.flat else None]:
            schedule, names = sleeve.spec.schedule, sorted({leaf.dataset for _, leaf in sleeve.leaves()})
            if schedule.is_dated:
                asked = replace(schedule, band=0.0), sleeve.spec.start, *names
                if asked not in seen:
                    calendar = calendar_of([self.datasets[name].facts for name in names])
                    seen[asked] = array_digest(np.packbits(opened(sleeve.spec, calendar, names, self.datasets, path)))
                found.setdefault(spelled(replace(schedule, band=0.0).plain()), set()).add(seen[asked])
        return {text: joint_digest(sorted(digests)) for text, digests in sorted(found.items())}

    @cached_property
    def steps(self) -> dict[str, list[str]]:
        """Dataset that the run reads -> the steps between its prices and its returns; none where it has none."""
        return {name: [step.text for step in steps_of(each)] for name, each in self._with_steps.items()}

    @cached_property
    def _with_steps(self) -> dict[str, Dataset]:
        """Those of the datasets that the run reads which have steps."""
        read = {name: self.datasets[name] for name in wanted([self.tree])}
        if self.benchmark is not None:
            read.setdefault(self.benchmark.dataset.facts.name, self.benchmark.dataset)
        return {name: each for name, each in sorted(read.items()) if each.step is not None}

    @cached_property
    def run_id(self) -> str:
        """Digest of configuration, data and code."""
        return digest([self.config, _basis(self.code), self.plugins])

    @cached_property
    def code(self) -> Code:
        """What can change a bit of the run."""
        return run_code(CODE, _walked(self.tree, self.flat))

    @cached_property
    def plugins(self) -> dict[str, str]:
        """Versions of the packages that the tree's plug-ins come from, and of what they require."""
        return _plugins(self.tree)

    def check_plugins(self) -> None:
        """Raise ConfigError for a plug-in that nothing identifies, so that a run with it could not be named."""
        _ = self.plugins

    @property
    def versions(self) -> dict[str, Any]:
        """Versions of the code by module, of libraries, plug-ins, steps and the platform; the basis of keys by kind."""
        modules = {name: text[:16] for name, text in self.code.modules.items()}
        found = {**_basis(self.code), "modules": modules, **addresses(self.tree, self.flat)}
        packages = step_versions(self._with_steps.values())
        return {**found, "steps": packages} if packages else found

    def row(self, **columns: object) -> dict[str, object]:
        """Return the run's row in `runs`; `columns` are those that only its execution has, or that replace others."""
        stated = {
            "run_id": self.run_id,
            "sweep_id": None,
            "portfolio": self.tree.name,
            "config": json.dumps(self.config, sort_keys=True),
            "versions": intern(json.dumps(self.versions, sort_keys=True)),  # many runs have the same
            "status": "ok",
        }
        return {**stated, **columns}


def data_digests(tree: Sleeve, datasets: Mapping[str, Dataset]) -> dict[str, str]:
    """Return dataset -> digest of all that a tree may read of it: prices, and what is dated beside them."""
    found, homes = {}, homes_of([tree], datasets)
    hedged = {leaf.digest: leaf.hedged for _, leaf in tree.leaves() if leaf.hedged is not None}
    abroad = [hedged[key].rate_of(it) for key, currencies in homes.hedged.items() for it in currencies]
    sold, base = sorted({it for currencies in homes.hedged.values() for it in currencies}), str(tree.spec.currency)
    hedges = [hedge_name(it) for it in sold]
    # a hedge earns in sessions too in which no asset of its currency has a price, which digests of these do not cover
    exchanged = [pair for it in sold for pair in (exchange_name(it, base), exchange_name(base, it))]
    for name, symbols in wanted([tree]).items():
        facts = datasets[name].facts
        drawn = {
            (leaf.drawn.members, leaf.universe)
            for _, leaf in tree.leaves()
            if leaf.dataset == name and leaf.drawn is not None and leaf.drawn.members is not None
        }
        beside = [array_digest(np.packbits(facts.members(*each))) for each in sorted(drawn)]
        tables = facts.point_in_time.tables
        outside = {leaf.signal for _, leaf in tree.leaves() if leaf.dataset == name and leaf.signal is not None}
        if outside and SIGNALS in tables:
            beside.append(tables[SIGNALS].of_firsts(sorted(outside)).digest)
        rates = [it for it in (tree.spec.cash.rate, *abroad, *exchanged) if isinstance(it, str)]
        if rates and RATES in tables:
            beside.append(tables[RATES].of_firsts(sorted(set(rates))).digest)
        if COSTS in tables:
            beside.append(tables[COSTS].of_firsts([*symbols, *hedges, EVERY]).digest)
        beside += [each.facts.digest(each.facts.symbols) for each in homes.converted(name)]
        prices = facts.digest(symbols)
        found[name] = joint_digest([prices, *beside]) if beside else prices
    return found


def addresses(tree: Sleeve, flat: bool) -> dict[str, Any]:
    """Return what keys of a tree's blocks are made of beyond settings and data: `keys` by kind, and `plugins`."""
    kinds = sorted({kind_of(spec) for spec in _walked(tree, flat)})
    return {"keys": {" ".join(kind): basis(kind) for kind in kinds}, "plugins": _plugins(tree)}


def _walked(tree: Sleeve, flat: bool) -> list[Leaf | Meta]:
    """Return the sleeves of a tree; of its flat baseline one that has its estimators."""
    root = tree.spec
    if flat:
        return [Leaf(dataset="", universe=(), optimizer=root.optimizer, fallback=root.fallback)]
    return [sleeve.spec for _, sleeve in tree.walk()]


def _plugins(tree: Sleeve) -> dict[str, str]:
    return {it: version for _, sleeve in tree.walk() for it, version in plugin_versions(sleeve.spec).items()}


def _basis(code: Code) -> dict[str, Any]:
    return {"format": FORMAT, "code": code.digest, "libraries": code.libraries, "platform": numeric_platform()}


def resolved(
    tree: Mapping[str, Any] | Sleeve | str,
    symbols: Symbols,
    start: str | None,
    is_meta_backtest: bool | None,
    leaves: dict[str, Sleeve] | None = None,
    members: Memberships | None = None,
    signals: Memberships | None = None,
) -> Sleeve:
    """Return a tree with every default filled in and checked.

    Parameters
    ----------
    tree : a dict as in `conf/portfolio`, a Sleeve, or the name of a file in `conf/portfolio`
    symbols : dataset -> the symbols that it has
    start : earliest decision, ISO date; None leaves it to the tree. A Sleeve is resolved already and takes none
    is_meta_backtest : True refuses a tree that is a single leaf
    leaves : leaves that were resolved before, as in `resolve`
    members : dataset -> universe -> every asset that ever belonged to it
    signals : dataset -> signal -> every asset that it names

    Raises
    ------
    ConfigError
        If the tree cannot be what was meant.
    """
    start = start and parse_date("start", start)
    if isinstance(tree, str):
        from metabt.config import load_portfolio

        tree = load_portfolio(tree)
    if isinstance(tree, Sleeve):
        if start is not None:
            raise ConfigError(
                f"portfolio '{tree.name}' is resolved already, start {start} comes too late; state it in the tree"
            )
        found = tree
    else:
        found = resolve(tree, symbols=symbols, start=start, leaves=leaves, members=members, signals=signals)
    check_universes(found, symbols)
    check_shape(found, is_meta_backtest)
    return found


def request(
    tree: Sleeve,
    datasets: Mapping[str, Dataset],
    end: str | None,
    is_meta_backtest: bool | None,
    benchmark: Benchmark | None = None,
) -> Request:
    """Return the request for one resolved tree.

    Raises
    ------
    ConfigError
        For an `end` that is no date, or before which nothing of the tree may decide.
    """
    end = end and parse_date("end", end)
    _check_span(tree, end)
    return Request(tree, end, is_meta_backtest is False and bool(tree.sleeves), datasets, benchmark)


def _check_span(tree: Sleeve, end: str | None) -> None:
    """Raise ConfigError where the view ends before the root, or every leaf, may decide for the first time."""
    leaves = [leaf.start or "" for _, leaf in tree.leaves()]
    start = max(tree.spec.start or "", min(leaves))
    if end is not None and start > end:
        raise ConfigError(
            f"portfolio '{tree.name}': start {start} is after end {end}, so there is no session to show; "
            "give an earlier start or a later end"
        )


def benchmark_of(text: str | None, source: Frames | Lakehouse, tree: Sleeve, symbols: Symbols) -> Benchmark | None:
    """Return the benchmark that a configuration names; None where it names none.

    `symbols` is what each dataset of the source holds.

    Raises
    ------
    ConfigError
        If there is no such symbol, it is not clear of which dataset, a sleeve is called as its rows would be, or no
        rate of exchange converts it to the tree's currency.
    """
    if text is None:
        return None
    name, symbol = find_benchmark(text, symbols, tree)
    dataset, base = source.dataset(name, (symbol,)), tree.spec.currency
    if base is not None and symbol in currencies_in(dataset, base):
        dataset = in_currency(dataset, base, {name: dataset, **source.datasets([tree])})
    found = Benchmark(dataset)
    if found.path in {path for path, _ in tree.walk()}:
        raise ConfigError(f"a sleeve is called '{found.path}', as are the rows of the benchmark; rename it")
    return found


def stored_tree(config: Mapping[str, Any]) -> Sleeve:
    """Return the tree that a stored run was made of, from its configuration as it was recorded.

    Raises
    ------
    StoreError
        If the code reads it as another tree now.
    """
    tree = resolve({"name": config["portfolio"]["name"], **_settings(config["portfolio"])})
    if json.loads(json.dumps(tree.plain())) != config["portfolio"]:
        raise StoreError(f"portfolio '{tree.name}' was stored by code that read its settings in another way")
    return tree


def _settings(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resolved node as configuration states it."""
    children: Sequence[Mapping[str, Any]] = node.get("children", ())
    left_out = {"name", "kind", "children", "shorts", "drawn"}
    stated = {key: value for key, value in node.items() if key not in left_out and value is not None}
    if node.get("drawn") is not None:
        rule = {key: value for key, value in node["drawn"].items() if key != "stated"}
        stated["universe"] = {**rule, OF if node["drawn"].get("stated") else EVER: node["universe"]}
    if stated.get("signal") is not None:  # nobody can state what it has no use for
        stated = {key: value for key, value in stated.items() if key not in DECIDES}
    if stated.get("min_history") == 0:  # the lookback, which nobody can state as a number of its own
        del stated["min_history"]
    return stated | ({"sleeves": {child["name"]: _settings(child) for child in children}} if children else {})
