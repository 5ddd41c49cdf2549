"""What is told of one run among many is what its tables say."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given

from metabt.analysis.run_facts import run_facts
from metabt.analysis.run_notes import Circumstances, run_notes
from metabt.build.cache import NoCache
from metabt.engines.backtest_engine import BacktestEngine
from metabt.errors import MetabtError
from metabt.portfolio.resolve import resolve
from metabt.values.tables import texts
from tests.shared import trees
from tests.shared.jobs import SYMBOLS
from tests.shared.laws import SEEDS, examples
from tests.shared.months import market


@examples(30)
@given(trees.portfolios(), SEEDS)
def test_they_are_what_the_notes_of_the_run_alone_say(portfolio: dict[str, Any], seed: int) -> None:
    try:
        job = BacktestEngine(
            [resolve(portfolio, symbols=SYMBOLS)], market(seed, gaps=True, ended=True), cache=NoCache()
        )
        tables = job.assemble(job.run())
    except MetabtError:
        return
    tree = job.portfolios[0]
    notes = run_notes("", tables, Circumstances(job.plan.datasets))
    found = run_facts(tree, tables, job.plan.datasets)
    assert (found.first, found.last) == (notes.first, notes.last)
    assert found.fell_back == tuple(each for each in notes.fell_back if each.path == tree.name)
    assert repr(found.left_out) == repr(notes.left_out) and run_facts(tree, tables).left_out == ()
    own = texts(tables["metrics"]["path"]) == tree.name
    names, values = texts(tables["metrics"]["metric"])[own], np.asarray(tables["metrics"]["value"])[own]
    assert list(found.metrics) == list(names) and np.array_equal(list(found.metrics.values()), values, equal_nan=True)
