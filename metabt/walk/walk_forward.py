"""Walk a sleeve over one partition: `advance(spec, state, inputs) -> (state, block)`, a pure function.

A leaf and a meta sleeve take the same steps; only where their columns come from differs.

1. columns: a leaf's are its assets' returns; a meta sleeve's are its children's realised net streams (meta.aggregation)
2. decide: on each scheduled session, from its lookback alone (selection and optimization; risk.optimize_meta)
3. hold: trade each decision `lag` sessions later, drift in between (holdings)
4. flatten: look through to physical assets and net (meta.flattening)
5. charge: costs of the netted trades, on the session after
"""

from __future__ import annotations

from metabt.portfolio.sleeve import Leaf, Meta
from metabt.walk.block import Block, LeafState, MetaState
from metabt.walk.decision import NOTHING, Spared
from metabt.walk.leaf import LeafInputs, advance_leaf
from metabt.walk.meta.meta_sleeve import MetaInputs, advance_meta
from metabt.walk.stopwatch import Stopwatch

Inputs = LeafInputs | MetaInputs
State = LeafState | MetaState


def advance(
    spec: Leaf | Meta,
    state: State,
    inputs: Inputs,
    stopwatch: Stopwatch | None = None,
    spared: Spared = NOTHING,
) -> tuple[State, Block]:
    """Take one sleeve over one partition.

    Parameters
    ----------
    spec : Leaf or Meta
    state : LeafState or MetaState, what the partition before left
    inputs : LeafInputs or MetaInputs of the partition, at least one session
    stopwatch : collects seconds per stage
    spared : what is left out; where that is decisions, nothing can be walked on from the state after them

    Raises
    ------
    RunError
        If the book is ruined (1 + R <= 0) in some session.
    TypeError
        If spec, state and inputs are not all of a leaf or all of a meta sleeve.
    """
    watch = stopwatch or Stopwatch()
    match spec, state, inputs:
        case Leaf(), LeafState(), LeafInputs():
            return advance_leaf(spec, state, inputs, watch, spared)
        case Meta(), MetaState(), MetaInputs():
            return advance_meta(spec, state, inputs, watch, spared)
    kinds = ", ".join(type(value).__name__ for value in (spec, state, inputs))
    raise TypeError(f"spec, state and inputs must be of one kind of sleeve, got {kinds}")
