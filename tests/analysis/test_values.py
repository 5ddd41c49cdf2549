"""Values of an analysis are shared by tables, notes and reports: none of them is changed by who reads it."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import is_dataclass

import metabt.analysis


def test_no_value_of_an_analysis_is_changed() -> None:
    found = {}
    for module in pkgutil.walk_packages(metabt.analysis.__path__, "metabt.analysis."):
        for name, cls in vars(importlib.import_module(module.name)).items():
            if isinstance(cls, type) and is_dataclass(cls) and cls.__module__ == module.name:
                found[f"{module.name}.{name}"] = vars(cls)["__dataclass_params__"].frozen
    assert len(found) > 20 and all(found.values()), found
