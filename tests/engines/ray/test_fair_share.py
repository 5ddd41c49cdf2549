"""How many actors a job may have beside others: max-min fairly, as far as the others are heard."""

from __future__ import annotations

from math import ceil, floor
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.engines.ray import fair_share as module
from metabt.engines.ray.fair_share import FORGOTTEN, SILENT, FairShare, fair_share
from tests.shared.laws import examples

WANTS = st.lists(st.integers(1, 40), min_size=1, max_size=7)


def one_by_one(n_places: int, wants: list[int]) -> list[int]:
    """Hand places out one at a time, in turns, to those that want more."""
    got, left = [0] * len(wants), n_places
    while left and any(a < b for a, b in zip(got, wants, strict=True)):
        for job, want in enumerate(wants):
            if got[job] < want and left:
                got[job], left = got[job] + 1, left - 1
    return got


@examples(200)
@given(st.integers(1, 60), WANTS)
def test_it_is_what_is_handed_out_in_turns(n_places: int, wants: list[int]) -> None:
    got = one_by_one(n_places, wants)
    for job, want in enumerate(wants):
        mine = fair_share(n_places, [want, *wants[:job], *wants[job + 1 :]])
        # a place that cannot be divided is everybody's, and nobody is left without any
        assert max(1, got[job]) <= mine + (mine < got[job]) and mine <= max(1, ceil(got[job] + 1)) and mine <= want
        assert mine >= floor(min(want, n_places / len(wants)))


@pytest.mark.parametrize(
    ("n_places", "wants", "mine"),
    [
        (8, [20], 8),
        (8, [3], 3),
        (8, [20, 20], 4),
        (8, [20, 2], 6),
        (8, [2, 20], 2),
        (9, [20, 20, 20], 3),
        (9, [20, 20, 1], 4),
        (1, [5, 5], 1),
        (3, [5, 5], 2),
        (2, [9, 9, 9, 9], 1),
    ],
)
def test_some_shares(n_places: int, wants: list[int], mine: int) -> None:
    assert fair_share(n_places, wants) == mine


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stand for the head of a cluster and for the clock."""
    it = SimpleNamespace(notes={}, now=0.0, count=0)

    def new_note(prefix: str) -> str:
        it.count += 1
        return f"{prefix}-{it.count}"

    monkeypatch.setattr(module, "new_note", new_note)
    monkeypatch.setattr(module, "named", lambda prefix: sorted(k for k in it.notes if k.startswith(f"{prefix}-")))
    monkeypatch.setattr(module, "read", lambda note: it.notes.get(note, ""))
    monkeypatch.setattr(module, "write_down", it.notes.__setitem__)
    monkeypatch.setattr(module, "erase", lambda note: it.notes.pop(note, None))
    monkeypatch.setattr(module, "monotonic", lambda: it.now)
    return it


def test_others_are_heard_until_they_are_silent(head: SimpleNamespace) -> None:
    one, two = FairShare(), FairShare()
    one.say(5, 2)
    assert one.others() == [] and two.others() == [(5, 2)]
    two.say(7, 0)
    assert one.others() == [(7, 0)]
    head.now = SILENT - 1
    assert two.others() == [(5, 2)]
    head.now = SILENT + 1
    assert two.others() == []
    one.say(5, 2)  # it lives, though it says the same
    assert two.others() == [(5, 2)]
    one.close()
    assert two.others() == [] and len(head.notes) == 1


def test_notes_of_the_dead_are_taken_away_in_the_end(head: SimpleNamespace) -> None:
    one, two = FairShare(), FairShare()
    one.say(5, 2)
    two.others()
    head.now = FORGOTTEN
    two.others()
    assert head.notes
    head.now = FORGOTTEN + 1
    two.others()
    assert not head.notes
