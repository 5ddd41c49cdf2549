"""Read a file of configuration into plain values, refusing what cannot be meant while it is read.

1. Decode: UTF-8 and nothing else, no control characters.
2. Take the events of the YAML parser one by one. Values are counted as they come, and an alias counts for all that it
   repeats, so that a few lines that stand for a billion values are refused before any is made.
3. Plain text is a number only where it can be read in one way: YAML 1.1 takes `010` for 8, `1:30` for 90 and `NO` for
   false. Numbers that look so are refused, and words are words: only `true` and `false` are truth values.

A file is read anew whenever its bytes have changed.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from metabt.errors import ConfigError
from metabt.values.limits import REPEATED, VALUES

LARGEST_FILE = 32_000_000
"""Bytes of a file of configuration."""
DEEPEST = 80
"""Levels of lists and mappings in each other; a tree of 32 levels of sleeves takes 64 and a few."""
DIGITS = 15
"""Digits of a whole number; no setting needs more, and more are no longer exact in every library."""

_PARSER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_TEXT_TAGS = (None, "!", "tag:yaml.org,2002:str")
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUTH = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_REAL = re.compile(
    r"[-+]?((0|[1-9][0-9]*)?\.[0-9]+([eE][-+]?[0-9]+)?|(0|[1-9][0-9]*)\.?([eE][-+]?[0-9]+)?|\.(inf|Inf|INF))"
    r"|\.(nan|NaN|NAN)"
)
_MANY_READINGS = re.compile(  # possessive, so that a text of any length is read once
    r"[-+]?(0[0-9_]++(\.[0-9_]*+)?([eE][-+]?[0-9]+)?"  # a leading zero
    r"|0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+"
    r"|[0-9][0-9_]*+(:[0-5]?[0-9])++(\.[0-9_]*+)?"  # base 60
    r"|(?=[0-9.]*_)(?=[._]*[0-9])[0-9._]++([eE][-+]?[0-9]+)?)"  # thousands
)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def read(file: Path, is_list: bool = False) -> Any:
    """Return the plain values of a file: an empty one is an empty mapping. They are shared: do not change them.

    With `is_list` the file may be a list as well, of which it is left to the caller to say what was wanted.

    Raises
    ------
    ConfigError
        If the file cannot be read, or says what cannot be meant.
    """
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise ConfigError(f"{file} has more than {LARGEST_FILE // 1_000_000} MB, which no configuration has")
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    return _parsed(content, str(file), VALUES.most(), REPEATED.most(), is_list)


def stated(who: str, text: str) -> Any:
    """Return the plain value that a text of YAML states, as a file would under one key.

    Raises
    ------
    ConfigError
        For text that cannot be meant; messages begin with `who`.
    """
    return _parsed(f"value: {text}".encode(), who, VALUES.most(), REPEATED.most())["value"]


def plain_number(text: str) -> str | None:
    """Return why unquoted text is no number to be trusted, with the cure; None if it is text or a sound number."""
    if _MANY_READINGS.fullmatch(text):
        return (
            f"'{text}' is read as different numbers by different programs; write the number in decimal, without "
            "leading zeros, or in quotes if it is a name"
        )
    if _WHOLE.fullmatch(text) and len(text.lstrip("+-")) > DIGITS:
        return f"a whole number has at most {DIGITS} digits, this one {len(text)}; write it in quotes if it is a name"
    return None


def unprintable(text: str) -> str | None:
    """Return what is wrong with a text that holds control characters or halves of characters; None if it has none."""
    found = _UNPRINTABLE.search(text)
    return None if found is None else f"has the character U+{ord(found[0]):04X}, which no name or setting can have"


@lru_cache(maxsize=64)  # by content, so that a sweep reads a file once
def _parsed(content: bytes, name: str, values: int, repeated: int, is_list: bool = False) -> Any:
    text = _decoded(content, name)
    try:
        return _Builder(name, yaml.parse(text, Loader=_PARSER), values, is_list).document()
    except yaml.YAMLError as error:
        said = " ".join(str(error).split()).replace("<unicode string>", name)
        raise ConfigError(f"not valid YAML: {said}{'' if name in said else f', in {name}'}") from None


def _decoded(content: bytes, name: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:4]:
        raise ConfigError(f"{name} is no UTF-8 text, it looks like UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{name} is no UTF-8 text: byte 0x{content[error.start]:02X} in line {line}, as in Latin-1 or "
            "Windows-1252; save it as UTF-8"
        ) from None


@dataclass(frozen=True)
class _Built:
    value: Any
    size: int
    """Values in it, aliases followed."""
    depth: int
    """Levels of lists and mappings."""


@dataclass
class _Builder:
    """Makes values of events."""

    name: str
    events: Iterator[Event]
    most: int
    """Values that the file may state."""
    is_list: bool = False
    """Whether the file may be a list, or anything but a mapping."""
    anchors: dict[str, _Built | None] = field(default_factory=dict)
    """Anchor -> what it marks; None while that is being built."""
    stated: int = 0
    """Values that have been read, aliases not followed."""
    repeated: int = 0
    """Values that aliases have repeated."""
    largest: tuple[int, str] = (0, "")
    """Most values that one alias repeats, and where it is."""
    path: list[str] = field(default_factory=list)
    """Keys that lead to what is being read."""

    def document(self) -> Any:
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                value = self.node(next(self.events)).value
                REPEATED.check(self.largest[1], self.repeated)
                if any(isinstance(later, DocumentStartEvent) for later in self.events):
                    raise ConfigError(f"{self.name} holds several documents, wanted one; remove the lines '---'")
                return self.top({} if value is None else value)
        return {}

    def top(self, value: Any) -> Any:
        if not isinstance(value, dict) and not self.is_list:
            raise ConfigError(f"{self.name} holds {_kind(value)}, wanted the keys of a sleeve or settings, as in a: 1")
        return value

    def node(self, event: Event) -> _Built:
        if isinstance(event, AliasEvent):
            return self.alias(event)
        assert isinstance(event, NodeEvent)
        self.stated += 1
        if self.stated > self.most:
            VALUES.check(self.name, self.stated, exact=False)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        built = self.scalar(event) if isinstance(event, ScalarEvent) else self.collection(event)
        if event.anchor is not None:
            self.anchors[event.anchor] = built
        return built

    def alias(self, event: AliasEvent) -> _Built:
        if event.anchor not in self.anchors:
            self.refuse(event, f"refers to '*{event.anchor}', which nothing above is called; mark it '&{event.anchor}'")
        built = self.anchors[event.anchor]
        if built is None:
            self.refuse(event, f"contains itself through '*{event.anchor}'; a tree must not have cycles")
        self.repeated += built.size
        if built.size > self.largest[0]:
            self.largest = (built.size, f"{self.where(event)}: '*{event.anchor}'")
        self.level(event, built.depth)
        return built

    def collection(self, event: NodeEvent) -> _Built:
        if getattr(event, "tag", None) not in (None, "!"):
            self.refuse(event, f"has the tag '{event.tag}'; configuration cannot call code, take the tag out")
        self.level(event, 1)
        self.path.append("")
        built = self.mapping(event) if isinstance(event, MappingStartEvent) else self.sequence(event)
        self.path.pop()
        return built

    def sequence(self, start: Event) -> _Built:
        assert isinstance(start, SequenceStartEvent)
        items: list[Any] = []
        size, depth = 1, 0
        for event in self.events:
            if isinstance(event, CollectionEndEvent):
                break
            self.path[-1] = str(len(items))
            built = self.node(event)
            items.append(built.value)
            size, depth = size + built.size, max(depth, built.depth)
        return _Built(items, size, depth + 1)

    def mapping(self, start: Event) -> _Built:
        own: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        size, depth = 1, 0
        for event in self.events:
            if isinstance(event, CollectionEndEvent):
                break
            is_merge = isinstance(event, ScalarEvent) and event.value == "<<" and event.implicit[0]
            key = "<<" if is_merge else self.key(event, own)
            self.path[-1] = str(key)
            built = self.node(next(self.events))
            size, depth = size + built.size, max(depth, built.depth)
            if is_merge:
                REPEATED.check(self.where(event), self.repeated)  # what is merged is copied here and now
                self.merge(merged, built.value, event)
            else:
                own[key] = built.value
        return _Built({**merged, **own}, size, depth + 1)

    def key(self, event: Event, known: dict[Any, Any]) -> Hashable:
        value = self.node(event).value
        if isinstance(value, dict | list):
            self.refuse(event, f"has {_kind(value)} for a key, wanted a name")
        if value in known:
            cure = "state it once"
            if value == "defaults":
                cure = (
                    "one is the list of includes: put the other into rules/NAME.yaml and include "
                    "'- /rules@defaults: NAME'"
                )
            self.refuse(event, f"found duplicate key {value}; {cure}")
        return value

    def merge(self, into: dict[Any, Any], value: Any, event: Event) -> None:
        for mapping in value if isinstance(value, list) else [value]:
            if not isinstance(mapping, dict):
                self.refuse(event, f"merges {_kind(mapping)} by '<<', wanted a mapping")
            for key, item in mapping.items():
                into.setdefault(key, item)

    def scalar(self, event: ScalarEvent) -> _Built:
        if event.tag not in _TEXT_TAGS:
            self.refuse(event, f"has the tag '{event.tag}'; configuration cannot call code, take the tag out")
        if wrong := unprintable(event.value):
            self.refuse(event, wrong)
        is_plain = event.tag is None and event.implicit[0]
        return _Built(self.plain(event, event.value) if is_plain else event.value, 1, 0)

    def plain(self, event: Event, text: str) -> Any:
        if text in _NULLS:
            return None
        if text in _TRUTH:
            return _TRUTH[text]
        if not text[0].isascii() or text[0] not in "+-.0123456789":
            return text
        if wrong := plain_number(text):
            self.refuse(event, f"is {text[:40]}: {wrong}")
        if _WHOLE.fullmatch(text):
            return int(text)
        return float(text) if _REAL.fullmatch(text) else text

    def level(self, event: Event, depth: int) -> None:
        if len(self.path) + depth > DEEPEST:
            self.refuse(event, f"nests {len(self.path) + depth} levels deep, the limit is {DEEPEST}; flatten the tree")

    def where(self, event: Event) -> str:
        keys = ".".join(step for step in self.path[:12] if step)
        return f"{self.name}, line {event.start_mark.line + 1}{f': {keys}' if keys else ''}"

    def refuse(self, event: Event, what: str) -> NoReturn:
        raise ConfigError(f"{self.where(event)} {what}")


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else f"'{value}'"
