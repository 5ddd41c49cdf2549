"""Plain values: what Python states, as a configuration file would state it.

1. Tuples, ranges, NumPy's arrays, pandas' Index and Series and other sequences of one dimension become lists, also in
   each other and in mappings; a Series with texts for index is a mapping where it is not a universe.
2. NumPy's scalars become Python's; dates, datetimes, Timestamps and datetime64 become ISO dates.
3. An object or a class with `fit(X)` becomes an estimator that was handed over, numbered in the order of the tree.
4. What is left is refused, with the sleeve and the setting that have it.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, Sequence, Set, ValuesView
from dataclasses import fields
from typing import Any

from metabt.errors import ConfigError
from metabt.portfolio.drawn import OF, Drawn
from metabt.portfolio.handed_over import HandedOver, handed_over
from metabt.values.arguments import NO_SCALAR, scalar, shown

WANTED = {
    "universe": "a list of symbols, 'all', or a rule such as {members: NAME}",
    "fallback": "a list of optimizers",
    "optimizer": "a name, {name: ..., parameter: ...}, or an object or a class with fit(X)",
    "selector": "a name, {name: ..., parameter: ...}, or an object or a class with fit(X) and get_support()",
}
"""Setting -> what it takes."""
RULE = (*(each.name for each in fields(Drawn) if each.name != "stated"), OF)
"""Keys of a rule by which a universe is drawn."""
NAMED = ("optimizer", "selector")
"""Settings whose value may be a mapping with an estimator's class for `name`."""


def plain_tree(tree: Mapping[str, Any]) -> dict[Any, Any]:
    """Return a tree as plain values; estimators that are objects or classes are kept (metabt.portfolio.handed_over).

    Raises
    ------
    ConfigError
        For a value that no setting could take; whether a setting takes its value is for resolving to say.
    """
    return _Reader().node(str(tree.get("name", "portfolio")), tree)


class _Reader:
    """Reads one tree; the same object, wherever it stands in it, is the same value."""

    def __init__(self) -> None:
        self._nodes: dict[int, dict[Any, Any]] = {}
        self._objects: dict[int, HandedOver] = {}
        self._kept: list[object] = []  # so that no other object takes an id over
        self._counts: dict[str, int] = {}

    def node(self, path: str, settings: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the settings of a sleeve and of all beneath it; a tree that contains itself still does."""
        if id(settings) in self._nodes:
            return self._nodes[id(settings)]
        found = self._nodes[id(settings)] = dict[Any, Any]()
        self._kept.append(settings)
        for key, value in settings.items():
            who = f"sleeve '{path}': {key}"
            if key == "sleeves" and isinstance(value, Mapping):
                found[key] = {self._text(name): self._child(f"{path}/{name}", it) for name, it in value.items()}
            elif key == "defaults" and isinstance(value, Mapping):
                found[key] = {name: self._setting(f"{who}.{name}", name, it) for name, it in value.items()}
            else:
                found[self._text(key)] = self._setting(who, key, value)
        return found

    def _child(self, path: str, value: Any) -> Any:
        return self.node(path, value) if isinstance(value, Mapping) else self.value(f"sleeve '{path}'", value)

    def _setting(self, who: str, key: object, value: Any) -> Any:
        if key == "universe":
            return self._universe(who, value)
        if key in NAMED:
            return self._estimator(who, value)
        if key == "fallback" and not isinstance(value, str | Mapping) and not _fits(value):
            return [self._estimator(f"{who}[{place}]", item) for place, item in enumerate(self._listed(who, value))]
        return self.value(who, value)

    def _universe(self, who: str, value: Any) -> Any:
        found = scalar(who, value)
        if isinstance(found, str) or found is None:
            return found
        if isinstance(value, Mapping):
            return self._rule(who, value)
        items = sorted(value, key=str) if isinstance(value, Set) else self._listed(who, value)
        symbols = [self.value(who, item) for item in items]
        if _is_named_series(value) and not all(isinstance(item, str) for item in symbols):
            raise ConfigError(f"{who} is a Series of {shown(symbols[0])} and so on, wanted symbols; take its index")
        return symbols

    def _rule(self, who: str, value: Mapping[Any, Any]) -> dict[str, Any]:
        """Return how a universe is drawn; whether its keys are right is for resolving to say."""
        if not any(key in RULE for key in value):
            raise ConfigError(f"{who} is {shown(value)}, wanted {WANTED['universe']}; list its keys: list(...)")
        return {
            str(key): (self._universe if key == OF else self.value)(f"{who}.{key}", it) for key, it in value.items()
        }

    def _estimator(self, who: str, value: Any) -> Any:
        if not (isinstance(value, Mapping) and "name" in value):
            return self.value(who, value)
        name, params = value["name"], {str(key): it for key, it in value.items() if key != "name"}
        if not _fits(name):
            return {"name": self.value(f"{who}.name", name)} | {
                key: self._parameter(f"{who}.{key}", it) for key, it in params.items()
            }
        if not isinstance(name, type):
            raise ConfigError(f"{who}.name is {shown(name)}, which has its parameters; hand it over without a mapping")
        return self._handed_over(value, name, params)

    def _parameter(self, who: str, value: Any) -> Any:
        if _fits(value):
            raise ConfigError(
                f"{who} is {shown(value)}, wanted plain values where an estimator goes by its name; "
                "hand the whole estimator over as an object"
            )
        return self.value(who, value)

    def value(self, who: str, value: Any) -> Any:
        """Return a value of a setting, and everything in it."""
        if isinstance(value, HandedOver):
            return value
        if _fits(value):
            return self._handed_over(value, value, {})
        found = scalar(who, value)
        if found is not NO_SCALAR:
            return found
        if isinstance(value, Mapping):
            return {self._text(key): self.value(f"{who}.{key}", item) for key, item in value.items()}
        if _is_named_series(value):
            return {str(key): self.value(f"{who}.{key}", item) for key, item in value.items()}
        return [self.value(who, item) for item in self._listed(who, value)]

    def _listed(self, who: str, value: Any) -> list[Any]:
        """Return the items of a sequence of one dimension."""
        if isinstance(value, Set) and not isinstance(value, KeysView | ItemsView):
            raise ConfigError(f"{who} is {shown(value)}, which has no order, wanted a list; sort it: sorted(...)")
        if isinstance(value, Iterator):
            raise ConfigError(f"{who} is {shown(value)}, which is read once, wanted a list; make one: list(...)")
        if hasattr(value, "columns"):
            raise ConfigError(f"{who} is a table, wanted a list; take one column of it, or list(table.columns)")
        if getattr(value, "ndim", 1) > 1:
            raise ConfigError(f"{who} is an array of shape {value.shape}, wanted one dimension; take a row or a column")
        for method in ("tolist", "to_list", "to_pylist"):
            if getattr(value, "ndim", 1) == 1 and hasattr(value, method):
                return list(getattr(value, method)())
        if isinstance(value, Sequence | KeysView | ValuesView | ItemsView) and not isinstance(value, bytes | bytearray):
            return list(value)
        raise ConfigError(f"{who} is {shown(value)}, wanted {_wanted(who)}")

    def _text(self, key: Any) -> Any:
        return str.__str__(key) if isinstance(key, str) else key

    def _handed_over(self, one: object, made: Any, params: Mapping[str, Any]) -> HandedOver:
        if id(one) not in self._objects:
            kind = (made if isinstance(made, type) else type(made)).__name__
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._objects[id(one)] = handed_over(f"{kind}#{self._counts[kind]}", made, params)
            self._kept.append(one)
        return self._objects[id(one)]


def _fits(value: object) -> bool:
    return callable(getattr(value, "fit", None))


def _is_named_series(value: Any) -> bool:
    index = getattr(value, "index", None)
    return (
        hasattr(value, "items")
        and not callable(index)
        and index is not None
        and getattr(value, "ndim", 0) == 1
        and len(index) > 0
        and all(isinstance(key, str) for key in index)
    )


def _wanted(who: str) -> str:
    """Return what the setting that `who` ends with takes."""
    setting = who.rpartition(": ")[2].partition("[")[0].rpartition(".")[2]
    return WANTED.get(setting, "text, a number, a date, a list or a mapping")
