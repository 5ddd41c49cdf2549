"""Static weights: weights that a tree decided once, and that a baseline trades back to for good.

- first: the first weights that every meta sleeve's optimizer decided after warm-up. Known by then: no look-ahead. A
  child that only began later was not among them and stays at 0.
- full: the weights of every meta sleeve's optimizer on the whole history of its children's net streams. They could not
  have been known: LOOK-AHEAD, a yardstick and no strategy.
"""

from __future__ import annotations

import numpy as np

from metabt.analysis.sleeve_history import SleeveHistory
from metabt.build.inputs import initial_state
from metabt.errors import RunError
from metabt.portfolio.sleeve import Meta
from metabt.runs.baselines.trees import Weights
from metabt.walk.block import MetaState
from metabt.walk.decision import weigh

WITHOUT = ("warmup", "cash")
"""Statuses of decisions that no optimizer made."""


def first_weights(histories: list[SleeveHistory]) -> Weights:
    """Return the first weights after warm-up of every meta sleeve of a tree, by path and child.

    Raises
    ------
    RunError
        For a sleeve whose optimizer decided nothing within the view.
    """
    return {it.path: _named(it, _first(it)) for it in histories if it.sleeve.sleeves}


def _first(history: SleeveHistory) -> np.ndarray:
    for status, weights in zip(history.decisions.status, history.decisions.weights, strict=True):
        if status not in WITHOUT:
            return weights
    raise RunError(
        f"sleeve '{history.path}': its optimizer decided nothing up to {history.end}, so there are no first weights; "
        "give it more history or a shorter lookback"
    )


def full_weights(histories: list[SleeveHistory]) -> Weights:
    """Return what every meta sleeve's optimizer makes of its children's whole streams, by path and child: LOOK-AHEAD.

    Raises
    ------
    RunError
        For a sleeve without a child that is eligible at the end of the view.
    """
    return {it.path: _named(it, _full(it)) for it in histories if it.sleeve.sleeves}


def _full(history: SleeveHistory) -> np.ndarray:
    """Decide on one window: from the latest beginning of a child that is eligible at the end, to the end."""
    spec, state = history.sleeve.spec, initial_state(history.node)
    assert isinstance(spec, Meta) and isinstance(state, MetaState)
    gathered = history.gathered
    stop = int(gathered.common[: history.size].sum())
    streams = gathered.streams(state, len(gathered.dates), spec.names)
    last = np.array([stop - 1])
    found = weigh(spec, streams.candidates(last, streams.lengths[last] >= spec.history, spec.history, stop))
    if found.status[0] == "cash":
        raise RunError(
            f"sleeve '{history.path}': no child is eligible at {history.end}, so there are no weights of the full "
            "history; give it more history or a shorter lookback"
        )
    return found.weights[0]


def _named(history: SleeveHistory, weights: np.ndarray) -> dict[str, float]:
    return dict(zip(history.items, weights.tolist(), strict=True))
