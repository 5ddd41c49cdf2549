"""Count what a file of `conf/` includes, directly or through others, before Hydra opens any of it.

1. A file's includes are the entries of its list `defaults`.
2. Each file is counted once and its count used wherever it is included, so that ten files that include each other ten
   times are refused at once. So are the sizes of files, since a large one may be included often.
3. Files that include each other in a circle are refused with the circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from metabt.config.documents import read
from metabt.errors import ConfigError
from metabt.values.limits import FILES, INCLUDED

Count = tuple[int, int]
"""How many files, and their bytes."""


def count_includes(names: Iterable[str], dirs: tuple[Path, ...]) -> None:
    """Raise ConfigError if one of the files includes too many, or itself.

    Parameters
    ----------
    names : files as Hydra calls them, such as ``portfolio/demo``
    dirs : folders of configuration, in the order in which they are searched
    """
    counts: dict[str, Count] = {}
    for name in names:
        files, size = _count(name, (), dirs, counts)
        FILES.check(name, files)
        INCLUDED.check(name, size)


def _count(name: str, above: tuple[str, ...], dirs: tuple[Path, ...], counts: dict[str, Count]) -> Count:
    if name in above:
        cycle = " -> ".join([*above[above.index(name) :], name])
        raise ConfigError(f"configuration files include each other in a circle: {cycle}; remove one of these includes")
    if name not in counts:
        within = [(included, _count(included, (*above, name), dirs, counts)) for included in _includes(name, dirs)]
        counts[name] = (
            sum(1 + files for _, (files, _) in within),
            sum(_size(included, dirs) + size for included, (_, size) in within),
        )
    return counts[name]


def _includes(name: str, dirs: tuple[Path, ...]) -> Iterator[str]:
    if ".." in name.split("/"):
        return  # Hydra is told that there is no such file
    file = _found(name, dirs)
    entries = read(file).get("defaults") if file else None
    for entry in entries if isinstance(entries, list) else []:
        yield from _targets(entry, PurePosixPath(name).parent)


def _found(name: str, dirs: tuple[Path, ...]) -> Path | None:
    name = name.removesuffix(".yaml")
    return next((d / f"{name}.yaml" for d in dirs if (d / f"{name}.yaml").is_file()), None)


def _size(name: str, dirs: tuple[Path, ...]) -> int:
    file = _found(name, dirs)
    return 0 if file is None else file.stat().st_size


def _targets(entry: Any, here: PurePosixPath) -> Iterator[str]:
    """Yield the files that an entry of an include list names: ``{/sleeve@sleeves.x: energy}`` is ``sleeve/energy``."""
    if isinstance(entry, str) and entry != "_self_":
        yield _absolute(entry.split("@")[0], here)
    elif isinstance(entry, dict):
        for key, value in entry.items():
            group = str(key).split()[-1].split("@")[0] if str(key).split() else ""
            members = value if isinstance(value, list) else [value]
            yield from (_absolute(f"{group}/{member}", here) for member in members if isinstance(member, str))


def _absolute(target: str, here: PurePosixPath) -> str:
    return target.lstrip("/") if target.startswith("/") else (here / target).as_posix()
