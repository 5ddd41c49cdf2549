"""Run tables: from walked blocks to the tables of one run.

1. Names come back: every path of the tree finds the walk of its spec.
2. The view is cut at `end`, and at the root's last session.
3. NAV and metrics are folded here; blocks hold nothing cumulative.
4. The root's book is netted by physical asset (`weights`) and kept by leaf (`contributions`).
5. `orders` has the flattened targets of the newest decision: what was traded last or, while decisions are pending,
   what the book will be once they are traded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metabt.analysis.benchmark import Benchmark
from metabt.analysis.metrics.stream import Stream
from metabt.analysis.metrics_table import measure
from metabt.analysis.nothing_traded import nothing_traded
from metabt.analysis.risk_table import risk_table
from metabt.analysis.sleeve_history import SleeveHistory, next_book
from metabt.build.cache import NoCache
from metabt.build.plan import Plan
from metabt.build.ports import Cache
from metabt.build.walk_result import WalkResult
from metabt.errors import RunError
from metabt.portfolio.sleeve import Sleeve
from metabt.values.tables import Cells, Coded, Codes, Table
from metabt.walk.block import NOT_LIVE, REASONS

SUMMARY = ("sleeves", "returns", "decisions", "metrics")
"""Tables of a run of which only a summary is kept: metrics of all sleeves, streams and decisions of the root, and the
benchmark beside it."""


def assemble(
    tree: Sleeve,
    walked: WalkResult,
    end: str | None = None,
    *,
    benchmark: Benchmark | None = None,
    cache: Cache | None = None,
    keep: str = "all",
) -> dict[str, Table]:
    """Return the tables of one run by name, without their `run_id` column.

    `end` is the last session of the view, an ISO date; None is the root's last. With `keep` "summary" the tables are
    those of SUMMARY. `cache` is where risk by asset is remembered.

    Raises
    ------
    RunError
        If a sleeve failed, or if the root has no session of stream within the view, or none beside the benchmark.
    """
    histories = view(tree, walked, end)
    whole = histories[0]
    kept = histories if keep == "all" else histories[:1]
    streams = [(history.path, history.stream) for history in kept]
    if benchmark is not None:
        streams.append((benchmark.path, benchmark.held_beside(whole.stream)))
    tables = {
        "sleeves": _sleeves(histories),
        "returns": _returns(streams),
        "decisions": _decisions(kept),
        "metrics": measure(histories, walked, benchmark),
    }
    if keep == "all":
        traded = TradedBook.of(whole)
        tables["weights"] = _weights(whole, traded)
        tables["contributions"] = _contributions(whole, tree, traded)
        tables["orders"] = _orders(whole, histories, traded)
        tables["risk"] = risk_table(whole, histories, walked.plan, cache or NoCache())
        tables["stages"] = _stages(histories)
    return tables


def view(tree: Sleeve, walked: WalkResult, end: str | None = None) -> list[SleeveHistory]:
    """Return the sleeves of a tree up to `end`, the root first.

    Raises
    ------
    RunError
        If a sleeve failed, or if the root has no session of stream within the view.
    """
    failure = walked.walks[tree.spec.digest].failure
    if failure is not None:
        raise failure
    last = _last_session(tree, walked.plan, end)
    histories = [SleeveHistory.of(path, sleeve, walked, last) for path, sleeve in tree.walk()]
    if histories[0].begin >= histories[0].size:
        raise RunError(nothing_traded(histories))
    return histories


def _last_session(tree: Sleeve, plan: Plan, end: str | None) -> np.datetime64:
    last = plan.nodes[tree.spec.digest].calendar.sessions[-1]
    return last if end is None else min(last, np.datetime64(end))


def _sleeves(histories: list[SleeveHistory]) -> Table:
    paths = [history.path for history in histories]
    specs = [history.sleeve.spec_text for history in histories]
    return {
        "path": Coded.of(paths),
        "parent": Coded.of([path.rpartition("/")[0] for path in paths]),
        "kind": Coded.of(["meta" if history.sleeve.sleeves else "leaf" for history in histories]),
        "spec": Coded.of(specs),
    }


def _returns(streams: Sequence[tuple[str, Stream]]) -> Table:
    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(stream, name) for _, stream in streams])

    return {
        "path": Coded.repeated([path for path, _ in streams], [len(stream) for _, stream in streams]),
        "date": joined("dates"),
        **{name: joined(name) for name in ("gross", "cost", "net", "turnover")},
        "netting_benefit": joined("netting"),
        "nav": np.concatenate([stream.nav[1:] for _, stream in streams]),
    }


def _decisions(histories: Sequence[SleeveHistory]) -> Table:
    items, status = Codes(), Codes()
    parts = [_decided(history, items, status) for history in histories]
    n_rows = [len(part["date"]) for part in parts]
    # popped: what is joined is let go of, column by column
    columns = {name: np.concatenate([part.pop(name) for part in parts]) for name in tuple(parts[0])}
    texts = {"item": items.values, "status": status.values, "reason": REASONS}
    return {
        "path": Coded.repeated([history.path for history in histories], n_rows),
        **{name: Coded(column, texts[name]) if name in texts else column for name, column in columns.items()},
    }


def _decided(history: SleeveHistory, items: Codes, status: Codes) -> dict[str, np.ndarray]:
    """Return the decisions of one sleeve by column, texts as codes."""
    decisions = history.decisions
    cells = Cells(decisions.reasons != NOT_LIVE)
    return {
        "date": cells.lines(history.dates[decisions.rows]),
        "item": cells.items(items.of(history.items)),
        "weight": cells.values(decisions.weights),
        "risk_contribution": cells.values(decisions.risk),
        "status": cells.lines(status.of(decisions.status)),
        "reason": cells.values(decisions.reasons).astype(np.int32),
    }


@dataclass(frozen=True)
class TradedBook:
    """The root's book in the sessions in which anything trades."""

    rows: np.ndarray
    """(n_rows,) sessions."""
    before: np.ndarray
    """(n_rows, n_columns) just before trading."""
    after: np.ndarray
    """(n_rows, n_columns) just after."""

    @classmethod
    def of(cls, root: SleeveHistory) -> TradedBook:
        """Return the root's book in those sessions, looked through to (leaf, asset)."""
        rows = np.flatnonzero(root.rows("traded"))
        return cls(rows, *root.book.around(rows))


def _weights(root: SleeveHistory, traded: TradedBook) -> Table:
    before, after = (root.layout.net(book) for book in (traded.before, traded.after))
    cells = Cells((before != 0) | (after != 0))
    held, target = cells.values(before), cells.values(after)
    return {
        "date": cells.lines(root.dates[traded.rows]),
        "symbol": Coded(cells.items(), root.layout.symbols),
        "before": held,
        "target": target,
        "trade": target - held,
    }


def _contributions(root: SleeveHistory, tree: Sleeve, traded: TradedBook) -> Table:
    layout, cells = root.layout, Cells((traded.before != 0) | (traded.after != 0))
    return {
        "date": cells.lines(root.dates[traded.rows]),
        "path": Coded(cells.items(layout.leaf_of), _leaf_paths(tree)),
        "symbol": Coded(cells.items(layout.asset_of), layout.symbols),
        "weight": cells.values(traded.after),
    }


def _leaf_paths(sleeve: Sleeve, above: str = "") -> tuple[str, ...]:
    """Return the paths of the leaves in the order of the columns of a book."""
    path = f"{above}/{sleeve.name}" if above else sleeve.name
    if not sleeve.sleeves:
        return (path,)
    return tuple(leaf for child in sleeve.ordered for leaf in _leaf_paths(child, path))


def _orders(root: SleeveHistory, histories: list[SleeveHistory], traded: TradedBook) -> Table:
    beneath = {history.path: history for history in histories}
    layout, pending = root.layout, any(history.pending for history in histories)
    _, newest = root.book.around(np.array([root.size - 1]))
    due = next_book(root, beneath, newest[0], 1.0)[None] if pending else traded.after[-1:]
    target, held = layout.net(due)[0], layout.net(newest)[0]
    (asset,) = np.nonzero((target != 0) | (held != 0))
    decided = max(s.dates[s.decisions.rows[-1]] for s in histories if len(s.decisions.rows))
    return {
        "date": np.full(len(asset), decided),
        "symbol": Coded(asset.astype(np.int32), layout.symbols),
        "held": held[asset],
        "target": target[asset],
        "trade": (target - held)[asset] if pending else np.zeros(len(asset)),
        "pending": np.full(len(asset), pending),
    }


def _stages(histories: Sequence[SleeveHistory]) -> Table:
    laps = [lap for history in histories for lap in history.walk.laps]
    return {
        "path": Coded.repeated([it.path for it in histories], [len(it.walk.laps) for it in histories]),
        "stage": Coded.of([lap.stage for lap in laps]),
        "partition": Coded.of([lap.partition for lap in laps]),
        "seconds": np.array([lap.seconds for lap in laps]),
        "rows": np.array([lap.rows for lap in laps], np.int64),
        "cache_hit": np.array([lap.cache_hit for lap in laps], bool),
    }
