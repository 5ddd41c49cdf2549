"""Interpolations: `${portfolio.lookback}`, `${.lookback}`, `a-${start}`, resolved in plain values.

1. Parse a text with OmegaConf's grammar. A reference is looked up, from the root or, with leading dots, from where it
   stands; what it leads to is resolved first.
2. Nothing is called: there is no resolver here, neither OmegaConf's nor another's, so none can read the environment,
   whatever a text comes to when its inner references are filled in. Those of Hydra's that differ from job to job are
   named: a run is known by its settings, and would be another one each time.
3. References, and what they make, are counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

from omegaconf._utils import split_key
from omegaconf.errors import GrammarParseError
from omegaconf.grammar_parser import parse
from omegaconf.grammar_visitor import GrammarVisitor

from metabt.errors import ConfigError
from metabt.values.limits import REFERENCES, VALUES

MISSING = "???"
"""A value that has still to be stated."""
OF_A_JOB = ("hydra", "now")
"""What Hydra knows of the job that it runs, where and when: its resolvers, and its own node."""
LONGEST = 1_000_000
"""Characters that the texts of a configuration may come to."""

Path = tuple[str | int, ...]


def resolve(root: Any) -> Any:
    """Return plain values with every interpolation replaced by what it refers to.

    Raises
    ------
    ConfigError
        For a reference to what is not there, to itself or to a missing value; for a resolver; for too many values.
    """
    return _Resolution(root).at(()).value


def resolve_at(root: dict[str, Any], key: str) -> Any:
    """Return one value of plain values, resolved; None if it is not stated. The others are not looked at."""
    return _Resolution(root).at((key,)).value if key in root else None


def is_asked(node: Any) -> bool:
    """Return whether plain values hold an interpolation or a missing value."""
    if isinstance(node, str):
        return "${" in node or node == MISSING
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return any(is_asked(value) for value in values)


def may_ask(node: Any) -> bool:
    """Return whether a value may hold an interpolation or a missing value; a container is not looked into."""
    return isinstance(node, dict | list) or is_asked(node)


def refuse_resolvers(key: str, text: str) -> None:
    """Raise ConfigError if a text would call a resolver; its references are not looked up."""
    if "${" in text:
        _visit(text, key, lambda inner, memo: "x")


def refuse_job(key: str, asked: str) -> NoReturn:
    """Raise ConfigError for a value that would be another one in each job."""
    raise ConfigError(
        f"{key} asks for '{asked}', which is another value in each job, while a run is known by its settings; wanted a "
        f"value, or another setting as in ${{start}}: state it, or sweep over values, -m {key}=A,B"
    )


@dataclass(frozen=True)
class _Found:
    value: Any
    size: int
    """Values in it."""


@dataclass
class _Resolution:
    root: Any
    done: dict[Path, _Found] = field(default_factory=dict)
    open: set[Path] = field(default_factory=set)
    """Places that are being resolved."""
    references: int = 0
    characters: int = 0

    def at(self, path: Path) -> _Found:
        """Return what stands at a path, resolved."""
        if path not in self.done:
            if path in self.open:
                raise ConfigError(f"{_name(path)} refers to itself, a recursive interpolation; state its value")
            self.open.add(path)
            self.done[path] = self.made(self.raw(path), path)
            self.open.discard(path)
        return self.done[path]

    def made(self, raw: Any, path: Path) -> _Found:
        if isinstance(raw, str):
            return self.text(raw, path)
        if not isinstance(raw, dict | list):
            return _Found(raw, 1)
        steps = list(raw) if isinstance(raw, dict) else list(range(len(raw)))
        items = [self.at((*path, step)) if may_ask(raw[step]) else _Found(raw[step], 1) for step in steps]
        size = 1 + sum(item.size for item in items)
        VALUES.check(f"{_name(path)}, its interpolations resolved,", size)
        values = [item.value for item in items]
        return _Found(dict(zip(steps, values, strict=True)) if isinstance(raw, dict) else values, size)

    def text(self, raw: str, path: Path) -> _Found:
        if raw == MISSING:
            raise ConfigError(f"{_name(path)} is missing: it is '{MISSING}'; state it, or pass {_name(path)}=VALUE")
        if "${" not in raw:
            return _Found(raw, 1)
        self.references += raw.count("${")
        REFERENCES.check("configuration", self.references, exact=False)
        self.lengthen(path, len(raw))
        refuse_resolvers(_name(path), raw)
        sizes: list[int] = []

        def look_up(inner: str, memo: object) -> Any:
            found = self.at(self.target(inner, path))
            sizes.append(found.size)
            self.lengthen(path, len(found.value) if isinstance(found.value, str) else found.size)
            return found.value

        return _Found(_visit(raw, _name(path), look_up), max(sizes, default=1))

    def lengthen(self, path: Path, characters: int) -> None:
        self.characters += characters
        if self.characters > LONGEST:
            raise ConfigError(f"{_name(path)}: interpolations make more than {LONGEST:,} characters; state the values")

    def target(self, inner: str, path: Path) -> Path:
        """Return the path that a reference names, followed through references to containers on its way."""
        bare = inner.lstrip(".")
        up = len(inner) - len(bare)
        target: Path = path[: len(path) - up] if up else ()
        if up > len(path):
            self.refuse(path, inner)
        for step in split_key(bare):
            node = self.raw(target)
            if isinstance(node, str) and "${" in node:
                node = self.at(target).value
            place = _step(node, step)
            if place is None:
                self.refuse(path, inner)
            target = (*target, place)
        return target

    def raw(self, path: Path) -> Any:
        node = self.root
        for depth, step in enumerate(path):
            if isinstance(node, str):  # a reference to a container
                node = self.at(path[:depth]).value
            node = node[step]
        return node

    def refuse(self, path: Path, inner: str) -> NoReturn:
        if not inner.startswith(".") and split_key(inner)[0] in OF_A_JOB:
            refuse_job(_name(path), f"${{{inner}}}")
        raise ConfigError(f"{_name(path)} refers to '{inner}', which is not there; state the value, or the right key")


def _visit(text: str, key: str, look_up: Any) -> Any:
    def refused(name: str, args: object, args_str: object) -> NoReturn:
        if name in OF_A_JOB:
            refuse_job(key, text)
        raise ConfigError(
            f"{key} may read the environment or call code, '{text}' asks for '{name}', and what it finds would be "
            f"stored with the run; state the value, or pass it on the command line: {key}=VALUE"
        )

    try:
        tree = parse(text)
    except GrammarParseError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{key} is '{text}', which is no interpolation: {reason}; write ${{key}}") from None
    return GrammarVisitor(look_up, refused, set()).visit(tree)


def _step(node: Any, step: str) -> str | int | None:
    if isinstance(node, dict):
        return step if step in node else next((key for key in node if str(key) == step), None)
    if isinstance(node, list) and step.isascii() and step.isdecimal() and int(step) < len(node):
        return int(step)
    return None


def _name(path: Path) -> str:
    return ".".join(map(str, path)) or "configuration"
