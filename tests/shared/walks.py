"""Walks: what is called where a block is computed, so that a test can forbid it or do something before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from metabt.build import cached_walk, cold_walk, walked_ahead

PLACES = ((cached_walk, "advance"), (walked_ahead, "leaf_over"), (cold_walk, "leaf_over"), (cold_walk, "meta_over"))
"""Modules, and the functions by which they walk a sleeve through a cache."""


def before_walks(monkeypatch: pytest.MonkeyPatch, call: Callable[[Any], None]) -> None:
    """Have `call(spec)` called before a sleeve is walked, over one partition or over several."""
    for module, name in PLACES:
        walk = getattr(module, name)

        def walked(spec: Any, *rest: Any, walk: Callable[..., Any] = walk) -> Any:
            call(spec)
            return walk(spec, *rest)

        monkeypatch.setattr(module, name, walked)


def forbid_walks(monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    """Let the test fail where anything is walked."""
    before_walks(monkeypatch, lambda spec: pytest.fail(why))
