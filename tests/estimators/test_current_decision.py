"""The session that is decided on is told to every block around it, the outer one first, and to nobody after them."""

from __future__ import annotations

from threading import Thread

import pytest

from metabt.estimators.current_decision import deciding, telling_decisions


def test_blocks_within_each_other_are_all_told_the_outer_one_first() -> None:
    told: list[tuple[str, str]] = []
    deciding("nobody listens")
    with telling_decisions(lambda session: told.append(("outer", session))):
        deciding("2020-01-01")
        with telling_decisions(lambda session: told.append(("inner", session))):
            deciding("2020-01-02")
            with telling_decisions(lambda session: told.append(("innermost", session))):
                deciding("2020-01-03")
        deciding("2020-01-04")
    deciding("nobody listens any more")
    assert told == [
        ("outer", "2020-01-01"),
        *((who, "2020-01-02") for who in ("outer", "inner")),
        *((who, "2020-01-03") for who in ("outer", "inner", "innermost")),
        ("outer", "2020-01-04"),
    ]


def test_a_block_that_raises_is_left() -> None:
    told: list[str] = []
    with pytest.raises(LookupError), telling_decisions(told.append):
        raise LookupError
    deciding("2020-01-01")
    assert told == []


def test_another_thread_is_not_heard() -> None:
    told: list[str] = []
    with telling_decisions(told.append):
        other = Thread(target=deciding, args=("2020-01-01",))
        other.start()
        other.join()
    assert told == []
