"""Limits and names that no number of a run tells of: what they decide is time and memory, or what is found again."""

from __future__ import annotations

import fcntl
import os
from importlib import import_module
from typing import Any

import pytest

NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC

LIMITS: dict[str, dict[str, Any]] = {
    "cache.codec": {"STORABLE": "biufM", "ALIGNED": 8, "BLANK": b"\x7f", "END": b"\xff" * 4 + bytes(4), "MOST": 4_096},
    "cache.folder.syscalls": {"NEW": os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK},
    "cache.folder.reading": {
        "DIRECTORY": os.O_RDONLY | os.O_DIRECTORY | NO_LINK,
        "FILE": os.O_RDONLY | os.O_NONBLOCK | NO_LINK,
        "SHARDS": tuple(f"{one}{other}" for one in "0123456789abcdef" for other in "0123456789abcdef"),
    },
    "cache.folder.shelf": {"RECENT": 0.05},
    "cache.folder.times": {"_FILE": os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | NO_LINK},
    "cache.last_use": {"DAY": 24 * 60 * 60},
    "cache.pack_format": {"ALIGNMENT": 64, "DIGITS": 12, "ENTRY": 36, "PART": 40},
    "cache.pack_writer": {"PACK": 32 * 1024**2, "SECONDS": 2.0, "MANY": 100, "QUEUE": 2},
    "cache.pruning": {"LEFT_BEHIND": 60 * 60, "SMALL": 8 * 1024**2},
    "cache.single_flight": {"LOCK_SECONDS": 120, "SET_LOCK": fcntl.F_OFD_SETLK},
    "cache.upkeep": {"UNREADABLE": "(unreadable pack)", "READERS": 2},
    "inputs": {"SHARED": 64 * 1024**2, "LONG": 1_024},
    "memory_estimate": {"CHUNK": 192 * 1024**2},
    "sleeve_code": {"MOST": 131_072},
    "walk_result": {"HELD": 256 * 1024**2},
    "walked_ahead": {"KEPT": 256 * 1024**2, "TOGETHER": 32 * 1024**2, "STREAMS": 8},
}
"""Module -> limits, each written out another way."""

NAMES: dict[str, dict[str, Any]] = {
    "keys": {"FORMAT": 3, "BLOCK": "block", "ASSET_RISK": "exposure", "INITIAL": "initial"},
    "sleeve_code": {
        "LEAF": "leaf",
        "META": "meta",
        "WALK": (
            "metabt.walk.walk_forward",
            "metabt.build.inputs",
            "metabt.build.cached_walk",
            "metabt.numerics.platform",
        ),
        "OTHERS": {"leaf": {"metabt.walk.meta.meta_sleeve", "metabt.walk.book"}, "meta": {"metabt.walk.leaf"}},
        "FOREIGN": {
            "metabt.estimators.optimizers.fitted",
            "metabt.estimators.plugins.skfolio",
            "metabt.estimators.selectors.fitted",
        },
    },
    "memory_estimate": {
        "LIBRARIES": "Python and its libraries",
        "PRICES": "prices",
        "SLEEVES": "streams, decisions and holdings of sleeves",
        "READING": "streams and covariances that one sleeve reads",
        "TABLES": "tables",
    },
}
"""Module -> names that are part of keys, of what is stored, or of what is said of a plan."""


@pytest.mark.parametrize("module", LIMITS)
def test_limits_are_those_that_were_measured(module: str) -> None:
    found = vars(import_module(f"metabt.build.{module}"))
    assert {name: found[name] for name in LIMITS[module]} == LIMITS[module]


@pytest.mark.parametrize("module", NAMES)
def test_names_are_those_under_which_others_look(module: str) -> None:
    found = vars(import_module(f"metabt.build.{module}"))
    assert {name: found[name] for name in NAMES[module]} == NAMES[module]


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("cache", ["Around", "MemoryCache", "NoCache"]),
        ("cache.object_store", ["Counts", "ObjectStore", "Section"]),
        ("cache.upkeep", ["Pruned", "Stats", "Verified", "parse_age", "parse_size", "prune", "stats", "verify"]),
    ],
)
def test_what_a_module_offers_is_there(module: str, names: list[str]) -> None:
    found = import_module(f"metabt.build.{module}")
    assert found.__all__ == names and all(hasattr(found, name) for name in names)
