"""Source files: all modules that some code may be made of, directly or not, as what kernels are compiled of.

1. A file's text names modules where it imports, and where the registry says which class a name means.
2. From the entries on, every module of metabt that is named is read in its turn.

The text is searched for imports as this package writes them: a parser would take ten times as long over it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]

FROM = re.compile(r"^[ \t]*from (metabt[\w.]*) import (\([^)]*\)|.*)", re.MULTILINE)
"""`from MODULE import NAMES`: a module, and names in it or modules of a package."""
IMPORT = re.compile(r"^[ \t]*import (.*)", re.MULTILINE)
"""`import MODULES`."""
CLASS = re.compile(r"""["'](metabt(?:\.\w+)+):\w+["']""")
"""How the registry names a class: module:Class."""
COMMENT = re.compile(r"#.*")


def code_modules(*entries: str) -> dict[str, Path]:
    """Return the modules `entries` and every metabt module they import, directly or not, with their files."""
    files, found, pending = module_files(), dict[str, Path](), list(entries)
    while pending:
        name = pending.pop()
        if name in files and name not in found:
            found[name] = files[name]
            pending += [name.rpartition(".")[0], *imported(files[name])]
    return found


@cache
def imported(path: Path) -> frozenset[str]:
    """Return what a file of metabt imports: modules, and names in them, which may be modules too."""
    text = path.read_text(encoding="utf-8")
    names = {*CLASS.findall(text)}
    text = COMMENT.sub("", text)
    for module, listed in FROM.findall(text):
        names |= {module, *(f"{module}.{name}" for name in _listed(listed))}
    for listed in IMPORT.findall(text):
        names |= {*_listed(listed)}
    return frozenset(names)


def _listed(text: str) -> Iterator[str]:
    """Yield the names of a list such as ``(a, b as c)``."""
    for item in text.strip().strip("()").split(","):
        if item.strip():
            yield item.split()[0]


@cache
def module_files() -> dict[str, Path]:
    """Return name -> file of every module; without the top package, which only exports again."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    del found[ROOT.name]
    return found
