"""Syntax trees are whole where the collector lets other threads parse in between."""

from __future__ import annotations

import ast
import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from metabt.values.syntax_trees import syntax_tree

SOURCE = Path(ast.__file__).read_bytes()


@pytest.fixture
def other_threads_run_at_every_collection() -> Iterator[None]:
    def sleep(phase: str, info: dict[str, int]) -> None:
        time.sleep(1e-5)

    threshold = gc.get_threshold()
    gc.callbacks.append(sleep)
    gc.set_threshold(50)
    yield
    gc.set_threshold(*threshold)
    gc.callbacks.remove(sleep)


@pytest.mark.usefixtures("other_threads_run_at_every_collection")
def test_threads_parse_at_once() -> None:
    with ThreadPoolExecutor(4) as threads:
        trees = list(threads.map(syntax_tree, [SOURCE] * 12))
    assert len({ast.dump(tree) for tree in trees}) == 1


def test_what_is_no_source_is_refused_as_by_python() -> None:
    with pytest.raises(SyntaxError):
        syntax_tree(b"def")
    with pytest.raises((SyntaxError, ValueError), match="null bytes"):  # which of them depends on Python
        syntax_tree("a = 1\0")
    assert ast.unparse(syntax_tree("a  =  1")) == "a = 1"
