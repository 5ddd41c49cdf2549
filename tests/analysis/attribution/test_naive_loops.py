"""Every row of contributions and of Brinson, at every level, is that of a loop over the oracle's books."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from metabt.analysis.attribution.brinson import Compared, brinson
from metabt.analysis.attribution.contributions import contributions
from metabt.analysis.attribution.look_through import held_over, looked_through
from metabt.analysis.sleeve_history import SleeveHistory
from tests.analysis.books import histories, items_of, linking, seen_until, share, tree
from tests.shared import oracle, panels
from tests.shared.leak_detector import decoded

Books = dict[str, oracle.Book]
PERIODS = {"year": "Y", "month": "M"}
VIEWS = [(0, None, None), (1, "2021-05-12", "month"), (2, "2021-03-31", "year")]


def equal() -> dict[str, Any]:
    """Return the tree in which nothing is chosen."""

    def plain(sleeve: dict[str, Any]) -> dict[str, Any]:
        below = {"sleeves": {name: plain(it) for name, it in sleeve["sleeves"].items()}} if "sleeves" in sleeve else {}
        return {**{name: it for name, it in sleeve.items() if name != "selector"}, "optimizer": "equal", **below}

    return plain(tree())


@pytest.fixture(scope="module")
def seen() -> dict[Any, Any]:
    """Return seed and end -> the histories and the books of the tree, and those of the equal one."""
    found = {}
    for seed, end, _ in VIEWS:
        prices = panels.market(seed, gaps=False)
        sides = (tree(), equal())
        found[seed, end] = [(histories(it, prices, end), seen_until(oracle.run(it, prices), end)) for it in sides]
    return found


def nets(book: oracle.Book, sessions: list[pd.Timestamp]) -> list[float]:
    return [book.rows[t].net if t in book.rows else 0.0 for t in sessions]


def cost(book: oracle.Book, t: pd.Timestamp) -> float:
    return book.rows[t].net - book.rows[t].gross if t in book.rows else 0.0


def before(book: oracle.Book, t: pd.Timestamp) -> pd.Timestamp | None:
    at = book.sessions.index(t)
    return book.sessions[at - 1] if at else None


def child_of(books: Books, path: str, name: str) -> oracle.Book:
    return books[f"{path}/{name}"]


def held(books: Books, path: str, name: str, t: pd.Timestamp) -> float:
    """Return the share of a child that is held over a session, from the close before it."""
    since = before(books[path], t)
    return 0.0 if since is None else share(books[path], child_of(books, path, name), since)


def periods(sessions: list[pd.Timestamp], every: str | None) -> dict[pd.Timestamp, pd.Timestamp]:
    """Return session -> last session of its period."""
    if every is None:
        return dict.fromkeys(sessions, sessions[-1])
    last = {t.to_period(PERIODS[every]): t for t in sessions}
    return {t: last[t.to_period(PERIODS[every])] for t in sessions}


def naive_contributions(books: Books, every: str | None) -> dict[tuple[Any, ...], np.ndarray]:
    """Return (path, date, kind, item) -> own and root."""
    root, found = books["root"], defaultdict(lambda: np.zeros(2))
    ends = periods(root.sessions, every)
    at_root = dict(zip(root.sessions, linking(nets(root, root.sessions), [0.0] * len(root.sessions)), strict=True))

    def add(path: str, part: dict[pd.Timestamp, float]) -> None:
        """Add the rows of a sleeve of which the root held `part` over each session, and of all beneath it."""
        book = books[path]
        factors = linking(nets(book, book.sessions), [0.0] * len(book.sessions))
        items = items_of(tree(), path)
        meta = f"{path}/{items[0]}" in books
        for end in ends.values():  # a period has its rows whether or not the sleeve has a session in it
            for kind, name in [*(("child" if meta else "asset", name) for name in items), ("costs", "costs")]:
                found[path, end, kind, name] += np.zeros(2)
        for factor, t in zip(factors, book.sessions, strict=True):
            if t not in book.rows:
                factor = 0.0
            for name in items:
                amount = book.parts.get(t, {}).get(name, 0.0)
                row = found[path, ends[t], "child" if meta else "asset", name]
                row[0] += factor * amount
                row[1] += at_root[t] * part[t] * amount
            row = found[path, ends[t], "costs", "costs"]
            row[0] += factor * cost(book, t)
            row[1] += factor * cost(book, t) if path == "root" else 0.0
        for name in items if meta else ():
            own = books[f"{path}/{name}"].sessions
            add(f"{path}/{name}", {t: part[t] * held(books, path, name, t) for t in own})

    add("root", {t: 1.0 if t in root.rows else 0.0 for t in root.sessions})
    return found


def naive_brinson(one: Books, other: Books, every: str | None) -> dict[tuple[Any, ...], np.ndarray]:
    """Return (path, date, kind, item, effect) -> own and root."""
    root, found = one["root"], defaultdict(lambda: np.zeros(2))
    ends = periods(root.sessions, every)
    whole = linking(nets(root, root.sessions), nets(other["root"], root.sessions))

    def add(path: str, at_root: dict[pd.Timestamp, float]) -> None:
        """Add the rows of a sleeve that is followed at the benchmark's weights with `at_root`, and of all beneath."""
        mine, theirs, items = one[path], other[path], items_of(tree(), path)
        sessions = mine.sessions
        factors = dict(zip(sessions, linking(nets(mine, sessions), nets(theirs, sessions)), strict=True))
        meta = f"{path}/{items[0]}" in one
        for end in ends.values():
            for name in items:
                for effect in ("allocation", "selection", "interaction") if meta else ("selection",):
                    found[path, end, "child" if meta else "asset", name, effect] += np.zeros(2)
            found[path, end, "costs", "costs", "costs"] += np.zeros(2)
        for t in sessions:
            for name in items:
                earned = mine.parts.get(t, {}).get(name, 0.0) - theirs.parts.get(t, {}).get(name, 0.0)
                effects = {"selection": earned}
                if meta:
                    w, v = held(one, path, name, t), held(other, path, name, t)
                    rows = [child_of(books, path, name).rows.get(t) for books in (one, other)]
                    r, s = (0.0 if row is None else row.gross for row in rows)
                    effects = {"allocation": (w - v) * s, "selection": v * (r - s)}
                    effects["interaction"] = earned - sum(effects.values())
                for effect, amount in effects.items():
                    row = found[path, ends[t], "child" if meta else "asset", name, effect]
                    row[0] += factors[t] * amount
                    row[1] += at_root[t] * amount
            row, more = found[path, ends[t], "costs", "costs", "costs"], cost(mine, t) - cost(theirs, t)
            row[0] += factors[t] * more
            row[1] += factors[t] * more if path == "root" else 0.0
        for name in items if meta else ():
            own = one[f"{path}/{name}"].sessions
            add(f"{path}/{name}", {t: at_root[t] * held(other, path, name, t) for t in own})

    add("root", dict(zip(root.sessions, whole, strict=True)))
    return found


def compare(table: Any, expected: dict[tuple[Any, ...], np.ndarray]) -> None:
    """Assert that a table has the rows that are expected, each once, sleeve by sleeve, with their amounts."""
    keys = ["path", "date", "kind", "item", *(["effect"] if "effect" in table else [])]
    rows = decoded(table)
    assert list(rows) == [*keys, "own", "root"]
    found = rows.set_index(keys)
    assert found.index.is_unique and not set(found.index) ^ set(expected)
    np.testing.assert_allclose(found[["own", "root"]], [expected[key] for key in found.index], rtol=0, atol=1e-10)
    assert rows["path"].drop_duplicates().tolist() == list(dict.fromkeys(path for path, *_ in expected))
    assert np.abs(found).max().min() > 1e-3


@pytest.mark.parametrize(("seed", "end", "every"), VIEWS)
def test_contributions(seen: dict[Any, Any], seed: int, end: str | None, every: str | None) -> None:
    own, books = seen[seed, end][0]
    compare(contributions(own, every), naive_contributions(books, every))


@pytest.mark.parametrize(("seed", "end", "every"), VIEWS)
def test_brinson(seen: dict[Any, Any], seed: int, end: str | None, every: str | None) -> None:
    (one, books), (other, plain) = seen[seed, end]
    compare(brinson(one, other, every), naive_brinson(books, plain, every))
    nothing = decoded(brinson(other, other, every))
    assert not nothing[["own", "root"]].to_numpy().any() and len(nothing) == len(decoded(brinson(one, other, every)))


def columns(history: SleeveHistory, beneath: dict[str, SleeveHistory]) -> list[tuple[str, str]]:
    if not history.sleeve.sleeves:
        return [(history.path, symbol) for symbol in history.items]
    return [column for name in history.items for column in columns(beneath[f"{history.path}/{name}"], beneath)]


def _noted(leaves: list[str], leaf: SleeveHistory, earned: np.ndarray) -> None:
    leaves.append(leaf.path)


@pytest.mark.parametrize(("seed", "end"), [(0, None), (1, "2021-05-12")])
def test_what_is_looked_through_is_what_every_holding_earned(seen: dict[Any, Any], seed: int, end: str | None) -> None:
    own, books = seen[seed, end][0]
    market, beneath = oracle.Market(panels.market(seed, gaps=False)), {history.path: history for history in own}
    for history in own:
        book, keys = books[history.path], columns(history, beneath)
        factors = np.random.default_rng(seed).normal(size=(2, history.size))
        expected = np.zeros((2, len(keys)))
        for row, (since, t) in enumerate(zip(book.sessions, book.sessions[1:], strict=False), 1):
            for c, (path, symbol) in enumerate(keys):
                dataset = "coins" if path == "root/coins" else "stocks"
                amount = book.after[since][path, symbol] * market.returns[dataset, symbol].get(t, 0.0)
                expected[:, c] += factors[:, row] * amount
        leaves: list[str] = []
        found = looked_through(history, beneath, factors, partial(_noted, leaves))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
        assert sorted(leaves) == sorted({path for path, _ in keys})
        if history.sleeve.sleeves:
            over = held_over(history)
            assert not over[0].any() and (over[1:] == history.shares[:-1]).all()


@pytest.mark.parametrize(("seed", "end", "every"), VIEWS)
def test_every_leaf_is_seen_once_with_what_its_assets_earned(
    seen: dict[Any, Any], seed: int, end: str | None, every: str | None
) -> None:
    """So that another tree is set beside it without a second look: what was seen gives the rows of who saw nothing."""
    (own, _), (other, _) = seen[seed, end]
    compared, told = Compared.of(own, other, every), list[tuple[SleeveHistory, np.ndarray]]()

    def look(leaf: SleeveHistory, amounts: np.ndarray) -> None:
        told.append((leaf, amounts))
        compared.see(leaf, amounts)

    contributions(own, every, look)
    leaves = [it for it in own if not it.sleeve.sleeves]
    assert sorted(it.path for it, _ in told) == sorted(it.path for it in leaves)
    for leaf, amounts in told:
        np.testing.assert_array_equal(amounts, leaf.earned)
    found, expected = decoded(compared.rows()), decoded(brinson(own, other, every))
    for name in expected:
        assert list(found[name]) == list(expected[name]), name
