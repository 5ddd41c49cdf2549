"""Compare a run of the engine with the oracle's, sleeve by sleeve and session by session."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests import oracle
from tests.leak_detector import decoded

EXACT = 1e-10


def assert_agrees(result: object, books: dict[str, oracle.Book], *, tolerance: float = EXACT) -> None:
    """Assert that decisions, streams, flattened weights, contributions and netting are the oracle's."""
    for book in books.values():
        decisions_agree(result, book, tolerance)
        streams_agree(result, book, tolerance)
    for path in (path for path, book in books.items() if book.parts):
        netting_and_realised_risk_agree(result, path, books[path])
    root = books[next(iter(books)).split("/")[0]]
    weights_agree(result, root, tolerance)
    contributions_agree(result, root, tolerance)


def close(found: pd.DataFrame, expected: pd.DataFrame, tolerance: float, what: str) -> None:
    """Assert equal labels and values within `tolerance`, naming the first session that differs."""
    assert list(found.index) == list(expected.index), f"{what}: {first_label(found.index, expected.index)}"
    assert sorted(found.columns) == sorted(expected.columns), what
    a, b = found[expected.columns].to_numpy(float), expected.to_numpy(float)
    bad = ~((np.abs(a - b) <= tolerance) | (np.isnan(a) & np.isnan(b)))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise AssertionError(
            f"{what}: {expected.index[row].date()}, {expected.columns[column]}: "
            f"engine {a[row, column]:.15g}, oracle {b[row, column]:.15g} ({int(bad.sum())} cells differ)"
        )


def first_label(found: pd.Index, expected: pd.Index) -> str:
    """Return the first date that only one of both has."""
    alone = sorted(set(found) ^ set(expected))
    who = "engine" if alone and alone[0] in set(found) else "oracle"
    return f"only the {who} has {alone[:3]} ({len(alone)} such dates)" if alone else "another order"


def decisions_agree(result: object, book: oracle.Book, tolerance: float) -> None:
    """Assert equal decision dates, weights, kinds of status and ex-ante risk contributions."""
    table = result.decisions(book.path)
    found = table.pivot(index="date", columns="item", values="weight")
    found.index = pd.DatetimeIndex(found.index)
    if not book.decisions:
        assert found.empty, f"{book.path}: the engine decided on {list(found.index)[:3]}, the oracle never"
        return
    expected = book.decided()
    close(found.reindex(columns=expected.columns).fillna(0.0), expected, tolerance, f"{book.path} decisions")
    statuses = table.groupby("date")["status"].first()
    for t, decision in book.decisions.items():
        assert statuses[t] == decision.status, f"{book.path}: {t.date()}: {statuses[t]}, oracle {decision.status}"
    risk = table.pivot(index="date", columns="item", values="risk_contribution")
    for t, decision in book.decisions.items():
        shares = decision.risk_contribution()
        row = risk.loc[t]
        if not shares:
            assert row.isna().all(), f"{book.path}: {t.date()}: {decision.status} with risk contributions"
            continue
        allowed = max(tolerance, 1e-14 * cancellation(decision) * (1 + max(map(abs, shares.values()))))
        for item, share in shares.items():
            assert abs(row[item] - share) <= allowed, f"{book.path}: risk of {item} on {t.date()}"


def cancellation(decision: oracle.Decision) -> float:
    """Return how much larger the terms of v' S v are than their sum: what rounding in S is multiplied by."""
    S = np.atleast_2d(np.cov(decision.window, rowvar=False, ddof=1))
    v = np.array([decision.weights[name] for name in decision.columns])
    return float(np.abs(v) @ np.abs(S) @ np.abs(v) / (v @ S @ v))


def streams_agree(result: object, book: oracle.Book, tolerance: float) -> None:
    """Assert equal gross and net returns, costs and turnover on the same sessions."""
    found = result.returns(book.path)[["gross", "cost", "net", "turnover"]]
    if not book.rows:
        assert found.empty, f"{book.path}: the engine has a stream from {found.index[0]} on, the oracle none"
        return
    close(found, book.stream(), tolerance, f"{book.path} stream")


def netting_and_realised_risk_agree(result: object, path: str, book: oracle.Book) -> None:
    """Assert the cost that netting saved, and who made the realised variance."""
    metrics = result.metrics().loc[path]
    charged = [saved for t, saved in book.saved.items() if t < book.sessions[-1]]  # the last trade's cost has no row
    expected = sum(charged) / metrics["years"] if metrics["years"] > 0 else 0.0
    assert abs(np.nan_to_num(metrics["netting_benefit"]) - expected) <= 1e-9, f"{path}: netting benefit"
    table = decoded(result.tables["risk"])
    table = table[(table["path"] == path) & (table["measure"] == "realised")]
    if len(book.parts) < 3 or not table["contribution"].notna().any() or not book.saved:
        return
    found = table.set_index("item")["contribution"]
    for name, share in oracle.realised_risk(book).items():
        assert abs(found[name] - share) <= 1e-9, f"{path}: realised risk of {name}: {found[name]}, oracle {share}"


def weights_agree(result: object, root: oracle.Book, tolerance: float) -> None:
    """Assert that the stored flattened weights are the oracle's, and that no session with a trade is left out."""
    before, after = root.by_symbol("before"), root.by_symbol("after")
    table = decoded(result.tables["weights"])
    for column, expected in (("before", before), ("target", after)):
        found = table.pivot(index="date", columns="symbol", values=column)
        found = found.reindex(columns=expected.columns).fillna(0.0)
        close(found, expected.loc[found.index], tolerance, f"weights.{column}")
    traded = (after - before).abs().max(axis=1)
    missing = set(traded.index[traded > 1e-9]) - set(table["date"])
    assert not missing, f"traded on {sorted(missing)[:3]}, but no weights are stored for it"
    assert np.abs(table["target"] - table["before"] - table["trade"]).max() <= 1e-15 if len(table) else True


def contributions_agree(result: object, root: oracle.Book, tolerance: float) -> None:
    """Assert that every leaf's part of the root is the oracle's."""
    table = decoded(result.tables["contributions"])
    for t, rows in table.groupby("date"):
        expected = root.after[pd.Timestamp(t)]
        found = {(path, symbol): w for path, symbol, w in rows[["path", "symbol", "weight"]].itertuples(index=False)}
        assert set(found) <= set(expected)
        for key, weight in expected.items():
            assert abs(found.get(key, 0.0) - weight) <= tolerance, f"contribution of {key} on {pd.Timestamp(t).date()}"
