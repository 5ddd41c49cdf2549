"""Facts of source files: layout, comments and docstrings say nothing, everything else does."""

from __future__ import annotations

import ast
import io
import json
import random
import tokenize
from pathlib import Path

import pytest

from metabt.values.reached_code import CHOICES
from metabt.values.source_facts import Facts, Kept, facts_of
from metabt.values.source_files import ROOT, imported, module_files

FILES = sorted(ROOT.rglob("*.py"))
NAMES = {path: name for name, path in module_files().items()}

WRITTEN = '''
"""A module."""
import os
import metabt.walk.block as b
from typing import TYPE_CHECKING
from metabt.build import (
    ports,  # (all of them)
    keys as k,
)

if TYPE_CHECKING:
    from metabt.cli import main

LIMIT = 3
"""What is allowed."""


class Thing:
    """A thing."""

    size: int = 2
    """Its size."""

    def area(self) -> int:
        """Return its area."""
        from metabt.walk.meta import meta_sleeve  # lazily

        return self.size * LIMIT + len("some_word")


NAMED = "metabt.estimators.selectors.all:All"
'''

TABLES = """
from types import MappingProxyType
from metabt.one import first
from metabt.two import second, SECONDS
from metabt.three import third
from metabt.four import fourth

def _second(seconds=SECONDS):
    return lambda: second(seconds)

def shared():
    return fourth

CHOSEN = Family("kind", MappingProxyType({"first": lambda: first, "second": _second, "shared": lambda: shared}))
NAMED: dict = {"text": "metabt.five.six:Seven"}
ALWAYS = {third: 1}
"""


def text(source: str) -> str:
    return facts_of(source.encode()).text


def annotated(source: str, seed: int) -> str:
    """Return a file with other comments, other blank lines, and other docstrings."""
    rng, lines = random.Random(seed), source.splitlines()
    ends = {
        token.end[0]
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.NEWLINE and token.line.strip()
    }
    told = [
        line + ("  # noted\n\n  # more" if number in ends and rng.random() < 0.3 else "")
        for number, line in enumerate(lines, 1)
    ]
    found = "\n".join(told)
    for node in ast.walk(ast.parse(found)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
            doc := ast.get_docstring(node, clean=False)
        ):
            found = found.replace(f'"""{doc}"""', '"""Other words."""', 1)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_comments_docstrings_and_blank_lines_of_a_file_change_nothing(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    changed = annotated(source, len(source))
    assert changed != source or not source.strip()
    choosing = NAMES.get(path) in CHOICES
    assert facts_of(changed.encode(), choosing) == facts_of(source.encode(), choosing)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_imports_of_a_file_are_those_in_its_text_but_for_types(path: Path) -> None:
    found = {name for name in facts_of(path.read_bytes()).imports if name.split(".")[0] == "metabt"}
    in_text = {name for name in imported(path) if name.split(".")[0] == "metabt"}
    tree = ast.parse(path.read_bytes())
    blocks = [it for it in ast.walk(tree) if isinstance(it, ast.If) and "TYPE_CHECKING" in ast.unparse(it.test)]
    for_types = {
        it.module for block in blocks for it in ast.walk(block) if isinstance(it, ast.ImportFrom) and it.module
    }
    assert found <= in_text
    assert all(any(name == it or name.startswith(f"{it}.") for it in for_types) for name in in_text - found)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("# lazily", "# at once", True),
        ("Its size.", "Its width.", True),
        ("A thing.", "Something.", True),
        ("    ports,  # (all of them)\n    keys as k,\n", "    ports, keys as k\n", True),
        ("LIMIT = 3", "LIMIT = 4", False),
        ("size: int = 2", "size: int = 2.0", False),
        ("self.size * LIMIT", "LIMIT * self.size", False),
        ('"some_word"', '"other_word"', False),
        ("keys as k", "keys as k2", False),
        ("    def area", "    @property\n    def area", False),
    ],
)
def test_what_changes_the_text_of_a_file(old: str, new: str, same: bool) -> None:
    assert WRITTEN.count(old) == 1
    assert (text(WRITTEN.replace(old, new)) == text(WRITTEN)) is same


def test_the_imports_and_the_words_of_a_file() -> None:
    found = facts_of(WRITTEN.encode())
    assert {name for name in found.imports if name.startswith("metabt")} == {
        "metabt.walk.block",
        "metabt.build",
        "metabt.build.ports",
        "metabt.build.keys",
        "metabt.walk.meta",
        "metabt.walk.meta.meta_sleeve",
        "metabt.estimators.selectors.all",
    }
    assert "some_word" in found.words and found.choices == {}


def test_entries_of_tables_stand_apart_with_what_they_alone_import() -> None:
    found = facts_of(TABLES.encode(), choosing=True)
    assert {name: choice.imports for name, choice in found.choices.items()} == {
        "first": ("metabt.one", "metabt.one.first"),
        "second": ("metabt.two", "metabt.two.SECONDS", "metabt.two.second"),
        "shared": (),
        "text": ("metabt.five.six",),
    }
    shared = {"metabt.three", "metabt.three.third", "metabt.four", "metabt.four.fourth"}
    assert {name for name in found.imports if name.startswith("metabt")} == shared
    more = TABLES.replace('{"first"', '{"zeroth": lambda: zeroth, "first"')
    assert facts_of(more.encode(), choosing=True).text == found.text
    assert facts_of(TABLES.replace("return fourth", "return 4").encode(), choosing=True).text != found.text
    other = facts_of(TABLES.replace("six:Seven", "six:Eight").encode(), choosing=True)
    assert other.text == found.text and other.choices["text"] != found.choices["text"]


# ------------------------------------------------------------------------------------------- what is kept of files


def kept(place: Path | None, sources: list[str]) -> list[Facts]:
    files = Kept(place)
    found = [files.facts(source.encode(), source == TABLES) for source in sources]
    files.write()
    return found


@pytest.fixture
def unparsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the files that are parsed from here on."""
    parsed: list[bytes] = []

    def parse(source: bytes, choosing: bool = False) -> Facts:
        parsed.append(source)
        return facts_of(source, choosing)

    monkeypatch.setattr("metabt.values.source_facts.facts_of", parse)
    return parsed


def test_what_is_kept_is_what_was_found_and_is_not_parsed_again(tmp_path: Path, unparsed: list[bytes]) -> None:
    place, sources = tmp_path / "kept.json", [WRITTEN, TABLES]
    fresh = [facts_of(WRITTEN.encode()), facts_of(TABLES.encode(), choosing=True)]
    assert kept(place, sources) == fresh and len(unparsed) == 2
    assert kept(place, sources) == fresh and len(unparsed) == 2
    assert kept(place, [WRITTEN + "\nMORE = 1\n"])[0] != fresh[0] and len(unparsed) == 3
    assert kept(place, sources) == fresh and len(unparsed) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["kept.json"]


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "no text", "a folder"])
def test_a_kept_file_that_is_not_whole_is_made_anew(damage: str, tmp_path: Path, unparsed: list[bytes]) -> None:
    place = tmp_path / "kept.json"
    fresh = kept(place, [WRITTEN])
    data = place.read_bytes()
    digest = fresh[0].text.encode()
    assert data.count(digest) == 1
    damaged = {
        "flipped": data.replace(digest, digest[::-1]),
        "cut": data[:-10],
        "emptied": b"",
        "no text": b"\xff\xfe\x00",
    }
    place.unlink()
    if damage == "a folder":
        place.mkdir()
    else:
        place.write_bytes(damaged[damage])
    assert kept(place, [WRITTEN]) == fresh and len(unparsed) == 2
    assert kept(place, [WRITTEN]) == fresh and len(unparsed) == (3 if damage == "a folder" else 2)


def test_without_a_place_everything_is_parsed(unparsed: list[bytes]) -> None:
    assert kept(None, [WRITTEN]) == kept(None, [WRITTEN]) and len(unparsed) == 2


def test_files_of_code_that_is_gone_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metabt.values.source_facts.MOST", 3)
    place = tmp_path / "kept.json"
    for number in range(4):
        kept(place, [f"NUMBER = {number}"])
    assert len(json.loads(place.read_text().partition("\n")[2])) == 1
