"""Caches that need no disk: one that keeps nothing, one in memory, and one that hands all on to another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import numpy as np
import pytest

from metabt.build.cache import Around, MemoryCache, NoCache
from metabt.build.cache.codec import encode
from metabt.build.cache.sealing import seal
from metabt.walk.block import LeafState

ONE, OTHER = {"state": LeafState.initial(2)}, {"state": LeafState.initial(3)}


def test_the_digest_of_each_part_is_that_of_its_bytes() -> None:
    parts = {"state": LeafState.initial(2), "again": LeafState.initial(2), "other": LeafState.initial(3)}
    sealed, data = seal(parts)
    assert sealed.parts is parts and list(data) == list(sealed.digests) == list(parts)
    for name, value in parts.items():
        assert data[name] == encode(value) and sealed.digests[name] == sha256(data[name]).hexdigest()
    assert sealed.digests["state"] == sealed.digests["again"] != sealed.digests["other"]


def test_where_nothing_is_kept_parts_come_back_without_digests() -> None:
    cache = NoCache()
    assert not cache.remembers and not cache.flush()
    with cache.claim("k"), cache.together():
        sealed = cache.put("k", "block", ONE)
    assert sealed.parts is ONE and sealed.digests == {}
    cache.publish()
    assert cache.get("k", "block") is None and cache.known("k", "block") is None  # type: ignore[func-returns-value]


def test_what_is_put_first_under_a_key_stays_and_is_found_as_what_it_is() -> None:
    cache = MemoryCache()
    assert cache.remembers and cache.get("k", "block") is None and cache.known("k", "block") is None
    first = cache.put("k", "block", ONE)
    assert cache.put("k", "block", OTHER) is first is cache.get("k", "block")
    assert first.parts is ONE and first.digests == seal(ONE)[0].digests == cache.known("k", "block")
    assert cache.get("k", "exposure") is None and cache.known("k", "exposure") is None
    assert cache.get("l", "block") is None and not cache.flush()


@pytest.mark.parametrize("count", [0, 1, 1234])
def test_a_cache_in_memory_shows_how_much_is_in_it(count: int) -> None:
    cache = MemoryCache()
    for number in range(count):
        cache.objects[str(number)] = ("block", seal({})[0])
    assert repr(cache) == f"MemoryCache({count:,} objects)"


class Behind:
    """A cache that notes what it is asked, and answers with what it notes."""

    def __init__(self, remembers: bool) -> None:
        self.remembers, self.asked = remembers, list[Any]()

    def _note(self, *asked: Any) -> Any:
        self.asked.append(asked)
        return asked

    def get(self, key: str, kind: str) -> Any:
        return self._note("get", key, kind)

    def known(self, key: str, kind: str) -> Any:
        return self._note("known", key, kind)

    def put(self, key: str, kind: str, parts: Any) -> Any:
        return self._note("put", key, kind, parts)

    def publish(self) -> None:
        self._note("publish")

    def flush(self) -> Any:
        return self._note("flush")

    @contextmanager
    def claim(self, key: str) -> Iterator[None]:
        self._note("in", key)
        yield
        self._note("out", key)

    @contextmanager
    def together(self) -> Iterator[None]:
        self._note("in")
        yield
        self._note("out")


@pytest.mark.parametrize("remembers", [False, True])
def test_a_cache_around_another_hands_all_on_and_returns_its_answers(remembers: bool) -> None:
    behind = Behind(remembers)
    cache = Around(behind)
    assert cache.remembers is remembers
    answers: list[Any] = [cache.get("a", "b"), cache.known("c", "d")]
    with cache.claim("k"):
        answers.append(cache.put("e", "f", ONE))
    with cache.together():
        cache.publish()
    answers.append(cache.flush())
    assert answers == [("get", "a", "b"), ("known", "c", "d"), ("put", "e", "f", ONE), ("flush",)]
    in_and_out = [("in", "k"), answers[2], ("out", "k"), ("in",), ("publish",), ("out",)]
    assert behind.asked == [*answers[:2], *in_and_out, answers[3]]


def test_a_state_comes_back_as_it_was() -> None:
    cache = MemoryCache()
    cache.put("k", "block", ONE)
    found = cache.get("k", "block")
    assert found is not None
    np.testing.assert_array_equal(found.parts["state"].holdings, np.zeros(2))
