"""Step checks: once for a step and its data, remembered with the blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from metabt import Sheet
from metabt.build import step_checks
from metabt.build.cache.memory import MemoryCache, NoCache
from metabt.build.step_checks import CAUSAL, check_steps, steps_of
from metabt.data.dataset import Dataset
from metabt.data.panel.stepped import stepped
from metabt.errors import DataError
from metabt.lakehouse.price_source import to_prices
from tests.shared.panels import random_walk
from tests.shared.stepping import capped, peeking, step


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_checks, "_PASSED", set())


def dataset(seed: int = 0) -> Dataset:
    return Dataset.of(to_prices("d", random_walk(seed, pd.bdate_range("2020-01-02", periods=60), ["A", "B"])))


def test_a_step_is_checked_once_for_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(sheet: Sheet) -> Sheet:
        calls.append(len(sheet.dates))
        return capped(sheet)

    def checked(of: Dataset, cache: MemoryCache | NoCache, *, anew: bool) -> bool:
        if anew:
            monkeypatch.setattr(step_checks, "_PASSED", set())  # another process
        calls.clear()
        check_steps([of], cache)
        return bool(calls)

    cache, one = MemoryCache(), step(counted)
    made = stepped(dataset(), one)
    assert checked(made, cache, anew=True) and not checked(made, cache, anew=True)
    assert [kind for kind, _ in cache.objects.values()] == [CAUSAL]
    assert checked(made, NoCache(), anew=True) and not checked(made, NoCache(), anew=False)
    assert checked(stepped(dataset(1), one), cache, anew=False)
    assert checked(stepped(dataset(), step(counted, digest="edited")), cache, anew=False)
    calls.clear()
    for other, anew in ((cache, False), (MemoryCache(), True)):  # one that is read alone
        monkeypatch.setattr(step_checks, "_PASSED", set())
        check_steps([made], NoCache(), other)
        assert bool(calls) is anew and (other is cache or not other.objects)
    assert steps_of(stepped(made, step(capped))) == (one, step(capped)) and steps_of(dataset()) == ()


def test_what_failed_is_not_remembered_and_every_layer_is_checked() -> None:
    made, cache = stepped(stepped(dataset(), step(peeking)), step(capped)), MemoryCache()
    for _ in range(2):
        with pytest.raises(DataError, match="dataset 'd': step 'peeking' looks ahead"):
            check_steps([made], cache)
    assert not cache.objects
    check_steps([dataset()], cache)
    assert np.isfinite(made.prices.returns).all()
