"""Decisions that a page keeps: what it says of them, and the notes beneath it, are what all of them say."""

from __future__ import annotations

import numpy as np
from hypothesis import given

import metabt
from metabt.analysis.run_notes import Circumstances, run_notes
from metabt.report import render
from metabt.report.decisions import told
from metabt.report.run import Run
from metabt.values.tables import Table, texts
from tests.shared import panels, trees
from tests.shared.laws import SEEDS, examples, run
from tests.shared.reported import backtested


@examples(15)
@given(trees.portfolios(), SEEDS)
def test_page_and_notes_are_those_of_all_decisions(tree: dict, seed: int) -> None:
    result = run(tree, panels.market(seed))
    says_the_same(result.tables)


def test_what_was_left_out_and_what_fell_back_is_kept() -> None:
    chosen = {"universe": ["AA", "BB", "CC", "DD"], "selector": {"name": "top_k", "k": 2}}
    tree = {"name": "mine", "lookback": 12, "schedule": {"every": 5}, "sleeves": {"two": {"lookback": 12, **chosen}}}
    for tables in (backtested().tables, metabt.backtest(tree, panels.stocks(1, 130)).tables):
        kept = says_the_same(tables)
        assert 0 < len(np.asarray(kept["date"])) < len(np.asarray(tables["decisions"]["date"]))


def says_the_same(tables: dict[str, Table]) -> Table:
    """Assert that a page of few decisions is that of all, and return the few."""
    root = str(texts(tables["sleeves"]["path"])[0])
    row = {"run_id": "0" * 64, "portfolio": root, "seconds": 1.0}
    few = {**tables, "decisions": told(tables["decisions"], root)}
    assert render(Run(row, few)) == render(Run(row, tables))
    notes = [run_notes(row["run_id"], it, Circumstances({})) for it in (few, tables)]
    assert notes[0] == notes[1]
    return few["decisions"]
