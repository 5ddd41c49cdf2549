"""Caches that need no disk: one that remembers nothing, and one that lives as long as the process."""

from __future__ import annotations

from collections.abc import Callable

from metabt.block import Block
from metabt.ports import WalkState


class NoCache:
    """Remembers nothing, and so never asks for the key."""

    def get(self, key: Callable[[], str]) -> None:
        """Find nothing."""

    def put(self, key: Callable[[], str], state: WalkState, block: Block) -> None:
        """Keep nothing."""


class MemoryCache:
    """Remembers blocks for as long as the process lives."""

    def __init__(self) -> None:
        """Start empty."""
        self.blocks: dict[str, tuple[WalkState, Block]] = {}

    def get(self, key: Callable[[], str]) -> tuple[WalkState, Block] | None:
        """Return what was put under the key, or None."""
        return self.blocks.get(key())

    def put(self, key: Callable[[], str], state: WalkState, block: Block) -> None:
        """Remember a block and the state after it, unless the key is taken."""
        self.blocks.setdefault(key(), (state, block))
