"""Modules: what is found in the text of a file is what Python's own parser finds in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from metabt.values.source_files import ROOT, code_modules, imported

WRITTEN = """
import os
import metabt.api.functions, metabt.walk.block as b
from metabt.build import (
    ports,  # (all of them)
    keys as k,
)

def f():
    from metabt.walk.meta import meta_sleeve  # lazily
    import metabt.cli.demo_prices

NAMED = 'metabt.estimators.selectors.all:All'
"""
FILES = sorted(ROOT.rglob("*.py"))


def parsed(path: Path) -> set[str]:
    """Return what a file imports, and the modules whose classes it names in text."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names |= {node.value.partition(":")[0]} if re.fullmatch(r"metabt(\.\w+)+:\w+", node.value) else set()
    return names


def of_metabt(names: set[str] | frozenset[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] == "metabt"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_imports_of_a_file_are_those_that_a_parser_finds(path: Path) -> None:
    assert of_metabt(imported(path)) == of_metabt(parsed(path))


def test_there_are_files_and_imports_to_compare() -> None:
    assert len(FILES) > 100 and sum(len(of_metabt(imported(path))) for path in FILES) > 1000


def test_imports_are_found_however_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text(WRITTEN)
    assert of_metabt(imported(file)) == of_metabt(parsed(file))
    assert {
        "metabt.walk.block",
        "metabt.build.keys",
        "metabt.walk.meta.meta_sleeve",
        "metabt.cli.demo_prices",
        "metabt.estimators.selectors.all",
    } <= imported(file)


def test_code_is_every_module_that_the_arithmetic_imports() -> None:
    names = set(code_modules("metabt.walk.walk_forward"))
    assert {
        "metabt.walk.holdings",
        "metabt.walk.meta.meta_sleeve",
        "metabt.estimators.registry",
        "metabt.estimators.moments.covariance",
    } <= names
    # the registry names its classes in text; they are arithmetic all the same
    assert {"metabt.estimators.optimizers.erc", "metabt.estimators.selectors.log_mps"} <= names
    assert not {name for name in names if name.startswith(("metabt.cli", "metabt.report", "metabt.lakehouse"))}
