"""The thread that publishes: what it is told, what follows each object, and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from metabt.build.cache import pack_writer
from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.pack_format import Stored
from metabt.build.cache.pack_writer import Pack, PackWriter, Put
from metabt.build.cache.verified_reading import read_index
from tests.build.cache.stores import SCHEMA, key_of, sections


class Writer:
    """A writer, and all that it has said and done."""

    def __init__(self, root: Path, known: Iterable[object] = ()) -> None:
        self.told, self.after, self.warned, self.packs = list[Any](), list[Any](), list[str](), list[Any]()
        there = {bytes.fromhex(key_of(name)) for name in known}
        self.writer = PackWriter(
            FolderShelf(root),
            self.warned.append,
            lambda event, number: self.told.append((event, number)),
            lambda keys: there & set(keys),
            lambda name, index: self.packs.append((name, index)),
        )

    def put(self, name: object, taken: Callable[[], None] = lambda: None) -> Put:
        def take_over() -> Callable[[], None]:
            taken()
            return lambda: self.after.append(name)

        return Put(bytes.fromhex(key_of(name)), Stored(SCHEMA, sections(name)), take_over)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_writer, "SECONDS", 1_000.0)


def test_what_is_added_is_pending_until_it_is_published_and_then_followed_by_what_it_asked_for(tmp_path: Path) -> None:
    it = Writer(tmp_path, known=[2])
    it.writer.add([it.put(name) for name in range(3)])
    it.writer.add([it.put(0), it.put(3)])
    assert it.told == [("lost", 1)] and it.after == [0] and it.packs == []  # the second of a key is given up at once
    stored = it.writer.pending(bytes.fromhex(key_of(1)))
    assert stored is not None and stored.sections == sections(1) and it.writer.pending(bytes(32)) is None
    it.writer.flush()
    assert it.told == [("lost", 1), ("lost", 1), ("published", 3)] and it.after == [0, 0, 1, 2, 3]
    ((name, index),) = it.packs
    assert read_index(FolderShelf(tmp_path), name)[0] == index
    assert list(index.keys) == sorted(bytes.fromhex(key_of(each)) for each in (0, 1, 3))
    assert all(it.writer.pending(key) is None for key in index.keys) and it.writer.writes and not it.warned
    it.writer.close()


def test_a_key_is_taken_while_its_pack_is_written_and_after_a_refusal_nothing_is_said_of_any(tmp_path: Path) -> None:
    it, gate = Writer(tmp_path), threading.Event()
    write = it.writer._write

    def slow(pack: Pack) -> None:
        gate.wait(10)
        write(pack)

    it.writer._write = slow  # type: ignore[method-assign]
    it.writer.add([it.put(0)])
    it.writer.hand_over()
    it.writer.add([it.put(0), it.put(1)])
    assert it.told == [("lost", 1)] and it.after == [0]
    it.writer.writes = False
    it.writer.add([it.put(0), it.put(2)])
    assert it.told == [("lost", 1)] and it.after == [0, 0, 2]
    gate.set()
    it.writer.flush()
    assert it.told == [("lost", 1)] and sorted(it.after) == [0, 0, 0, 1, 2] and it.packs == []
    it.writer.close()


def test_a_pack_is_handed_over_if_it_has_as_many_objects_as_are_asked_for(tmp_path: Path) -> None:
    it = Writer(tmp_path)
    it.writer.add([it.put(0), it.put(1)])
    it.writer.hand_over(3)
    assert it.writer._open is not None
    it.writer.hand_over(2)
    assert it.writer._open is None
    it.writer.hand_over()
    it.writer.flush()
    assert it.told == [("lost", 0), ("published", 2)]
    it.writer.close()


@pytest.mark.parametrize("less", [0, 1])
def test_a_pack_is_full_with_so_many_bytes_of_sections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, less: int
) -> None:
    size = sum(len(part.data) for name in range(2) for part in sections(name).values())
    monkeypatch.setattr(pack_writer, "PACK", size + less)
    it = Writer(tmp_path)
    it.writer.add([it.put(0)])
    it.writer.add([it.put(1)])
    assert (it.writer._open is None) == (less == 0)
    it.writer.close()


def test_a_new_pack_is_due_some_seconds_from_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_writer, "SECONDS", 2.0)
    monkeypatch.setattr(pack_writer.time, "monotonic", lambda: 50.0)
    assert vars(Pack()) == {"objects": {}, "after": [], "bytes": 0, "due": 52.0}


def test_who_adds_waits_while_two_packs_are_waiting_or_written(tmp_path: Path) -> None:
    it, gate, added = Writer(tmp_path), threading.Event(), list[int]()
    write = it.writer._write

    def slow(pack: Pack) -> None:
        gate.wait(10)
        write(pack)

    it.writer._write = slow  # type: ignore[method-assign]

    def add() -> None:
        for name in range(4):
            it.writer.add([it.put(name)])
            it.writer.hand_over()
            added.append(name)

    thread = threading.Thread(target=add)
    thread.start()
    until = time.monotonic() + 5
    while len(added) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.1)
    assert added == [0, 1]
    gate.set()
    thread.join()
    it.writer.close()
    assert added == it.after == [0, 1, 2, 3]


def test_the_thread_ends_when_it_is_closed_and_a_later_add_starts_another(tmp_path: Path) -> None:
    it = Writer(tmp_path)
    it.writer.close()
    for name in range(2):
        assert it.writer._thread is None
        it.writer.add([it.put(name)])
        thread = it.writer._thread
        assert thread is not None and thread.is_alive() and thread.daemon and thread.name == "metabt-publisher"
        it.writer.close()
        assert not thread.is_alive() and it.after == list(range(name + 1))


def test_the_thread_may_close_itself(tmp_path: Path) -> None:
    """As it does where the store is let go of while the thread publishes."""
    it = Writer(tmp_path)

    def close(name: str, index: object) -> None:
        it.writer.close()
        it.packs.append(name)

    it.writer._published = close
    it.writer.add([it.put(0)])
    thread = it.writer._thread
    assert thread is not None
    it.writer.hand_over()
    thread.join(10)
    assert not thread.is_alive() and it.after == [0] and len(it.packs) == 1 and not it.warned
    it.writer.flush()  # raises what has gone wrong


def test_an_error_that_is_not_the_disks_is_raised_once_by_who_waits(tmp_path: Path) -> None:
    it = Writer(tmp_path)

    def broken(keys: object) -> Any:
        raise ZeroDivisionError

    it.writer._known = broken
    it.writer.add([it.put(0)])
    with pytest.raises(ZeroDivisionError):
        it.writer.flush()
    it.writer.flush()
    assert it.after == [0] and it.told == [] and it.writer.writes
    it.writer.close()
