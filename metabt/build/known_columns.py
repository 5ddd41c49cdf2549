"""Known columns: blocks of drawn universes are kept without the assets that nobody knew of yet.

1. A universe that is drawn anew has a column for every asset that it may ever draw. In an early partition most of them
   are unknown: no row of a membership names them yet, or they had no price so far. What a sleeve leaves behind says
   nothing of them: no weight, no holding, reason `not a member` (of a signal: `unselected`).
2. So they are left out of what is stored, of its digests and of keys, and put back when a block is read. An asset that
   joins later is new from the partition on in which it became known, and changes no byte of what is before.
3. A state counts sessions without a price only of what is held or is to be held: of all else it would tell when it
   became known.

A column is known from a date on, for ever, so that what a state has is in all later ones. A leaf's hedges are columns
behind its assets, and always known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from metabt.build.keys import BLOCK
from metabt.build.plan import Node, Plan
from metabt.build.ports import Cache, Sealed
from metabt.portfolio.sleeve import Leaf
from metabt.walk.block import NOT_MEMBER, UNSELECTED, Assets, Block, Carried, Decisions, Gaps, LeafState, MetaState
from metabt.walk.holdings import Queue


def get_block(cache: Cache, plan: Plan, node: Node, key: str) -> Sealed | None:
    """Return the block of a sleeve that was put under a key, with the state after it, or None."""
    found = cache.get(key, BLOCK)
    if found is None or plan.known_from(node) is None:
        return found
    known = _known(plan, node, found.parts["block"])
    return found if known is None else Sealed(_mapped(found.parts, _widened(node, known)), found.digests)


def put_block(cache: Cache, plan: Plan, node: Node, key: str, parts: Mapping[str, Any]) -> Sealed:
    """Remember the block of a sleeve and the state after it, unless the key is taken, and return what is remembered.

    What was there already is another object than what was to be put.
    """
    if not cache.remembers or plan.known_from(node) is None:
        return cache.put(key, BLOCK, parts)
    known = _known(plan, node, parts["block"])
    narrow = _mapped(parts, _Narrowed(known, _reason(node)))
    sealed = cache.put(key, BLOCK, narrow)
    if sealed.parts["state"] is narrow["state"]:
        return Sealed(parts, sealed.digests)
    return sealed if known is None else Sealed(_mapped(sealed.parts, _widened(node, known)), sealed.digests)


def _widened(node: Node, known: np.ndarray) -> _Widened:
    n_assets = len(node.spec.universe) if isinstance(node.spec, Leaf) else len(known)
    return _Widened(known, n_assets, _reason(node))


def _reason(node: Node) -> int:
    """Return why an asset that nobody knows of has no weight in a decision of a leaf."""
    return UNSELECTED if isinstance(node.spec, Leaf) and node.spec.signal is not None else NOT_MEMBER


def _known(plan: Plan, node: Node, block: Block) -> np.ndarray | None:
    """Return which columns were known by a block's end, (n_columns,) bool; None where all were."""
    return plan.known_by(node, block.dates[-1])


class _Narrowed:
    """Leaves out the columns that are not known."""

    def __init__(self, known: np.ndarray | None, reason: int) -> None:
        self._known, self.reason = known, reason

    def assets(self, array: np.ndarray, fill: object) -> np.ndarray:
        """Return an array of assets alone, as decisions are, without them along its last axis."""
        return self.columns(array, fill)

    def columns(self, array: np.ndarray, fill: object) -> np.ndarray:
        """Return an array without them along its last axis, which may end before the last columns.

        Raises
        ------
        AssertionError
            If they have anything but `fill`: it would be lost.
        """
        if self._known is None:
            return array
        kept = self._known[: array.shape[-1]]
        unknown = array[..., ~kept]
        expected = np.broadcast_to(np.asarray(fill, array.dtype), unknown.shape)
        if not np.array_equal(unknown, expected, equal_nan=array.dtype.kind == "f"):
            raise AssertionError("a sleeve says something of assets that nobody knew of yet")
        return np.ascontiguousarray(array[..., kept])

    def returns(self, array: np.ndarray) -> np.ndarray:
        """Return what assets earned without them: nobody asks what they earned who holds none of them."""
        return array if self._known is None else np.ascontiguousarray(array[:, self._known])

    def places(self, columns: np.ndarray) -> np.ndarray:
        """Return positions of columns as they are without them."""
        return columns if self._known is None else (np.cumsum(self._known) - 1)[columns]

    def stale(self, state: LeafState) -> np.ndarray:
        """Return for how long assets have had no price, of those that are held or are to be."""
        wanted = (state.holdings != 0) | ~np.isnan(state.waiting)
        wanted[: state.queue.weights.shape[1]] |= (state.queue.weights != 0).any(axis=0)
        counted = np.where(wanted, state.stale, 0)
        return counted if self._known is None else counted[self._known]


class _Widened:
    """Puts back the columns that are not known."""

    def __init__(self, known: np.ndarray, n_assets: int, reason: int) -> None:
        self._known, self._n_assets, self.reason = known, n_assets, reason

    def assets(self, array: np.ndarray, fill: object) -> np.ndarray:
        """Return an array of assets alone, as decisions are, with them along its last axis."""
        return _spread(array, self._known[: self._n_assets], fill)

    def columns(self, array: np.ndarray, fill: object) -> np.ndarray:
        """Return an array with them along its last axis, where they have `fill`."""
        return _spread(array, self._known, fill)

    def returns(self, array: np.ndarray) -> np.ndarray:
        """Return what assets earned with them, who earn nothing."""
        return self.columns(array, 0.0)

    def places(self, columns: np.ndarray) -> np.ndarray:
        """Return positions of columns as they are with them."""
        return np.flatnonzero(self._known)[columns]

    def stale(self, state: LeafState) -> np.ndarray:
        """Return for how long assets have had no price."""
        return self.columns(state.stale, 0)


def _spread(array: np.ndarray, known: np.ndarray, fill: object) -> np.ndarray:
    whole = np.empty((*array.shape[:-1], len(known)), array.dtype)
    whole[...] = fill
    whole[..., known] = array
    whole.flags.writeable = False
    return whole


def _mapped(parts: Mapping[str, Any], form: _Narrowed | _Widened) -> dict[str, Any]:
    """Return a block and the state after it in another form."""
    return {"state": _state(parts["state"], form), "block": _block(parts["block"], form)}


def _state(state: LeafState | MetaState, form: _Narrowed | _Widened) -> LeafState | MetaState:
    if isinstance(state, MetaState):
        return replace(state, carried=form.columns(state.carried, 0.0))
    return replace(
        state,
        holdings=form.columns(state.holdings, 0.0),
        queue=Queue(state.queue.due, form.assets(state.queue.weights, 0.0)),
        waiting=form.columns(state.waiting, np.nan),
        stale=form.stale(state),
        seen=None if state.seen is None else form.assets(state.seen, 0),
    )


def _block(block: Block, form: _Narrowed | _Widened) -> Block:
    held = block.held
    if not isinstance(held, Assets):
        return replace(block, held=replace(held, carried=_carried(held.carried, form)))
    assert isinstance(held.after, np.ndarray) and isinstance(held.before, np.ndarray)  # what is put is not followed
    gaps = held.gaps
    if gaps is not None:
        gaps = Gaps(form.returns(gaps.returns), _tradable(gaps.tradable, form))
    assets = Assets(form.columns(held.after, 0.0), form.columns(held.before, 0.0), gaps)
    endings = block.endings
    if endings is not None:
        endings = replace(endings, assets=form.places(endings.assets))
    return replace(block, held=assets, decisions=_decisions(block.decisions, form), endings=endings)


def _tradable(tradable: np.ndarray, form: _Narrowed | _Widened) -> np.ndarray:
    """Return where assets could be traded; of what nobody holds it does not matter."""
    return form.columns(tradable, True) if isinstance(form, _Widened) else form.returns(tradable)


def _decisions(decisions: Decisions, form: _Narrowed | _Widened) -> Decisions:
    # shares of risk are there of all assets or, as in warm-up, of none
    lacking = np.isnan(decisions.risk).all(axis=1, keepdims=True)
    return replace(
        decisions,
        weights=form.assets(decisions.weights, 0.0),
        risk=form.assets(decisions.risk, np.where(lacking, np.nan, 0.0)),
        reasons=form.assets(decisions.reasons, form.reason),
    )


def _carried(carried: Carried | None, form: _Narrowed | _Widened) -> Carried | None:
    if carried is None:
        return None
    kept = {field.name: getattr(carried, field.name) for field in fields(carried)}
    return Carried(**kept | {"columns": form.places(carried.columns), "start": form.columns(carried.start, 0.0)})
