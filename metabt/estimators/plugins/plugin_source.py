"""Plug-in source: one digest of the files that a plug-in is made of, for a version says nothing of what was edited.

1. What its distribution installed: the files of its RECORD, less bytecode and what pip notes for itself.
2. Where the module of its entry point is none of them (an editable installation, a module that is merely on the path):
   that module, or all files of the outermost package that it lies in. A namespace package belongs to many
   distributions, so of it only the part on the way to the module counts.
3. From modules of 2 on, whatever they import that is not installed is added in the same way: no version speaks for it.

Files are found without importing them, and read once in a process, before the plug-in is imported: what is edited later
counts, as its code does, from the next process on.
"""

from __future__ import annotations

import ast
import hashlib
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution
from importlib.util import find_spec, resolve_name
from pathlib import Path, PurePath

from metabt.errors import ConfigError
from metabt.values.syntax_trees import syntax_tree

ROOT = Path(__file__).resolve().parents[2]
"""Where metabt itself lies, whose code has a digest of its own."""
INSTALLED = {"site-packages", "dist-packages"}
"""Folders of what has a version."""


def files_digest(who: str, entry: str, distribution: Distribution | None, modules: Iterable[str]) -> str:
    """Return the SHA-256 (hex) of the names and bytes of all files of a plug-in.

    Parameters
    ----------
    who : str
        Begins messages, such as "optimizer 'theirs'".
    entry : str
        What its entry point names, module:Class.
    distribution : Distribution or None
        What installed it; None where nothing did.
    modules : iterable of str
        Full names of the modules that it must have.

    Raises
    ------
    ConfigError
        If a module cannot be found, or a file that was installed is missing.
    """
    files = _recorded(who, distribution) if distribution else {}
    for module in modules:
        unit = _unit(module)
        if unit is None or not unit.origin.is_file():
            raise ConfigError(f"{who}: its module {module!r} is not found, {_cure(distribution)}")
        whole = unit.files()
        installed = {name: files[name] for name in whole if name in files}
        is_theirs = len(installed) == len(whole) and any(unit.origin.samefile(path) for path in installed.values())
        files |= {} if is_theirs else _with_imports(unit)
    total = hashlib.sha256(entry.encode())
    for name, path in sorted(files.items()):
        content = path.read_bytes()
        total.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def modules_of(distribution: Distribution) -> list[str]:
    """Return the top modules of an editable distribution that are found; none where it is not editable."""
    if '"editable": true' not in (distribution.read_text("direct_url.json") or ""):
        return []
    stated = (distribution.read_text("top_level.txt") or "").split() or [distribution.name.replace("-", "_")]
    return [name for name in stated if (unit := _unit(name)) and not unit.has_version]


def _recorded(who: str, distribution: Distribution) -> dict[str, Path]:
    """Return name -> file of what a distribution has installed, bytecode and notes of machines left out."""
    listed = (distribution.files or []) if distribution.read_text("RECORD") else []
    found = {it.as_posix(): Path(str(distribution.locate_file(it))) for it in listed if _counts(it)}
    for name, path in found.items():
        if not path.is_file():
            raise ConfigError(f"{who}: {name!r} is missing, which was installed with it, {_cure(distribution)}")
    return found


def _counts(file: PurePath) -> bool:
    if ".." in file.parts or file.suffix in (".pyc", ".pth") or file.name.startswith("__editable__"):
        return False
    return not file.parts[0].endswith((".dist-info", ".egg-info"))


def _cure(distribution: Distribution | None) -> str:
    if distribution is None:
        return "so no key can tell what it computes; put it on the path, or install it as a package"
    return f"so no key can tell what it computes; install it again: pip install --force-reinstall {distribution.name}"


@dataclass(frozen=True)
class _Unit:
    """A module of one file, or the outermost package with an `__init__` that a module lies in."""

    name: str
    """Its full name."""
    origin: Path
    """Its file; of a package the file of its `__init__`."""
    is_package: bool

    def files(self) -> dict[str, Path]:
        """Return name -> file of all that it is made of."""
        place, folder = self.name.replace(".", "/"), self.origin.parent
        if not self.is_package:
            return {f"{place}{self.origin.suffix}": self.origin}
        inside = {path.relative_to(folder): path for path in folder.rglob("*") if path.suffix != ".pyc"}
        return {f"{place}/{it.as_posix()}": path for it, path in inside.items() if _is_kept(it) and path.is_file()}

    @property
    def has_version(self) -> bool:
        """Whether it is of the standard library, an installed distribution or metabt itself."""
        where = self.origin.resolve()
        standard = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
        return bool(INSTALLED & set(where.parts)) or any(where.is_relative_to(it) for it in {ROOT, *standard})


def _is_kept(inside: PurePath) -> bool:
    return not any(part.startswith(".") or part == "__pycache__" for part in inside.parts)


def _unit(module: str) -> _Unit | None:
    """Return what a module lies in; None where it is not found or has no file, such as a namespace package."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        name = ".".join(parts[:end])
        try:
            spec = find_spec(name)
        except (ImportError, ValueError):  # no such parent, or a module that was made by hand
            return None
        if spec is None or (spec.origin and not spec.has_location):  # or one without a file
            return None
        if spec.origin:
            return _Unit(name, Path(spec.origin), bool(spec.submodule_search_locations))
    return None


def _with_imports(first: _Unit) -> dict[str, Path]:
    """Return the files of a unit and of all that it imports, directly or not, for which no version speaks."""
    found, units, pending, asked = dict[str, Path](), {first}, [first], set[str]()
    while pending:
        files = pending.pop().files()
        found |= files
        imported = {module for name, path in files.items() if path.suffix == ".py" for module in _imported(name, path)}
        new = {unit for module in imported - asked if (unit := _unit(module)) and unit not in units}
        asked |= imported
        units |= new
        pending += [unit for unit in new if not unit.has_version]
    return found


def _imported(name: str, path: Path) -> Iterator[str]:
    """Yield the full names of what a file imports."""
    package = name.rpartition("/")[0].replace("/", ".")
    try:
        tree = syntax_tree(path.read_bytes())
    except (SyntaxError, ValueError):  # of a file that is no module, such as a template
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            try:
                above = resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:
                continue
            yield from (f"{above}.{alias.name}" for alias in node.names)
