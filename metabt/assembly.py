"""Assembly: from walked blocks to the tables of one run.

1. Names come back: every path of the tree finds the walk of its spec.
2. The view is cut at `end`, and at the root's last session.
3. NAV and metrics are folded here; blocks hold nothing cumulative.
4. The root's book is netted by physical asset (`weights`) and kept by leaf (`contributions`).
5. `orders` has the flattened targets of the newest decision: what was traded last or, while decisions are pending,
   what the book will be once they are traded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from metabt.block import NOT_LIVE, REASONS
from metabt.errors import RunError
from metabt.forest import Plan
from metabt.meta.flattening import Layout
from metabt.metrics.performance import performance, years_between
from metabt.ports import Walk
from metabt.risk.contribution import ex_ante_by_asset, realised
from metabt.sleeve import Sleeve
from metabt.stretch import Stretch, looked_through, next_book
from metabt.tables import Coded, Table, concat


def assemble(tree: Sleeve, plan: Plan, walks: Mapping[str, Walk], end: str | None = None) -> dict[str, Table]:
    """Return the tables of one run, without their `run_id` column.

    Raises
    ------
    RunError
        If the root has no session of stream within the view.
    """
    root = plan.nodes[tree.spec.digest]
    last = root.calendar.sessions[-1]
    last = last if end is None else min(last, np.datetime64(end))
    stretches = [
        Stretch(path, sleeve, plan.nodes[sleeve.spec.digest], walks[sleeve.spec.digest], last)
        for path, sleeve in tree.walk()
    ]
    whole = stretches[0]
    if whole.begin >= whole.size:
        first = root.calendar.sessions[0]
        start = "" if tree.spec.start is None else f", with decisions from {tree.spec.start} on"
        raise RunError(
            f"portfolio '{tree.name}': nothing was traded from {first} to {last}{start}; "
            "give it more history, a shorter lookback, an earlier start or a later end"
        )
    return {
        "sleeves": _sleeves(stretches),
        "returns": concat([_returns(stretch) for stretch in stretches]),
        "decisions": concat([_decisions(stretch) for stretch in stretches]),
        "weights": _weights(whole),
        "contributions": _contributions(whole, tree),
        "orders": _orders(whole, stretches),
        "risk": concat([*_realised(stretches), _risk_by_asset(whole, stretches, plan)]),
        "metrics": concat([_metrics(stretch) for stretch in stretches]),
        "stages": concat([_stages(stretch) for stretch in stretches]),
    }


def _sleeves(stretches: list[Stretch]) -> Table:
    paths = [stretch.path for stretch in stretches]
    specs = [json.dumps(stretch.sleeve.spec.plain(), sort_keys=True) for stretch in stretches]
    return {
        "path": Coded.of(paths),
        "parent": Coded.of([path.rpartition("/")[0] for path in paths]),
        "kind": Coded.of(["meta" if stretch.sleeve.sleeves else "leaf" for stretch in stretches]),
        "spec": Coded.of(specs),
    }


def _returns(stretch: Stretch) -> Table:
    net = stretch.rows("net")[stretch.begin :]
    return {
        "path": Coded.constant(stretch.path, len(net)),
        "date": stretch.dates[stretch.begin :],
        **{name: stretch.rows(name)[stretch.begin :] for name in ("gross", "cost")},
        "net": net,
        "turnover": stretch.rows("turnover")[stretch.begin :],
        "nav": np.cumprod(1.0 + net),
    }


def _decisions(stretch: Stretch) -> Table:
    decisions = stretch.decisions
    which, item = np.nonzero(decisions.reasons != NOT_LIVE)
    return {
        "path": Coded.constant(stretch.path, len(which)),
        "date": stretch.dates[decisions.rows[which]],
        "item": Coded(item.astype(np.int32), stretch.items),
        "weight": decisions.weights[which, item],
        "risk_contribution": decisions.risk[which, item],
        "status": Coded.of(decisions.status).take(which),
        "reason": Coded(decisions.reasons[which, item].astype(np.int32), REASONS),
    }


def _weights(root: Stretch) -> Table:
    before, after, rows = _traded_book(root)
    before, after = (root.node.layout.net(book) for book in (before, after))
    which, asset = np.nonzero((before != 0) | (after != 0))
    return {
        "date": root.dates[rows[which]],
        "symbol": Coded(asset.astype(np.int32), root.node.layout.symbols),
        "before": before[which, asset],
        "target": after[which, asset],
        "trade": after[which, asset] - before[which, asset],
    }


def _traded_book(root: Stretch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = np.flatnonzero(root.book("traded"))
    return root.book("before")[rows], root.book("after")[rows], rows


def _contributions(root: Stretch, tree: Sleeve) -> Table:
    before, after, rows = _traded_book(root)
    layout = root.node.layout
    which, column = np.nonzero((before != 0) | (after != 0))
    paths = _leaf_paths(tree)
    return {
        "date": root.dates[rows[which]],
        "path": Coded(layout.leaf_of[column].astype(np.int32), paths),
        "symbol": Coded(layout.asset_of[column].astype(np.int32), layout.symbols),
        "weight": after[which, column],
    }


def _leaf_paths(sleeve: Sleeve, above: str = "") -> tuple[str, ...]:
    """Return the paths of the leaves in the order of the columns of a book."""
    path = f"{above}/{sleeve.name}" if above else sleeve.name
    if not sleeve.sleeves:
        return (path,)
    return tuple(leaf for child in sleeve.ordered for leaf in _leaf_paths(child, path))


def _orders(root: Stretch, stretches: list[Stretch]) -> Table:
    beneath = {stretch.path: stretch for stretch in stretches}
    layout, pending = root.node.layout, any(stretch.pending for stretch in stretches)
    book = root.book("after")
    if pending:
        due = next_book(root, beneath, book[-1], 1.0)
    else:
        due = book[np.flatnonzero(root.book("traded"))[-1]]
    target, held = layout.net(due[None])[0], layout.net(book[-1:])[0]
    (asset,) = np.nonzero((target != 0) | (held != 0))
    decided = max(s.dates[s.decisions.rows[-1]] for s in stretches if len(s.decisions.rows))
    return {
        "date": np.full(len(asset), decided),
        "symbol": Coded(asset.astype(np.int32), layout.symbols),
        "held": held[asset],
        "target": target[asset],
        "trade": (target - held)[asset] if pending else np.zeros(len(asset)),
        "pending": np.full(len(asset), pending),
    }


def _realised(stretches: list[Stretch]) -> list[Table]:
    """Return realised risk contributions: by child at every meta sleeve, by asset at the root."""
    tables = []
    for stretch in stretches:
        if stretch.sleeve.sleeves and stretch.begin < stretch.size:
            tables.append(_realised_table(stretch, "realised", stretch.items, stretch.rows("earned")))
    root = stretches[0]
    symbols = root.node.layout.symbols
    tables.append(_realised_table(root, "realised_asset", symbols, root.rows("earned_by_asset")))
    return tables


def _realised_table(stretch: Stretch, measure: str, items: tuple[str, ...], earned: np.ndarray) -> Table:
    shares = realised(earned[stretch.begin :], stretch.rows("gross")[stretch.begin :])
    labels = (*items, "cash")
    return {
        "path": Coded.constant(stretch.path, len(labels)),
        "date": np.full(len(labels), stretch.dates[-1]),
        "measure": Coded.constant(measure, len(labels)),
        "item": Coded(np.arange(len(labels), dtype=np.int32), labels),
        "contribution": shares,
    }


def _risk_by_asset(root: Stretch, stretches: list[Stretch], plan: Plan) -> Table:
    """Return ex-ante risk contributions of physical assets at the root's decisions, on the root's common sessions."""
    beneath = {stretch.path: stretch for stretch in stretches}
    layout, common = root.node.layout, root.node.calendar.common[: root.size]
    rows = np.array(
        [r for r, s in zip(root.decisions.rows, root.decisions.status, strict=True) if s not in ("warmup", "cash")], int
    )
    weights = layout.net(looked_through(root, beneath, root.dates[rows]))
    returns = _returns_on(root.dates[common], layout, root.sleeve, plan)
    stops = np.cumsum(common)[rows]
    lookback = root.sleeve.spec.lookback
    windows = [returns[max(stop - lookback, 0) : stop] for stop in stops]
    shares = np.array([ex_ante_by_asset(x, w) for x, w in zip(windows, weights, strict=True)]).reshape(weights.shape)
    which, asset = np.nonzero(weights)
    return {
        "path": Coded.constant(root.path, len(which)),
        "date": root.dates[rows[which]],
        "measure": Coded.constant("ex_ante_asset", len(which)),
        "item": Coded(asset.astype(np.int32), layout.symbols),
        "contribution": shares[which, asset],
    }


def _returns_on(sessions: np.ndarray, layout: Layout, tree: Sleeve, plan: Plan) -> np.ndarray:
    """Return asset returns between `sessions`, (n_sessions, n_assets), 0 before an asset's first price."""
    home = {symbol: leaf.dataset for _, leaf in tree.leaves() for symbol in leaf.universe}
    returns = np.zeros((len(sessions), len(layout.symbols)))
    for dataset in sorted(set(home.values())):
        columns = [i for i, symbol in enumerate(layout.symbols) if home[symbol] == dataset]
        panel = plan.panels[dataset].select([layout.symbols[i] for i in columns])
        returns[:, columns] = panel.returns_between(sessions)
    return returns


def _metrics(stretch: Stretch) -> Table:
    net, cost, turnover, netting = (
        stretch.rows(name)[stretch.begin :] for name in ("net", "cost", "turnover", "netting")
    )
    years = years_between(stretch.inception, stretch.dates[-1]) if stretch.begin < stretch.size else 0.0
    values = {**performance(net, cost, turnover, netting, years), **_counts(stretch)}
    return {
        "path": Coded.constant(stretch.path, len(values)),
        "metric": Coded(np.arange(len(values), dtype=np.int32), tuple(values)),
        "value": np.array([float(value) for value in values.values()]),
    }


def _counts(stretch: Stretch) -> dict[str, int]:
    """Return how often something other than a plain decision happened."""
    status, reasons = stretch.decisions.status, stretch.decisions.reasons
    return {
        "decisions": len(status),
        "fallbacks": sum(text.startswith("fallback") for text in status),
        "warmup_decisions": status.count("warmup"),
        "cash_decisions": status.count("cash"),
        **{REASONS[code].replace(" ", "_"): int((reasons == code).sum()) for code in range(1, len(REASONS))},
        "stale_closed": int(stretch.book("closed").sum()),
    }


def _stages(stretch: Stretch) -> Table:
    laps = stretch.walk.laps
    return {
        "path": Coded.constant(stretch.path, len(laps)),
        "stage": Coded.of([lap.stage for lap in laps]),
        "partition": Coded.of([lap.partition for lap in laps]),
        "seconds": np.array([lap.seconds for lap in laps]),
        "rows": np.array([lap.rows for lap in laps], np.int64),
        "cache_hit": np.array([lap.cache_hit for lap in laps], bool),
    }
