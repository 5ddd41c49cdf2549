"""Reached code: the modules that some code is made of, each by the digest of what it says.

1. From the entries on, every module of metabt that is imported is followed in its turn, but for those that are closed.
2. A name of a table of choices (CHOICES) is followed where it is said: by whoever asks, or as a constant in a module
   that is reached. Entries that nobody says are neither followed nor part of their module.
3. What is digested is the text of syntax trees, without comments and docstrings (metabt.values.source_facts).

So an optimizer is the code of the sleeves that name it, and a new one changes no other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from metabt.values.digests import digest
from metabt.values.source_facts import Facts, Kept, maker
from metabt.values.source_files import ROOT, module_files

CHOICES = ("metabt.estimators.registry", "metabt.estimators.moments.covariance", "metabt.estimators.moments.mean")
"""Modules with tables of what configurations choose by name."""
STATED = ("metabt.portfolio.sleeve",)
"""Modules whose constants are defaults of what is asked for: whoever asks has stated them."""
NUMERIC_LIBRARIES = ("llvmlite", "numba", "numpy", "scipy")
"""Distributions whose version can change a bit of a result."""
BENEATH = {"numba": ("llvmlite",)}
"""Library -> those that it computes with, whoever imports them."""


class Code(NamedTuple):
    """The code that something is computed by."""

    digest: str
    """SHA-256 (hex) of `modules`."""
    modules: dict[str, str]
    """Module, and module:name of a choice -> SHA-256 (hex) of what it says, sorted."""
    libraries: dict[str, str]
    """Numeric library that they use -> its version, sorted."""


@cache
def reached(
    entries: tuple[str, ...], said: frozenset[str] | None = frozenset(), closed: frozenset[str] = frozenset()
) -> Code:
    """Return the code that is reached from the modules `entries`.

    Parameters
    ----------
    said : names of choices that are made; None makes them all
    closed : modules that are not followed, and not part of it
    """
    found = _follow(entries, said, closed)
    said_there = (it for module, (facts, made) in found.items() for it in _said(module, facts, made))
    imported = {name.partition(".")[0] for facts, _ in found.values() for name in facts.imports}
    used = imported | {below for name in imported & BENEATH.keys() for below in BENEATH[name]}
    libraries = {name: version(name) for name in NUMERIC_LIBRARIES if name in used}
    _kept().write()
    modules = dict(sorted(said_there))
    return Code(digest(modules), modules, libraries)


@cache
def choices() -> frozenset[str]:
    """Return all names of all tables of choices."""
    return frozenset(name for module in CHOICES for name in _facts(module).choices)


def _follow(
    entries: tuple[str, ...], said: frozenset[str] | None, closed: frozenset[str]
) -> dict[str, tuple[Facts, frozenset[str]]]:
    """Return module -> its facts and the choices that are made of its tables."""
    files, found, made, names = module_files(), dict[str, Facts](), set[tuple[str, str]](), {*(said or ())}
    pending = [*entries]
    while pending:
        while pending:
            module = pending.pop()
            if module in files and module not in found and module not in closed:
                found[module] = facts = _facts(module)
                names.update(() if module in STATED else facts.words)
                pending += [module.rpartition(".")[0], *facts.imports]
        new = {it for it in _offered(found) if said is None or it[1] in names} - made
        made |= new
        pending = [it for module, name in new for it in found[module].choices[name].imports]
    return {module: (facts, frozenset(n for m, n in made if m == module)) for module, facts in found.items()}


def _offered(found: dict[str, Facts]) -> Iterator[tuple[str, str]]:
    return ((module, name) for module in CHOICES if module in found for name in found[module].choices)


def _said(module: str, facts: Facts, made: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield a module and each entry of its tables that is chosen, as module:name, with a digest of what it says."""
    yield module, facts.text
    for name in made:
        yield f"{module}:{name}", digest(facts.choices[name].text)


@cache
def _facts(module: str) -> Facts:
    return _kept().facts(module_files()[module].read_bytes(), module in CHOICES)


@cache
def _kept() -> Kept:
    """Return the facts that are kept beside the package, in NUMBA_CACHE_DIR as kernels are, or in the user's cache."""
    beside, users = ROOT / "__pycache__", Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    with suppress(OSError):
        beside.mkdir(exist_ok=True)
    stated = os.environ.get("NUMBA_CACHE_DIR")
    folders = [Path(stated)] if stated else [beside, users]
    place = next((folder for folder in folders if os.access(folder, os.W_OK)), None)
    return Kept(place and place / f"metabt-sources-{maker()}.json")
