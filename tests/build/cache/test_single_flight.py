"""One computes, the others wait; whoever dies lets go."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from metabt.build.cache import pack_writer, single_flight
from metabt.build.cache.object_store import ObjectStore
from tests.build.cache.stores import SCHEMA, Hooked, finish, key_of, plain, refusing, sections, start

KEY = key_of("a")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / ".cache"


def is_free(root: Path, key: str = KEY) -> bool:
    with (root / "claims").open("r+b") as file:
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, single_flight._request(fcntl.F_WRLCK, key))
        except BlockingIOError:
            return False
        return True


def compute_once(root: Path, computed: Path, ready: int, gate: int) -> None:
    """Do what a run does for a block; each computation adds a byte to `computed`."""
    with ObjectStore(root) as store:
        assert store.get(KEY, SCHEMA) is None
        os.write(ready, b"r")
        os.read(gate, 1)
        with store.claim(KEY):
            if store.get(KEY, SCHEMA) is None:
                with computed.open("ab", buffering=0) as file:
                    file.write(b"x")
                time.sleep(0.1)
                store.put(KEY, SCHEMA, sections("a"))
        store.flush()
        assert plain(store.get(KEY, SCHEMA)) == plain(sections("a"))


def test_of_four_processes_one_computes(root: Path, tmp_path: Path) -> None:
    (waiting, ready), (gate, opener) = os.pipe(), os.pipe()
    children = [start(lambda: compute_once(root, tmp_path / "computed", ready, gate)) for _ in range(4)]
    os.close(ready)  # a child that dies writes nothing, and is not waited for
    assert b"".join(os.read(waiting, 1) for _ in children) == b"rrrr"  # none begins before all have looked
    os.write(opener, b"gogo")
    assert [finish(child) for child in children] == [0, 0, 0, 0]
    print(f"4 processes, 1 key: computed {len((tmp_path / 'computed').read_bytes())} time")
    assert (tmp_path / "computed").read_bytes() == b"x"


CHAIN = [key_of(f"link {number}") for number in range(30)]
"""Keys of which each is known to who has the object before it."""


def compute_chain_once(root: Path, computed: Path, gate: int) -> None:
    """Do what a run does for a leaf: where an object is missing, all from there on are put together, in one claim."""
    with ObjectStore(root) as store:
        os.read(gate, 1)
        for at, key in enumerate(CHAIN):
            if store.get(key, SCHEMA) is None:
                with store.claim(key):
                    if store.get(key, SCHEMA) is None:
                        with computed.open("ab", buffering=0) as file, store.together():
                            for later in CHAIN[at:]:
                                file.write(b"x")
                                time.sleep(0.002)
                                store.put(later, SCHEMA, sections(later))
            assert store.get(key, SCHEMA) is not None


def test_of_four_processes_one_computes_what_is_put_together(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_writer, "PACK", 100)  # full with the first of them
    gate, opener = os.pipe()
    children = [start(lambda: compute_chain_once(root, tmp_path / "computed", gate)) for _ in range(4)]
    os.write(opener, b"gogo")
    assert [finish(child) for child in children] == [0, 0, 0, 0]
    assert (tmp_path / "computed").read_bytes() == b"x" * len(CHAIN)
    assert len(list((root / "packs").iterdir())) == 1


def test_what_is_put_together_is_kept_back_and_then_in_one_pack(root: Path) -> None:
    with ObjectStore(root) as store, ObjectStore(root) as other:
        with store.claim(KEY), store.together():
            store.put(KEY, SCHEMA, sections("a"))
            store.put(key_of("b"), SCHEMA, sections("b"))
            threading.Thread(target=store.flush).start()
            assert store.get(KEY, SCHEMA) is other.get(key_of("b"), SCHEMA) is None and not is_free(root)
        assert not is_free(root)
        store.flush()
        assert is_free(root)
        assert plain(other.get(KEY, SCHEMA)) == plain(sections("a"))
        assert plain(other.get(key_of("b"), SCHEMA)) == plain(sections("b"))
        assert store.counts.published == 2 and len(list((root / "packs").iterdir())) == 1


def test_of_four_threads_one_computes(root: Path) -> None:
    computed: list[int] = []
    gate = threading.Barrier(4)

    def work(number: int) -> None:
        gate.wait()
        with store.claim(KEY):
            if store.get(KEY, SCHEMA) is None:
                computed.append(number)
                time.sleep(0.05)
                store.put(KEY, SCHEMA, sections("a"))

    with ObjectStore(root) as store:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(computed) == 1


def test_the_claim_of_a_killed_process_is_free(root: Path) -> None:
    inside, told = os.pipe()

    def hold() -> None:
        with ObjectStore(root).claim(KEY):
            os.write(told, b"x")
            signal.pause()

    child = start(hold)
    os.read(inside, 1)
    assert not is_free(root)
    os.kill(child, signal.SIGKILL)
    assert finish(child) == -signal.SIGKILL
    assert is_free(root)
    with ObjectStore(root) as store, store.claim(KEY):
        assert not is_free(root)


def test_a_claim_lasts_until_its_put_is_published(root: Path) -> None:
    waiting, go_on = threading.Event(), threading.Event()

    def hold(name: str) -> None:
        if name == "fsync":
            waiting.set()
            go_on.wait(10)

    with ObjectStore(root, disk=Hooked(hold)) as store:
        with store.claim(KEY):
            store.put(KEY, SCHEMA, sections("a"))
        assert waiting.wait(10)
        assert not is_free(root)
        go_on.set()
        store.flush()
        assert is_free(root)
        assert store.get(KEY, SCHEMA) is not None


def test_a_child_that_inherited_a_claim_does_not_keep_it(root: Path) -> None:
    gate, opener = os.pipe()
    with ObjectStore(root) as store, store.claim(KEY):
        child = start(lambda: os.read(gate, 1))
    assert is_free(root)
    os.write(opener, b"x")
    assert finish(child) == 0


# An open pack


def seen_by_others(root: Path, name: object, seconds: float = 10.0) -> bool:
    """Whether an object is published within some seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if ObjectStore(root).get(key_of(name), SCHEMA) is not None:
            return True
        time.sleep(0.01)
    return False


def test_an_open_pack_is_published_before_its_writer_waits_for_a_claim(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_writer, "SECONDS", 1_000.0)
    (inside, told), (gate, opener) = os.pipe(), os.pipe()

    def hold() -> None:
        with ObjectStore(root).claim(KEY):
            os.write(told, b"x")
            os.read(gate, 1)

    def wait() -> None:
        with store.claim(KEY):
            pass

    child = start(hold)
    os.read(inside, 1)
    with ObjectStore(root) as store:
        store.put(key_of("mine"), SCHEMA, sections("mine"))
        assert not seen_by_others(root, "mine", 0.2)
        waiter = threading.Thread(target=wait, daemon=True)
        waiter.start()
        assert seen_by_others(root, "mine") and waiter.is_alive()
        os.write(opener, b"x")
        waiter.join(30)
        assert not waiter.is_alive() and finish(child) == 0


def test_two_processes_that_want_what_lies_in_the_open_pack_of_the_other_both_get_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_writer, "SECONDS", 1_000.0)
    gates = [os.pipe(), os.pipe()]

    def work(number: int) -> None:
        mine, other = f"object {number}", f"object {1 - number}"
        with ObjectStore(root) as store:
            with store.claim(key_of(mine)):
                store.put(key_of(mine), SCHEMA, sections(mine))
            os.write(gates[number][1], b"x")
            os.read(gates[1 - number][0], 1)
            with store.claim(key_of(other)):
                found = store.get(key_of(other), SCHEMA)
                (tmp_path / f"computed {number}").touch() if found is None else None
            assert plain(found) in (None, plain(sections(other)))

    children = [start(lambda number=number: work(number)) for number in range(2)]
    assert [finish(child) for child in children] == [0, 0]
    assert not list(tmp_path.glob("computed *"))


def test_an_open_pack_is_published_after_two_seconds(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pack_writer.SECONDS == 2.0
    monkeypatch.setattr(pack_writer, "SECONDS", 0.3)
    with ObjectStore(root) as store:
        with store.claim(KEY):
            store.put(KEY, SCHEMA, sections("a"))
        assert ObjectStore(root).get(KEY, SCHEMA) is None and not is_free(root)
        assert seen_by_others(root, "a")
        store.flush()
        assert is_free(root)


def test_the_end_of_a_partition_publishes_a_pack_of_many(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_writer, "SECONDS", 1_000.0)
    with ObjectStore(root) as store:
        for name in range(pack_writer.MANY - 1):
            store.put(key_of(name), SCHEMA, sections(name))
        store.publish()
        assert not seen_by_others(root, 0, 0.2)
        store.put(key_of("last"), SCHEMA, sections("last"))
        store.publish()
        assert seen_by_others(root, 0) and seen_by_others(root, "last")


def test_a_pack_that_is_full_is_published(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_writer, "SECONDS", 1_000.0)
    with ObjectStore(root) as store:
        store.put(KEY, SCHEMA, sections("a", size=pack_writer.PACK))
        assert seen_by_others(root, "a")


def test_claims_on_other_keys_are_not_kept_waiting_by_an_open_pack(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_writer, "SECONDS", 1_000.0)
    with ObjectStore(root) as one, ObjectStore(root) as other:
        for name in range(300):
            with one.claim(key_of(name)):
                one.put(key_of(name), SCHEMA, sections(name))
        began = one.counts.published
        for name in range(300, 600):
            with other.claim(key_of(name)):
                other.put(key_of(name), SCHEMA, sections(name))
        assert began == one.counts.published == other.counts.published == 0, "somebody had to wait"


def test_a_claim_that_was_not_waited_for_lets_nothing_of_another_thread_go(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim without a lock, since files could not be locked, ends while a put of its key still has one."""
    monkeypatch.setattr(pack_writer, "SECONDS", 1_000.0)
    with ObjectStore(root) as store:
        with store.claim(KEY):
            store.put(KEY, SCHEMA, sections("a"))
        monkeypatch.setattr(store._claims, "_works", False)
        with store.claim(KEY):
            pass
        assert not is_free(root)
        store.flush()
        assert is_free(root)


# However it ends


def put_nothing(store: ObjectStore) -> None:
    with store.claim(KEY):
        pass


def put_another(store: ObjectStore) -> None:
    with store.claim(KEY):
        store.put(key_of("another"), SCHEMA, sections("another"))


def fail(store: ObjectStore) -> None:
    with pytest.raises(ZeroDivisionError), store.claim(KEY):
        raise ZeroDivisionError


def put_and_fail(store: ObjectStore) -> None:
    with pytest.raises(ZeroDivisionError), store.claim(KEY):
        store.put(KEY, SCHEMA, sections("a"))
        raise ZeroDivisionError


def put_twice(store: ObjectStore) -> None:
    with store.claim(KEY):
        store.put(KEY, SCHEMA, sections("a"))
        store.put(KEY, SCHEMA, sections("a"))


@pytest.mark.parametrize("use", [put_nothing, put_another, fail, put_and_fail, put_twice])
@pytest.mark.parametrize("refused", [False, True], ids=["written", "disk full"])
def test_however_a_claim_ends_it_is_free(root: Path, use: Callable[[ObjectStore], None], refused: bool) -> None:
    disk = refusing("write", errno.ENOSPC) if refused else None
    n_files = len(os.listdir("/proc/self/fd"))
    with ObjectStore(root, disk=disk, warn=lambda text: None) as store:
        use(store)
        store.flush()
        assert is_free(root)
    assert len(os.listdir("/proc/self/fd")) == n_files


def test_many_claims_whose_puts_are_not_published_do_not_wait_for_each_other(root: Path) -> None:
    # keys that share a locked byte, one after another, from several threads
    keys = [KEY[:15] + f"{number:049x}" for number in range(40)]

    def work(mine: list[str]) -> None:
        for key in mine:
            with store.claim(key):
                store.put(key, SCHEMA, sections(key))

    with ObjectStore(root) as store:
        threads = [threading.Thread(target=work, args=(keys[number::4],), daemon=True) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        store.flush()
        assert list(store.keys()) == keys


def test_what_is_not_held_is_let_go_of_without_a_word(root: Path) -> None:
    """Twice is as good as once, and of a lock that is held for another put nothing is let go."""
    with ObjectStore(root) as store:
        store._claims.release(KEY)
        with store.claim(KEY):
            store._claims.release(key_of("b"))
            assert not is_free(root)
        store._claims.release(KEY)
        assert is_free(root)


def test_a_claim_inside_a_claim_is_refused(root: Path) -> None:
    with ObjectStore(root) as store:
        with store.claim(KEY), pytest.raises(RuntimeError, match="leave that one first"):
            with store.claim(key_of("b")):
                pass
        with store.claim(key_of("b")):
            pass


def test_without_locks_the_work_goes_on_and_it_is_told_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(single_flight.fcntl, "fcntl", refuse)
    told: list[str] = []
    with ObjectStore(root, warn=told.append) as store:
        for name in range(3):
            with store.claim(key_of(name)):
                store.put(key_of(name), SCHEMA, sections(name))
        store.flush()
        assert store.counts.published == 3
    assert len(told) == 1 and "No locks available" in told[0]


def test_a_lock_that_is_held_for_too_long_is_told_of_and_not_waited_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two minutes, as for other locks; here a tenth of a second. Work is done twice, the lock stays the other's."""
    assert single_flight.LOCK_SECONDS == 120.0
    monkeypatch.setattr(single_flight, "LOCK_SECONDS", 0.1)
    told: list[str] = []
    with ObjectStore(root) as holder, ObjectStore(root, warn=told.append) as store:
        with holder.claim(KEY):
            with store.claim(KEY):
                assert not is_free(root)
                store.put(KEY, SCHEMA, sections("a"))
            store.flush()
            assert not is_free(root) and plain(store.get(KEY, SCHEMA)) == plain(sections("a"))
        assert is_free(root)
        with store.claim(key_of("b")):
            assert not is_free(root, key_of("b"))
    (text,) = told
    assert f"the block {KEY[:12]} has been claimed by another process" in text and "end it" in text


def test_an_interruption_while_waiting_for_room_leaves_the_claim_to_be_released(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with ObjectStore(root) as store:
        with monkeypatch.context() as patch:
            patch.setattr(store._writer._changed, "wait_for", interrupted)
            with pytest.raises(KeyboardInterrupt), store.claim(KEY):
                store.put(KEY, SCHEMA, sections("a"))
        assert is_free(root)


def test_a_thread_that_does_not_start_lets_the_claim_go(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no threads")

    monkeypatch.setattr("metabt.build.cache.pack_writer.threading.Thread.start", refuse)
    with ObjectStore(root) as store:
        with pytest.raises(RuntimeError, match="no threads"), store.claim(KEY):
            store.put(KEY, SCHEMA, sections("a"))
        assert is_free(root)


def test_an_interruption_while_waiting_for_a_lock_leaves_the_claim_to_others(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with ObjectStore(root) as store:
        with monkeypatch.context() as patch:
            patch.setattr(store._claims, "_lock", interrupted)
            with pytest.raises(KeyboardInterrupt), store.claim(KEY):
                pytest.fail("nobody is inside")
        monkeypatch.setattr(store._claims._changed, "wait", lambda _: pytest.fail("somebody is inside"))
        with store.claim(KEY):
            assert not is_free(root)
        assert is_free(root)


def test_a_thread_waits_for_another_of_its_store_no_longer_than_for_another_process(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_flight, "LOCK_SECONDS", 0.1)
    inside, leave, waits = threading.Event(), threading.Event(), list[float]()

    def hold() -> None:
        with store.claim(KEY):
            inside.set()
            leave.wait(10)

    def wait(seconds: float) -> None:
        waits.append(seconds)
        time.sleep(0.03)

    with ObjectStore(root) as store:
        holder = threading.Thread(target=hold)
        holder.start()
        assert inside.wait(10)
        monkeypatch.setattr(store._claims._changed, "wait", wait)
        with store.claim(KEY):
            assert holder.is_alive()
        assert waits and all(0 < seconds <= 0.1 for seconds in waits) and waits == sorted(waits, reverse=True)
        leave.set()
        holder.join()
        assert is_free(root)
