"""What sleeves over the same children share is bounded, in number and in bytes."""

from __future__ import annotations

import numpy as np
import pytest

from metabt.estimators.windows import Windows
from metabt.walk.meta import aggregation
from metabt.walk.meta.aggregation import KEPT_WINDOWS, Shared


def windows(length: int) -> Windows:
    stops = np.arange(50, 60)
    return Windows(np.zeros((60, 3)), stops, np.full(10, length), names=("a", "b", "c"), sessions=stops.astype("M8[D]"))


def test_of_many_lookbacks_the_newest_stay() -> None:
    shared = Shared()
    for number in range(2, KEPT_WINDOWS + 12):
        shared.keep(bytes([number]), windows(5))
        shared.keep_lengths(number, np.zeros((10, 3), np.int64))
    assert len(shared.windows) == len(shared.lengths) == KEPT_WINDOWS
    assert min(shared.lengths) == min(shared.windows)[0] == 12


def test_of_large_ones_fewer_stay_and_the_newest_always(monkeypatch: pytest.MonkeyPatch) -> None:
    for n_bytes, kept in ((2000, 2), (1, 1)):
        monkeypatch.setattr(aggregation, "FORMED", n_bytes)
        shared = Shared()
        for number in range(5):
            shared.keep(bytes([number]), windows(5))  # covariances of 720 bytes
            shared.keep_lengths(number, np.zeros((40, 3), np.int64))  # 960 bytes
        assert len(shared.windows) == len(shared.lengths) == kept
        assert max(shared.lengths) == 4 and bytes([4]) in shared.windows
