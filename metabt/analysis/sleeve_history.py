"""Sleeve history: one sleeve of a tree over the whole view, its blocks put end to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metabt.analysis.metrics.stream import Stream
from metabt.build.plan import Node
from metabt.build.walk_result import Walk, WalkResult
from metabt.portfolio.sleeve import Leaf, Sleeve
from metabt.walk.block import Block, Decisions, Shares
from metabt.walk.book import Book
from metabt.walk.meta.aggregation import Gathered
from metabt.walk.meta.flattening import Layout, added_across
from metabt.walk.trading.bands import traded_to


@dataclass(frozen=True)
class SleeveHistory:
    """One sleeve over the whole view: its blocks end to end, cut at the end."""

    path: str
    """Its path in the tree."""
    sleeve: Sleeve
    """Its name, spec and children."""
    node: Node
    """Its calendar and layout."""
    walk: Walk
    """Its blocks."""
    walked: WalkResult
    """The forest it belongs to."""
    end: np.datetime64
    """Last session of the view."""

    @classmethod
    def of(cls, path: str, sleeve: Sleeve, walked: WalkResult, end: np.datetime64) -> SleeveHistory:
        """Return a sleeve of a walked forest, up to `end`."""
        node = walked.plan.nodes[sleeve.spec.digest]
        return cls(path, sleeve, node, walked.walks[sleeve.spec.digest], walked, end)

    @property
    def block(self) -> Block:
        """All its blocks end to end, beyond the view as well."""
        return self.walk.whole

    @property
    def book(self) -> Book:
        """Its holdings by column of the layout."""
        return self.walked.opened(self.node).book

    @property
    def layout(self) -> Layout:
        """What the columns of its book stand for."""
        return self.node.layout

    @property
    def gathered(self) -> Gathered:
        """The children of a meta sleeve on its sessions."""
        return self.walked.inputs(self.node).gathered

    @cached_property
    def dates(self) -> np.ndarray:
        """(n_sessions,) sessions of the book within the view."""
        sessions = self.node.calendar.sessions
        return sessions[: np.searchsorted(sessions, self.end, side="right")]

    @property
    def common(self) -> np.ndarray:
        """(n_common,) sessions of the view that all datasets beneath it have: it decides on these."""
        return self.dates[self.node.calendar.common[: self.size]]

    @property
    def size(self) -> int:
        """Sessions within the view."""
        return len(self.dates)

    @property
    def begin(self) -> int:
        """First row of the stream; `size` where it does not begin within the view."""
        return min(self.block.begin, self.size)

    def rows(self, name: str) -> np.ndarray:
        """Return a per-session array, such as `net`, within the view.

        Before the stream begins returns are 0: what cash earns until something is bought is no part of the stream.
        """
        found: np.ndarray = getattr(self.block, name)[: self.size]
        if self.block.idle is not None and name in ("gross", "net"):
            found = found.copy()
            found[: self.begin] = 0.0
        return found

    @property
    def shares(self) -> np.ndarray:
        """(n_sessions, n_children) weights of a meta sleeve's children after trading."""
        held = self.block.held
        assert isinstance(held, Shares)  # a leaf's are read through its book
        return held.after[: self.size]

    @property
    def earned(self) -> np.ndarray:
        """(n_sessions, n_held) contribution of each child, or of each asset and hedge of a leaf, to its gross return.

        What they do not add up to was earned by cash. As `rows` have it, nothing is earned before the stream begins,
        though the sleeve may hold children that have bought nothing yet.
        """
        found = self.book.earned_by_item(self.size)
        if self.block.idle is not None:
            found[: self.begin] = 0.0
        return found

    @cached_property
    def decisions(self) -> Decisions:
        """Decisions within the view."""
        made = self.block.decisions
        kept = int(np.searchsorted(made.rows, self.size))
        return Decisions(
            made.rows[:kept], made.weights[:kept], made.risk[:kept], made.status[:kept], made.reasons[:kept]
        )

    @cached_property
    def items(self) -> tuple[str, ...]:
        """(n_items,) names of what it weights: symbols, or its children in the order of its spec."""
        spec = self.sleeve.spec
        return spec.universe if isinstance(spec, Leaf) else tuple(child.name for child in self.sleeve.ordered)

    @property
    def held(self) -> tuple[str, ...]:
        """Names of what its holdings are of: its items and, of a leaf that hedges currencies, its forwards."""
        return self.items if self.sleeve.sleeves else self.layout.symbols

    @property
    def pending(self) -> bool:
        """Whether its newest decision has not been traded in full within the view."""
        if not len(self.decisions.rows):
            return False
        newest = self.decisions.rows[-1]
        later = self.node.calendar.common[newest + 1 : self.size].sum()
        waiting = getattr(self.walk.state, "waiting", None)
        whole = self.size == len(self.node.calendar.sessions)
        return later < self.sleeve.spec.lag or (whole and waiting is not None and not np.isnan(waiting).all())

    @property
    def inception(self) -> np.datetime64:
        """The session of its first trade, at whose close its NAV is 1."""
        return self.dates[max(self.begin - 1, 0)]

    @cached_property
    def stream(self) -> Stream:
        """Its realised stream, from the first session after its inception.

        The first purchase, made at the inception, is in the turnover of the first session, which pays for it.
        """
        begin = self.begin
        inception = self.inception if begin < self.size else self.end
        columns = {name: self.rows(name)[begin:] for name in ("gross", "cost", "net", "netting")}
        turnover = self.rows("turnover")[begin:].copy()
        turnover[:1] += self.rows("turnover")[begin - 1 : begin]
        idle = self.idle
        return Stream(
            inception, self.dates[begin:], turnover=turnover, idle=None if idle is None else idle[begin:], **columns
        )

    @property
    def idle(self) -> np.ndarray | None:
        """(n_sessions,) simple returns of cash within the view; None where it earns nothing."""
        return None if self.block.idle is None else self.rows("idle")

    @cached_property
    def cash(self) -> np.ndarray | None:
        """(n_sessions,) what cash contributed to the gross return: all of it that items did not; None without a rate.

        This is where what is cash's is said. It is the sleeve's `own_cash` of the session before times its `idle`; cash
        of its children is in what they contributed. A sleeve that its parent holds before it has bought anything is all
        cash: sessions before the stream count, too.
        """
        if self.idle is None:
            return None
        return self.block.gross[: self.size] - self.book.earned_by_item(self.size).sum(axis=1)

    @property
    def own_cash(self) -> np.ndarray:
        """(n_sessions,) cash of its own after trading: what it holds neither in items nor in positions beside them."""
        block, held = self.block, self.block.held
        if not isinstance(held, Shares):
            assert block.invested is not None  # asked for where cash earns
            return 1.0 - block.invested[: self.size]
        invested = added_across(held.after)
        if held.carried is not None:
            np.add.at(invested, held.carried.rows, held.carried.after)
        return 1.0 - invested[: self.size]


def looked_through(history: SleeveHistory, beneath: Mapping[str, SleeveHistory], dates: np.ndarray) -> np.ndarray:
    """Return the newest decisions at or before `dates`, looked through to the book's columns, (n_dates, n_columns)."""
    decisions = history.decisions
    made = history.dates[decisions.rows]
    newest = np.searchsorted(made, dates, side="right") - 1
    none = np.zeros((1, decisions.weights.shape[1]))
    weights = np.concatenate([decisions.weights, none])[newest]  # -1, nothing decided yet, is the row of zeros
    if not history.sleeve.sleeves:  # nothing is decided of its hedges
        return np.pad(weights, ((0, 0), (0, history.layout.n_columns - weights.shape[1])))
    books = [
        looked_through(beneath[f"{history.path}/{child.name}"], beneath, dates) for child in history.sleeve.ordered
    ]
    return np.concatenate([weights[:, c : c + 1] * book for c, book in enumerate(books)], axis=1)


def next_book(
    history: SleeveHistory, beneath: Mapping[str, SleeveHistory], held: np.ndarray, share: float
) -> np.ndarray:
    """Return target weights by column of a sleeve's book, (n_columns,), fractions of its own NAV.

    They are those after all pending decisions in it and beneath it are traded at the last close, but for what is within
    a band of its target there; where none is pending, holdings stay as they drifted. A leaf of which nothing is held is
    taken at its newest decision.

    Parameters
    ----------
    history : SleeveHistory
        The sleeve.
    beneath : mapping of str to SleeveHistory
        The sleeves of its tree, by path.
    held : (n_columns,)
        Its part of the root's book at the last close, fractions of the root's NAV.
    share : float
        Its part of the root's NAV.
    """
    newest = history.decisions.weights[-1] if len(history.decisions.rows) else None
    band = history.sleeve.spec.schedule.band
    if not history.sleeve.sleeves:
        if newest is None:
            return np.zeros(len(held))
        hedges = held[len(newest) :]  # they are not traded with what is decided
        if share == 0.0:
            return np.concatenate([newest, np.zeros(len(hedges))])
        if not history.pending:
            return held / share
        return np.concatenate([traded_to(held[: len(newest)] / share, newest, band), hedges / share])
    now = history.shares[-1] if history.size else np.zeros(len(history.sleeve.sleeves))
    weights = traded_to(now, newest, band) if history.pending and newest is not None else now
    books, first = [], 0
    for c, child in enumerate(history.sleeve.ordered):
        below = beneath[f"{history.path}/{child.name}"]
        columns = held[first : first + below.layout.n_columns]
        books.append(weights[c] * next_book(below, beneath, columns, share * now[c]))
        first += len(columns)
    return np.concatenate(books)
