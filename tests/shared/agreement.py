"""Compare a run of the engine with the oracle's, sleeve by sleeve and session by session."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest

from metabt.values.tables import Coded, Table
from tests.shared import oracle
from tests.shared.leak_detector import decoded

EXACT = 1e-10
APART = 1e-6
"""As far apart as rounding may take the weights of a window whose columns are nearly the same stream, at most."""


def assert_agrees(result: object, books: dict[str, oracle.Book], *, tolerance: float = EXACT) -> None:
    """Assert that decisions, streams, flattened weights, contributions and netting are the oracle's.

    Where the last digit of a window moves its weights by more than `tolerance`, what follows from them is allowed more.
    """
    tolerance = max(tolerance, 64 * max(rounded_apart(result, book, tolerance) for book in books.values()))
    for book in books.values():
        decisions_agree(result, book, tolerance)
        streams_agree(result, book, tolerance)
    metrics, risk = result.metrics(), decoded(result.tables["risk"])
    for path in (path for path, book in books.items() if book.saved and book.parts):
        netting_agrees(metrics.loc[path], result.returns(path), books[path])
        realised_risk_agrees(risk[(risk["path"] == path) & (risk["measure"] == "realised")], books[path])
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


def first_label(found: Iterable, expected: Iterable) -> str:
    """Return the first date that only one of both has."""
    alone = sorted(set(found) ^ set(expected))
    who = "engine" if alone and alone[0] in set(found) else "oracle"
    return f"only the {who} has {alone[:3]} ({len(alone)} such dates)" if alone else "another order"


def rounded_apart(result: object, book: oracle.Book, tolerance: float) -> float:
    """Return how far apart the weights are of decisions whose window is too ill-conditioned to be agreed on.

    The weights of a quadratic programme answer to a relative error e of S by up to cond(S) e; here e is one rounding.
    """
    found = result.decisions(book.path).set_index(["date", "item"])["weight"]
    largest = 0.0
    for t, decision in book.decisions.items():
        apart = max((abs(found.get((t, item), 0.0) - weight) for item, weight in decision.weights.items()), default=0.0)
        if tolerance < apart <= APART and decision.window is not None and decision.status == "ok":
            S = np.atleast_2d(np.cov(decision.window, rowvar=False, ddof=1))
            if apart <= np.finfo(float).eps * np.linalg.cond(S):
                largest = max(largest, apart)
    return largest


def decisions_agree(result: object, book: oracle.Book, tolerance: float) -> None:
    """Assert equal decision dates, weights, kinds of status, reasons and ex-ante risk contributions."""
    found: dict[pd.Timestamp, dict[str, tuple[float, float, str]]] = {}
    reasons: dict[pd.Timestamp, dict[str, str]] = {}
    columns = result.decisions(book.path)[["date", "item", "weight", "risk_contribution", "status", "reason"]]
    for t, item, weight, share, status, reason in columns.itertuples(index=False):
        found.setdefault(t, {})[item] = (weight, share, status)
        reasons.setdefault(t, {})[item] = reason
    assert list(found) == list(book.decisions), f"{book.path} decisions: {first_label(found, book.decisions)}"
    for t, decision in book.decisions.items():
        where = f"{book.path}, decision of {t.date()}"
        assert {status for _, _, status in found[t].values()} == {decision.status}, where
        assert set(found[t]) <= set(decision.weights), where
        assert reasons[t] == decision.reasons, where
        shares = decision.risk_contribution()
        apart = max(abs(found[t].get(item, (0.0,))[0] - weight) for item, weight in decision.weights.items())
        # shares of what nearly cancels are as far apart as the weights are, times what cancels
        allowed = max(tolerance, (1e-14 + 4 * apart) * cancellation(decision, shares)) if shares else 0.0
        for item, weight in decision.weights.items():
            got, share, _ = found[t].get(item, (0.0, np.nan, ""))
            assert abs(got - weight) <= tolerance, f"{where}: {item} {got:.15g}, oracle {weight:.15g}"
            if item in shares and allowed < 0.01:  # else the variance is zero but for rounding
                assert abs(share - shares[item]) <= allowed, f"{where}: risk of {item} {share}, oracle {shares[item]}"
            assert shares or np.isnan(share), f"{where}: {decision.status}, and yet a risk contribution of {item}"


def cancellation(decision: oracle.Decision, shares: dict[str, float]) -> float:
    """Return what rounding in S is multiplied by where v' S v is much smaller than its terms."""
    S = np.atleast_2d(np.cov(decision.window, rowvar=False, ddof=1))
    v = np.array([decision.weights[name] for name in decision.columns])
    return float(np.abs(v) @ np.abs(S) @ np.abs(v) / (v @ S @ v)) * (1 + max(map(abs, shares.values())))


def streams_agree(result: object, book: oracle.Book, tolerance: float) -> None:
    """Assert equal gross and net returns, costs and turnover on the same sessions."""
    found = result.returns(book.path)[["gross", "cost", "net", "turnover"]]
    if not book.rows:
        assert found.empty, f"{book.path}: the engine has a stream from {found.index[0]} on, the oracle none"
        return
    close(found, book.stream(), tolerance, f"{book.path} stream")


def netting_agrees(metrics: pd.Series, returns: pd.DataFrame, book: oracle.Book) -> None:
    """Assert the cost that netting saved, on the session after each trade and per year."""
    before = dict(zip(book.sessions[1:], book.sessions, strict=False))
    expected = [book.saved.get(before.get(t), 0.0) for t in returns.index]
    assert returns["netting_benefit"].tolist() == pytest.approx(expected, abs=1e-12), f"{book.path}: netting by session"
    # what was saved at the last trade, or before the first one that did not cancel in full, is on no row
    charged = [book.saved[t] for t, after in zip(book.sessions, book.sessions[1:], strict=False) if after in book.rows]
    expected = sum(charged) / metrics["years"] if metrics["years"] > 0 else 0.0
    assert abs(np.nan_to_num(metrics["netting_benefit"]) - expected) <= 1e-9, f"{book.path}: netting benefit"


def realised_risk_agrees(table: pd.DataFrame, book: oracle.Book) -> None:
    """Assert which child made how much of the realised variance."""
    if len(book.parts) < 3 or not table["contribution"].notna().any():
        return
    found, shares = table.set_index("item")["contribution"], oracle.realised_risk(book)
    # shares sum to one: where large ones cancel, so do their digits
    tolerance = 1e-9 * max(1.0, *map(abs, shares.values()))
    for name, share in shares.items():
        assert abs(found[name] - share) <= tolerance, (
            f"{book.path}: realised risk of {name}: {found[name]}, oracle {share}"
        )


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
    found: dict[pd.Timestamp, dict[oracle.Key, float]] = {}
    columns = decoded(result.tables["contributions"])[["date", "path", "symbol", "weight"]]
    for t, path, symbol, weight in columns.itertuples(index=False):
        found.setdefault(pd.Timestamp(t), {})[path, symbol] = weight
    for t, parts in found.items():
        assert set(parts) <= set(root.after[t])
        for key, weight in root.after[t].items():
            assert abs(parts.get(key, 0.0) - weight) <= tolerance, f"contribution of {key} on {t.date()}"


def same(one: dict[str, Table], other: dict[str, Table], ignoring: tuple[str, ...] = ("stages",)) -> bool:
    """Return whether two runs have the same bytes in every table."""
    pairs = [(one[name][c], other[name][c]) for name in one if name not in ignoring for c in one[name]]
    return one.keys() == other.keys() and all(bits(a) == bits(b) for a, b in pairs)


def bits(column: np.ndarray | Coded) -> object:
    if isinstance(column, Coded):
        return [column.values[code] if code >= 0 else None for code in column.codes]
    return column.tobytes()
