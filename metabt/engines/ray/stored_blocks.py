"""Stored blocks of a sleeve in a lane: they are read each time they are used, so that the driver holds none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from metabt.build.known_columns import get_block
from metabt.build.plan import Node, Plan
from metabt.build.ports import Cache, Sealed
from metabt.build.shard import Mark
from metabt.errors import RunError
from metabt.walk.block import Block


class StoredBlocks(Sequence[Block]):
    """Blocks of one sleeve in time order, up to where its walk failed."""

    def __init__(self, plan: Plan, node: Node, cache: Cache, steps: Sequence[tuple[Mark, Sealed | None]]) -> None:
        """Take the sleeve, and each partition's mark with its block, or None where it is stored."""
        self._plan, self._node, self._cache, self._steps = plan, node, cache, steps

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self._made)

    def __getitem__(self, place: Any) -> Any:
        """Return a block, or a list of blocks for a slice; stored ones are read."""
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        return self.sealed(place).parts["block"]

    @property
    def marks(self) -> list[Mark]:
        """Marks of the partitions that it was taken over."""
        return [mark for mark, _ in self._made]

    @property
    def failure(self) -> RunError | None:
        """What ended its walk."""
        return next((RunError(mark.failure) for mark, _ in self._steps if mark.failure is not None), None)

    def sealed(self, place: int) -> Sealed:
        """Return a block with the state after it.

        Raises
        ------
        RunError
            If it was stored and is gone.
        """
        mark, held = self._made[place]
        found = held or get_block(self._cache, self._plan, self._node, mark.key)
        if found is None:
            raise RunError(
                f"block {mark.key[:12]} of '{self._node.label}' was stored and is gone: something else empties the "
                "cache; run the same again when it has finished"
            )
        return found

    @cached_property
    def _made(self) -> list[tuple[Mark, Sealed | None]]:
        return [(mark, held) for mark, held in self._steps if mark.failure is None]
