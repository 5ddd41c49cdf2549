"""Foreign warnings: what estimators of other packages warn of while a sleeve decides, counted instead of printed.

1. A sleeve with a foreign estimator is walked while Python's warnings are listened to, whatever its filters say; what
   is for developers (deprecations) is left out. Other sleeves are walked as they are.
2. Each warning is counted by its text, with the session of the decision at which it came first.
3. So is what a plug-in's solver could not solve, which `walk.decision` logs: it says why a decision fell back.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from metabt.estimators.current_decision import telling_decisions
from metabt.estimators.optimizers.fitted import FittedOptimizer
from metabt.estimators.selectors.fitted import FittedSelector
from metabt.portfolio.built_estimators import build_optimizer, build_selector
from metabt.portfolio.sleeve import Leaf, Meta

DECISIONS = logging.getLogger("metabt.decisions")
"""Logger of what could not be solved."""
FOR_DEVELOPERS = (DeprecationWarning, PendingDeprecationWarning)
"""Kinds of warnings that say nothing of a result."""


@dataclass(frozen=True)
class Heard:
    """A warning, counted."""

    text: str
    """Its kind and message, in one line."""
    session: str
    """Session of the decision at which it came first, an ISO date; empty where it is not known."""
    times: int
    """How often it came."""


class Listener(logging.Handler):
    """Counts warnings by text, in the order in which they first come."""

    def __init__(self) -> None:
        """Start without any."""
        super().__init__(logging.WARNING)
        self._counts: dict[str, Heard] = {}
        self._session = ""

    @property
    def heard(self) -> tuple[Heard, ...]:
        """What has been heard so far."""
        return tuple(self._counts.values())

    def deciding(self, session: str) -> None:
        """Take note of the session that is decided on from here on."""
        self._session = session

    def show(self, message: Warning | str, category: type[Warning], *_: object) -> None:
        """Count a warning; it stands in for `warnings.showwarning`."""
        self._add(f"{category.__name__}: {message}", self._session)

    def emit(self, record: logging.LogRecord) -> None:
        """Count what was logged."""
        self._add(record.getMessage(), "")

    def _add(self, text: str, session: str) -> None:
        line = " ".join(text.split())
        known = self._counts.get(line)
        self._counts[line] = replace(known, times=known.times + 1) if known else Heard(line, session, 1)


NOTHING = Listener()
"""One that is never told anything."""


@contextmanager
def listening(spec: Leaf | Meta) -> Iterator[Listener]:
    """Within the block, count what a sleeve's foreign estimators warn of; nothing of a sleeve that has none."""
    if not is_foreign(spec):
        yield NOTHING
        return
    listener = Listener()
    propagate = DECISIONS.propagate
    with warnings.catch_warnings(), telling_decisions(listener.deciding):
        warnings.simplefilter("always")
        for kind in FOR_DEVELOPERS:
            warnings.simplefilter("ignore", kind)
        warnings.showwarning = listener.show  # type: ignore[assignment]  # it takes what Python passes
        DECISIONS.addHandler(listener)
        DECISIONS.propagate = False
        try:
            yield listener
        finally:
            DECISIONS.propagate = propagate
            DECISIONS.removeHandler(listener)


def is_foreign(spec: Leaf | Meta) -> bool:
    """Return whether one of a sleeve's estimators is of the `fit(X)` convention, not metabt's own."""
    if isinstance(spec, Leaf) and isinstance(build_selector(spec.selector), FittedSelector):
        return True
    return any(isinstance(build_optimizer(each), FittedOptimizer) for each in (spec.optimizer, *spec.fallback))


def together(parts: Iterable[Heard]) -> tuple[Heard, ...]:
    """Return what was heard in several partitions, in time order, each text once with all its times."""
    found: dict[str, Heard] = {}
    for each in parts:
        known = found.get(each.text)
        found[each.text] = replace(known, times=known.times + each.times) if known else each
    return tuple(found.values())
