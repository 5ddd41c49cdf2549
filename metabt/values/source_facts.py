"""Source facts: what one file of metabt says, without its comments and docstrings.

1. Its text is that of its syntax tree, written out again; strings that stand alone are left out, so that a comment, a
   docstring or another layout changes nothing.
2. Its imports are the modules that it names where it imports, also inside functions and not for types alone, and where
   it writes `module:Class`.
3. Its words are the constants that may name an estimator: what is built by name is reached by name.
4. A module of choices has tables from such names to code. Each entry is kept apart, with what it alone imports.

Parsing takes a hundred times as long as reading: what was found is kept under the SHA-256 of the file's bytes, in this
process and beside the machine code of kernels. A kept file that is not whole, or not of this Python, is made anew.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from metabt.values.syntax_trees import syntax_tree

CLASS = re.compile(r"(metabt(?:\.\w+)+):\w+")
"""How a table names a class: module:Class."""
WORD = re.compile(r"[a-z][a-z_]{1,23}")
"""What a name of a configuration looks like."""
MOST = 1000
"""Files, of all versions of the code that were run here, of which facts are kept."""


class Choice(NamedTuple):
    """One entry of a table of choices."""

    text: str
    """Its code, written out."""
    imports: tuple[str, ...]
    """What it alone imports."""


class Facts(NamedTuple):
    """What is known of one file."""

    text: str
    """SHA-256 (hex) of its syntax tree, written out without strings that stand alone and without choices."""
    imports: tuple[str, ...]
    """Modules that it imports, and names in them, which may be modules too; sorted."""
    words: tuple[str, ...]
    """Constants in it that look like the name of an estimator; sorted."""
    choices: dict[str, Choice]
    """Name -> entry of its tables; empty but for a module of choices."""


def facts_of(source: bytes, choosing: bool = False) -> Facts:
    """Return the facts of a file's bytes; `choosing` says that it is a module of choices."""
    tree = _Bare().visit(syntax_tree(source))
    kept = list(_for_running(tree))
    bound: dict[str, tuple[str, ...]] = {}
    for name, modules in (it for node in kept for it in _bound(node)):
        bound[name] = (*bound.get(name, ()), *modules)
    choices = _Tables(tree, bound).take() if choosing else {}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    named = {match[1] for text in texts if (match := CLASS.fullmatch(text))}
    shared = _used(tree.body, _private(tree)) if choosing else bound.keys()
    imports = {module for name in shared & bound.keys() for module in bound[name]} | named
    words = tuple(sorted(text for text in texts if WORD.fullmatch(text)))
    return Facts(_sha(ast.unparse(tree).encode()), tuple(sorted(imports)), words, choices)


class _Bare(ast.NodeTransformer):
    """Leaves out strings that stand alone: docstrings of modules, classes, functions and attributes."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:  # noqa: N802  # ast calls it so
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node


def _for_running(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree, but for what is imported for types alone."""
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += node.orelse
            continue
        yield node
        pending += ast.iter_child_nodes(node)


def _bound(node: ast.AST) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the names that an import binds, each with the modules that it may come from."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.asname or alias.name, (alias.name,)
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            yield alias.asname or alias.name, (node.module, f"{node.module}.{alias.name}")


class _Tables:
    """The tables of a module of choices: dicts from names to code, at its top."""

    def __init__(self, tree: ast.Module, bound: dict[str, tuple[str, ...]]) -> None:
        self._tree, self._bound, self._private = tree, bound, _private(tree)

    def take(self) -> dict[str, Choice]:
        """Take the entries out of the tree and return them."""
        return {name: self._choice(value) for table in self._tables() for name, value in _emptied(table)}

    def _tables(self) -> Iterator[ast.Dict]:
        for statement in self._tree.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign):
                yield from (it for it in ast.walk(statement) if isinstance(it, ast.Dict) and _is_table(it))

    def _choice(self, value: ast.expr) -> Choice:
        text = ast.unparse(value)
        if isinstance(value, ast.Constant):
            match = CLASS.fullmatch(str(value.value))
            return Choice(text, (match[1],) if match else ())
        names = _used([value], self._private) & self._bound.keys()
        return Choice(text, tuple(sorted({module for name in names for module in self._bound[name]})))


def _is_table(node: ast.Dict) -> bool:
    return bool(node.keys) and all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in node.keys)


def _emptied(table: ast.Dict) -> list[tuple[str, ast.expr]]:
    pairs = [(str(ast.literal_eval(key)), value) for key, value in zip(table.keys, table.values, strict=True) if key]
    table.keys, table.values = [], []
    return pairs


def _private(tree: ast.Module) -> dict[str, ast.stmt]:
    """Return name -> function at the top of a module that nobody outside calls."""
    return {it.name: it for it in tree.body if isinstance(it, ast.FunctionDef) and it.name.startswith("_")}


def _used(nodes: Iterable[ast.AST], private: dict[str, ast.stmt]) -> set[str]:
    """Return the names in some code, and in the private functions that it calls, directly or not."""
    found, pending = set[str](), [node for node in nodes if node not in private.values()]
    while pending:
        names = {it.id for it in ast.walk(pending.pop()) if isinstance(it, ast.Name)} - found
        found |= names
        pending += [private[name] for name in names & private.keys()]
    return found


# ---------------------------------------------------------------------------------------- what is kept of files


class Kept:
    """Facts of files, kept under the SHA-256 of their bytes: in memory, and in one file for the next process."""

    def __init__(self, place: Path | None) -> None:
        """Read what `place` keeps; None keeps nothing beyond this process."""
        self._place, self._old = place, _read(place)
        self._wanted: dict[str, Facts] = {}

    def facts(self, source: bytes, choosing: bool = False) -> Facts:
        """Return the facts of a file's bytes."""
        key = f"{_sha(source)}{'+' if choosing else ''}"
        if key not in self._wanted:
            self._wanted[key] = self._old.get(key) or facts_of(source, choosing)
        return self._wanted[key]

    def write(self) -> None:
        """Keep what was asked for, where that is not kept yet; beyond MOST files, nothing else is."""
        if self._place is None or self._wanted.keys() <= self._old.keys():
            return
        together = self._old | self._wanted
        self._old = together if len(together) <= MOST else dict(self._wanted)
        body = json.dumps(self._old)
        scratch = self._place.with_name(f"{self._place.name}.{os.getpid()}")
        with suppress(OSError):  # a place that cannot be written costs time alone
            scratch.write_text(f"{_sha(body.encode())}\n{body}", encoding="utf-8")
            scratch.replace(self._place)


def _read(place: Path | None) -> dict[str, Facts]:
    """Return what a file keeps; nothing where it is not there or not whole."""
    try:
        check, _, body = place.read_text(encoding="utf-8").partition("\n") if place else ("", "", "")
    except (OSError, UnicodeDecodeError):
        return {}
    if not place or check != _sha(body.encode()):
        return {}
    return {
        key: Facts(text, tuple(imports), tuple(words), {name: Choice(it[0], tuple(it[1])) for name, it in more.items()})
        for key, (text, imports, words, more) in json.loads(body).items()
    }


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@cache
def maker() -> str:
    """Return a short digest of what facts are made by: this file and this version of Python."""
    return _sha(Path(__file__).read_bytes() + sys.version.encode())[:16]
