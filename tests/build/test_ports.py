"""Values that pass between a walk and a cache: what they are unless it is said, and that nobody changes them."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any

import pytest

import metabt.build
from metabt.build.ports import Lap, Sealed, Step
from metabt.build.shard import Mark, Report

CHANGED = {"CachedWalk", "Shard", "Walk"}
"""Classes whose values grow as a walk goes on; all others are values that many share."""

VALUES: dict[type, dict[str, Any]] = {
    Step: {"key": "", "sealed": None, "found": False, "laps": (), "failure": None, "heard": ()},
    Mark: {"key": "", "state": "", "found": False, "laps": (), "failure": None, "heard": ()},
}
"""Class -> what its fields are by themselves: nothing remembered, nothing found, no failure."""


@pytest.mark.parametrize("cls", VALUES)
def test_a_step_that_says_nothing_has_no_key_and_found_nothing(cls: type) -> None:
    assert vars(cls()) == VALUES[cls] and all(type(vars(cls())[name]) is type(it) for name, it in VALUES[cls].items())
    assert [field.name for field in fields(cls)] == list(VALUES[cls])  # type: ignore[arg-type]  # dataclasses


@pytest.mark.parametrize(
    "value", [Step(), Mark(), Lap("2020", "holding", 1.0, 2, False), Sealed({}, {}), Report("2020", "", {}, {}, True)]
)
def test_what_was_passed_is_not_changed(value: Any) -> None:
    for field in fields(value):
        with pytest.raises(FrozenInstanceError):
            setattr(value, field.name, None)


def test_only_what_walks_is_changed() -> None:
    found = {}
    for module in pkgutil.walk_packages(metabt.build.__path__, "metabt.build."):
        for name, cls in vars(importlib.import_module(module.name)).items():
            if isinstance(cls, type) and is_dataclass(cls) and cls.__module__ == module.name:
                found[name] = vars(cls)["__dataclass_params__"].frozen
    assert len(found) > 20 and {name for name, frozen in found.items() if not frozen} == CHANGED
