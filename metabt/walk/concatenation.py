"""Concatenation: the blocks of one sleeve end to end; what a leaf held is left in them (metabt.walk.stacked_arrays)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from metabt.walk.block import Assets, Block, Carried, Decisions, Endings, Gaps, Shares
from metabt.walk.stacked_arrays import StackedArrays

_STREAMS = ("dates", "gross", "cost", "net", "turnover", "netting", "traded", "closed")


def join(blocks: Sequence[Block]) -> Block:
    """Return consecutive blocks of one sleeve as one block, as if it had been computed in one."""
    if len(blocks) == 1:
        return blocks[0]
    starts = np.cumsum([0, *(len(block.dates) for block in blocks[:-1])])
    streams = {name: np.concatenate([getattr(block, name) for block in blocks]) for name in _STREAMS}
    decisions = join_decisions([block.decisions for block in blocks])
    decisions = replace(decisions, rows=decisions.rows + np.repeat(starts, [len(b.decisions.rows) for b in blocks]))
    return Block(
        **streams,
        begin=_begin(blocks),
        decisions=decisions,
        held=_held(blocks, starts),
        idle=_of_cash(blocks, "idle"),
        endings=_endings(blocks, starts),
        invested=_of_cash(blocks, "invested"),
    )


def _of_cash(blocks: Sequence[Block], name: str) -> np.ndarray | None:
    """Join what blocks have where cash earns; it has a rate in all blocks of a sleeve or in none."""
    found = [getattr(block, name) for block in blocks if getattr(block, name) is not None]
    return np.concatenate(found) if found else None


def _endings(blocks: Sequence[Block], starts: np.ndarray) -> Endings | None:
    parts = [(it.endings, start) for it, start in zip(blocks, starts, strict=True) if it.endings is not None]
    if not parts:
        return None
    rows = np.concatenate([part.rows + start for part, start in parts])
    arrays = {name: np.concatenate([getattr(part, name) for part, _ in parts]) for name in ("assets", "held")}
    return Endings(rows, **arrays)


def _begin(blocks: Sequence[Block]) -> int:
    row = 0
    for block in blocks:
        row += min(block.begin, len(block.dates))
        if block.begin < len(block.dates):
            break
    return row


def join_decisions(parts: Sequence[Decisions]) -> Decisions:
    """Return consecutive decisions on the rows of one block as one."""
    if len(parts) == 1:
        return parts[0]
    names = ("rows", "weights", "risk", "reasons")
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Decisions(status=tuple(chain.from_iterable(part.status for part in parts)), **arrays)


def _held(blocks: Sequence[Block], starts: np.ndarray) -> Assets | Shares:
    first = blocks[0].held
    if isinstance(first, Assets):
        rows = {name: StackedArrays(parts) for name, parts in _parts(blocks, ("after", "before")).items()}
        return Assets(**rows, gaps=_gaps(blocks))
    names = ("after", "before", "dealt")
    arrays = {name: np.concatenate(parts) for name, parts in _parts(blocks, names).items()}
    return Shares(**arrays, carried=_carried(blocks, starts))


def _parts(blocks: Sequence[Block], names: Sequence[str]) -> dict[str, tuple[np.ndarray, ...]]:
    return {name: tuple(getattr(block.held, name) for block in blocks) for name in names}


def _gaps(blocks: Sequence[Block]) -> Gaps | None:
    """Join gaps; in a partition without any, everything could be traded."""
    held = [block.held for block in blocks if isinstance(block.held, Assets)]
    if all(part.gaps is None for part in held):
        return None
    found = [part.gaps or Gaps(np.zeros(part.after.shape), np.ones(part.after.shape, bool)) for part in held]
    return Gaps(np.concatenate([gap.returns for gap in found]), np.concatenate([gap.tradable for gap in found]))


def _carried(blocks: Sequence[Block], starts: np.ndarray) -> Carried | None:
    parts = [
        (block.held.carried, start)
        for block, start in zip(blocks, starts, strict=True)
        if isinstance(block.held, Shares) and block.held.carried is not None
    ]
    if not parts:
        return None
    rows = np.concatenate([part.rows + start for part, start in parts])
    names = ("columns", "before", "after")
    arrays = {name: np.concatenate([getattr(part, name) for part, _ in parts]) for name in names}
    # nothing is carried ahead of the first session of all
    return replace(parts[0][0], rows=rows, start=np.zeros_like(parts[0][0].start), **arrays)
