"""Each amount stands in the row of its own period and item."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from metabt.analysis.attribution.labels import Labels
from metabt.values.tables import texts


@pytest.mark.parametrize("effect", [None, "selection"])
def test_every_amount_is_in_the_row_of_its_period_and_item(effect: str | None) -> None:
    ends = np.array(["2020-12-31", "2021-12-30", "2022-06-17"], "datetime64[D]")
    own, root = np.random.default_rng(1).normal(size=(2, 3, 2))
    table = Labels("a/b", ends, "asset", ("X", "Y")).rows(own, root, effect)
    found = zip(table["date"], texts(table["item"]), table["own"], table["root"], strict=True)
    expected = {(end, item): (own[k, i], root[k, i]) for k, end in enumerate(ends) for i, item in enumerate(("X", "Y"))}
    assert {(date, item): amounts for date, item, *amounts in found} == {it: list(of) for it, of in expected.items()}
    assert len(table["own"]) == 6
    for name, text in {"path": "a/b", "kind": "asset", **({"effect": effect} if effect else {})}.items():
        assert set(texts(table[name])) == {text}
    assert ("effect" in table) == (effect is not None)


@pytest.mark.parametrize(("children", "kind"), [((), "asset"), (("a", "b"), "child")])
def test_a_sleeve_has_labels_of_its_items_and_of_its_costs(children: tuple[str, ...], kind: str) -> None:
    ends = np.array(["2020-12-31"], "datetime64[D]")
    history: Any = SimpleNamespace(path="r/x", sleeve=SimpleNamespace(sleeves=children), held=("A", "B"))
    assert Labels.of_items(history, ends) == Labels("r/x", ends, kind, ("A", "B"))
    assert Labels.of_costs(history, ends) == Labels("r/x", ends, "costs", ("costs",))
