"""Find the files of `conf/` that include each other in a circle, so that the error can show the circle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from omegaconf import OmegaConf


def find_cycle(dirs: tuple[Path, ...]) -> list[str]:
    """Return the files of one circle of includes, the first repeated at the end; empty if there is none."""
    done: set[str] = set()
    for start in _all_files(dirs):
        cycle = _walk(start, (), dirs, done)
        if cycle:
            return cycle
    return []


def _walk(name: str, above: tuple[str, ...], dirs: tuple[Path, ...], done: set[str]) -> list[str]:
    if name in above:
        return [*above[above.index(name) :], name]
    if name in done:
        return []
    for included in _includes(name, dirs):
        cycle = _walk(included, (*above, name), dirs, done)
        if cycle:
            return cycle
    done.add(name)
    return []


def _all_files(dirs: tuple[Path, ...]) -> list[str]:
    return sorted({file.relative_to(d).with_suffix("").as_posix() for d in dirs for file in d.rglob("*.yaml")})


def _includes(name: str, dirs: tuple[Path, ...]) -> Iterator[str]:
    file = next((d / f"{name}.yaml" for d in dirs if (d / f"{name}.yaml").is_file()), None)
    content: Any = OmegaConf.to_container(OmegaConf.load(file)) if file else {}
    entries = content.get("defaults") if isinstance(content, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        yield from _targets(entry, PurePosixPath(name).parent)


def _targets(entry: Any, here: PurePosixPath) -> Iterator[str]:
    """Yield the files that an entry of an include list names: ``{/sleeve@sleeves.x: energy}`` is ``sleeve/energy``."""
    if isinstance(entry, str) and entry != "_self_":
        yield _absolute(entry.split("@")[0], here)
    elif isinstance(entry, dict):
        for key, value in entry.items():
            group = str(key).split()[-1].split("@")[0]
            members = value if isinstance(value, list) else [value]
            yield from (_absolute(f"{group}/{member}", here) for member in members if isinstance(member, str))


def _absolute(target: str, here: PurePosixPath) -> str:
    return target.lstrip("/") if target.startswith("/") else (here / target).as_posix()
