"""What differs between the inputs of two runs, down to a key of the configuration, a symbol, a module, a library.

1. Configuration: both trees as `portfolio.sleeves.equities.optimizer.max_weight`, key by key; a sleeve that only
   changed its name is reported as renamed.
2. Prices: where the digests of what was read differ, the two snapshots are compared
   (metabt.lakehouse.prices.price_changes).
3. Code, libraries, plug-ins and platform as the runs recorded them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metabt.errors import StoreError
from metabt.lakehouse.point_in_time.table_changes import table_changes, told_tables
from metabt.lakehouse.prices.price_changes import price_changes, told
from metabt.runs.record import Record

if TYPE_CHECKING:
    import duckdb

    from metabt.runs.request import Request

NOTHING = "(nothing)"
"""Text in place of a setting that one side does not have."""
NAMES = ("name", "children", "kind")
"""Keys of a node of the tree that are no settings."""


@dataclass(frozen=True)
class Difference:
    """One input that differs."""

    kind: str
    """configuration, child, prices, tables, code, library, plug-in, step, platform, format; first or unknown."""
    text: str
    """The input, and its values from the earlier to the later run."""


def differences(con: duckdb.DuckDBPyConnection, one: Record, other: Record) -> list[Difference]:
    """Return what differs between the inputs of two runs; nothing where they are one run."""
    return [
        *config_differences(one.config, other.config),
        *price_differences(con, one, other),
        *version_differences(one.versions, other.versions, alike=one.config["portfolio"] == other.config["portfolio"]),
    ]


def request_differences(one: Request, other: Request) -> list[Difference]:
    """Return what differs between two requests; of prices only the datasets that differ."""
    before, after = (json.loads(json.dumps(asked.config)) for asked in (one, other))
    datasets = [name for name in one.digests if other.digests.get(name, one.digests[name]) != one.digests[name]]
    found = [
        *config_differences(before, after),
        *(Difference("prices", f"those of {name} differ") for name in datasets),
    ]
    return [*found, *version_differences(one.versions, other.versions, alike=one.tree == other.tree)]


def config_differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Difference]:
    """Return the keys of the configuration that differ, prices aside."""
    lines = []
    if one["portfolio"]["name"] != other["portfolio"]["name"]:
        lines.append(f"portfolio.name: {one['portfolio']['name']} -> {other['portfolio']['name']}")
    lines += _tree_lines("portfolio", one["portfolio"], other["portfolio"])
    before, after = (_view(config) for config in (one, other))
    lines += changed_settings(before, after)
    lines += changed_settings(_days_shared(one, other), _days_shared(other, one))
    return [Difference("configuration", line) for line in lines]


def _view(config: Mapping[str, Any]) -> dict[str, Any]:
    against = config.get("benchmark", {}).get("name")
    return {"end": config["end"], "flat": config["flat"], "benchmark": against, "panel": stated_steps(config)}


def _days_shared(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, str]:
    """Return the days of one run's schedules that the other has, too, by digest: exchanges and tables may change."""
    own, shared = one.get("decision_days", {}), other.get("decision_days", {})
    return {f"decision days, {name}": text[:12] for name, text in sorted(own.items()) if name in shared}


def stated_steps(config: Mapping[str, Any]) -> dict[str, str]:
    """Return dataset -> the steps between its prices and its returns as text, of those that a run reads."""
    return {name: "; ".join(each) for name, each in config.get("steps", {}).items()}


def changed_settings(one: Mapping[str, Any], other: Mapping[str, Any], above: str = "") -> list[str]:
    """Return `key: before -> after` for each key in which two mappings differ, at any depth."""
    before, after = dict(flat(one)), dict(flat(other))
    keys = [key for key in dict.fromkeys([*before, *after]) if before.get(key, NOTHING) != after.get(key, NOTHING)]
    return [f"{above}{key}: {_change(before.get(key, NOTHING), after.get(key, NOTHING))}" for key in keys]


def settings_of(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return a node of a tree without its name and what lies beneath it."""
    return {key: value for key, value in node.items() if key not in NAMES}


def price_differences(con: duckdb.DuckDBPyConnection, one: Record, other: Record) -> list[Difference]:
    """Return what differs in the prices that both runs read."""
    return [*_tree_price_differences(con, one, other), *_benchmark_differences(one, other)]


def _benchmark_differences(one: Record, other: Record) -> list[Difference]:
    before, after = (record.config.get("benchmark") for record in (one, other))
    if one.benchmark is None or one.benchmark != other.benchmark or before == after:
        return []
    return [Difference("prices", f"those of the benchmark {one.benchmark} differ")]


def _tree_price_differences(con: duckdb.DuckDBPyConnection, one: Record, other: Record) -> list[Difference]:
    shared = shared_reads(one, other)
    read = [{name: record.config["data"].get(name) for name in record.wanted} for record in (one, other)]
    if read[0] == read[1] or not shared:
        return []
    try:
        found = price_changes(con, shared, one.snapshot, other.snapshot)
        dated = table_changes(con, shared, one.snapshot, other.snapshot)
    except StoreError as error:
        return [Difference("prices", f"they differ, but it cannot be told where: {error}")]
    lines = [Difference("prices", line) for line in told(found, shared)] if found or not dated else []
    return [*lines, *(Difference("tables", line) for line in told_tables(dated))]


def shared_reads(one: Record, other: Record) -> dict[str, tuple[str, ...]]:
    """Return dataset -> the symbols that both runs may read of it."""
    return {
        name: tuple(sorted(set(one.wanted[name]) & set(other.wanted[name])))
        for name in one.wanted
        if name in other.wanted
    }


def version_differences(
    one: Mapping[str, Any], other: Mapping[str, Any], modules: frozenset[str] | None = None, *, alike: bool = True
) -> list[Difference]:
    """Return the modules, libraries, plug-ins and parts of the platform that differ; of `modules` only, if given.

    A run records the code that its sleeves reach. Where two trees are not `alike`, what only one of them reaches is no
    difference of the code.
    """
    found = [Difference("code", line) for line in _module_lines(one, other, modules, alike)]
    for key, kind in (("libraries", "library"), ("plugins", "plug-in"), ("steps", "step"), ("platform", "platform")):
        before, after = _sides(one, other, key, alike or key != "libraries")
        found += [Difference(kind, line) for line in changed_settings(before, after)]
    if one.get("format") != other.get("format"):
        found.append(Difference("format", f"of stored blocks: {one.get('format')} -> {other.get('format')}"))
    return found


def _module_lines(
    one: Mapping[str, Any], other: Mapping[str, Any], only: frozenset[str] | None, alike: bool
) -> Iterator[str]:
    before, after = _sides(one, other, "modules", alike)
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name) and (only is None or name.partition(":")[0] in only):
            yield f"{name} {'is new' if name not in before else 'is gone' if name not in after else 'differs'}"


def _sides(
    one: Mapping[str, Any], other: Mapping[str, Any], key: str, whole: bool
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return what two runs recorded under a key: all of it, or what both have."""
    before, after = one.get(key, {}), other.get(key, {})
    if whole:
        return before, after
    return {name: before[name] for name in before if name in after}, {
        name: after[name] for name in after if name in before
    }


def _tree_lines(path: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    lines = changed_settings(settings_of(one), settings_of(other), f"{path}.")
    before = {child["name"]: child for child in one.get("children", ())}
    after = {child["name"]: child for child in other.get("children", ())}
    gone, new = ([name for name in side if name not in rest] for side, rest in ((before, after), (after, before)))
    for name in list(gone):
        twin = next((it for it in new if _nameless(after[it]) == _nameless(before[name])), None)
        if twin is not None:
            lines.append(f"{path}.sleeves.{name}: is called {twin} now")
            gone.remove(name)
            new.remove(twin)
    lines += [f"{path}.sleeves.{name}: is gone" for name in gone]
    lines += [f"{path}.sleeves.{name}: is new" for name in new]
    for name in (name for name in after if name in before):
        lines += _tree_lines(f"{path}.sleeves.{name}", before[name], after[name])
    return lines


def _nameless(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key != "name"}


def flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield key and value of a mapping at any depth, keys joined by dots."""
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from flat(item, f"{above}{key}.")
        else:
            yield f"{above}{key}", item


def _change(before: Any, after: Any) -> str:
    if _of_texts(before) and _of_texts(after) and sorted(before) != sorted(after):
        gone, new = sorted(set(before) - set(after)), sorted(set(after) - set(before))
        return " ".join([*(f"-{text}" for text in gone), *(f"+{text}" for text in new)])
    return f"{text_of(before)} -> {text_of(after)}"


def _of_texts(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(it, str) for it in value)


def text_of(value: Any) -> str:
    """Return a setting as text: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)
