"""What is in a store, whether it is sound, and what may go."""

from __future__ import annotations

import errno
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.build.cache import upkeep
from metabt.build.cache.folder import shelf
from metabt.build.cache.object_store import ObjectStore
from metabt.build.cache.pack_format import Fault, Foreign
from metabt.build.cache.upkeep import Pruned, Stats, Verified, parse_age, parse_size, prune, stats, verify
from metabt.errors import ConfigError, StoreError
from tests.build.cache.stores import (
    SCHEMA,
    age,
    files_under,
    fill,
    fill_apart,
    index_of,
    key_of,
    path_of,
    plain,
    refusing,
    sections,
    spoil,
)

DAY = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    with ObjectStore(tmp_path / ".cache", warn=lambda text: None) as store:
        yield store


def sizes(store: ObjectStore) -> int:
    return sum(path.stat().st_size for path in (store.root / "packs").iterdir())


def names_left(store: ObjectStore, n: int) -> list[int]:
    left = set(store.keys())
    return [name for name in range(n) if key_of(name) in left]


def quarantine_one(store: ObjectStore, name: object) -> None:
    spoil(store, key_of(name))
    assert store.get(key_of(name), SCHEMA) is None


def test_a_store_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert stats(tmp_path / "no") == Stats(0, 0, 0, {}, 0, 0, (0, 0), None, None)
    assert verify(tmp_path / "no") == Verified(0, 0, (), (), 0)
    assert prune(tmp_path / "no", timedelta(0), 0) == Pruned(0, 0, 0, 0, 0, 0, 0)
    assert not (tmp_path / "no").exists()


def test_stats_count_what_is_there(store: ObjectStore) -> None:
    fill(store, range(4))
    store.put(key_of("other"), "other 2", sections("other"))
    fill(store, [5])
    quarantine_one(store, 5)
    fill(store, [4])
    path_of(store, key_of(4)).write_bytes(b"bad")
    path_of(store, key_of(3)).with_name(f".{key_of(3)}.1-1.tmp").write_bytes(b"left behind")
    age(store, key_of(0), 9)
    found = stats(store.root)
    counts = {SCHEMA: 4, "other 2": 1, "(unreadable pack)": 1}
    assert {schema: n for schema, (n, _) in found.by_schema.items()} == counts
    assert (found.objects, found.packs, found.quarantined, found.temporary) == (6, 3, 1, 1)
    path_of(store, key_of(3)).with_name(f".{key_of(3)}.1-1.tmp").unlink()
    assert found.bytes == sizes(store) == sum(size for _, size in found.by_schema.values())
    now = datetime.now(UTC)
    assert found.oldest is not None and abs(now - found.oldest - timedelta(days=9)) < timedelta(minutes=5)
    assert found.newest is not None and abs(now - found.newest) < timedelta(minutes=5)


def test_verify_finds_every_bad_object_and_moves_it(store: ObjectStore) -> None:
    fill(store, range(1, 8))
    fill_apart(store, range(8, 10))
    flipped, linked, unsound = (path_of(store, key_of(name)) for name in (1, 8, 9))
    spoil(store, key_of(1))
    spoil(store, key_of(6))
    linked.rename(store.root / "elsewhere")
    linked.symlink_to(store.root / "elsewhere")
    unsound.unlink()
    unsound.mkdir()
    found = verify(store.root)
    assert found.sound == 5 and found.unread == ()
    bad = {what.split()[1]: (what, fault) for what, fault in found.bad}
    assert bad.keys() == {key_of(1), key_of(6), linked.name, unsound.name}
    for name in (1, 6):
        what, fault = bad[key_of(name)]
        assert what == f"block {key_of(name)} in pack {flipped.name}"
        assert re.fullmatch("has a section '[a-z]+' whose SHA-256 is not the one stated", fault), fault
    assert "not a regular file" in bad[linked.name][1]
    assert stats(store.root).quarantined == 4
    assert verify(store.root) == Verified(5, sizes(store), (), (), 0)
    assert names_left(store, 10) == [2, 3, 4, 5, 7]


FAULTS: dict[str, tuple[Exception, Verified]] = {
    "gone": (FileNotFoundError(errno.ENOENT, "No such file"), Verified(0, 0, (), (), 0)),
    "of another format": (Foreign("has the format 2, wanted 1"), Verified(0, 0, (), (), 1)),
    "not readable": (
        OSError(errno.EIO, "Input/output error"),
        Verified(0, 0, (), (("pack NAME", "[Errno 5] Input/output error"),), 0),
    ),
    "cut off": (Fault("ends early"), Verified(0, 0, (), (("pack NAME", "ends early"),), 0)),
}


@pytest.mark.parametrize("what", FAULTS)
@pytest.mark.parametrize("where", ["read_index", "mended"])
def test_what_cannot_be_verified_is_told_and_the_others_are_counted(
    store: ObjectStore, what: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "read_index" and what == "cut off":
        return  # that is a bad pack
    fill_apart(store, range(3))
    (bad, *others), (error, told) = sorted((store.root / "packs").iterdir()), FAULTS[what]
    real = getattr(upkeep, where)

    def failing(root: Path, name: str, *rest: object) -> object:
        if name == bad.name:
            raise error
        return real(root, name, *rest)

    monkeypatch.setattr(upkeep, where, failing)
    size = sum(path.stat().st_size for path in others)
    unread = tuple((name.replace("NAME", bad.name), fault) for name, fault in told.unread)
    assert verify(store.root) == replace(told, sound=2, bytes=size, unread=unread)


def test_a_bad_pack_is_told_whether_it_can_be_moved_or_not(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_apart(store, range(2))
    bad = path_of(store, key_of(0))
    size = path_of(store, key_of(1)).stat().st_size

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    bad.write_bytes(b"bad")
    told = ((f"pack {bad.name}", "does not begin like a pack"),)
    with monkeypatch.context() as patch:
        patch.setattr(shelf, "set_aside", refuse)
        assert verify(store.root) == Verified(1, size, (), told, 0) and bad.exists()
    assert verify(store.root) == Verified(1, size, told, (), 0) and not bad.exists()


def test_verify_is_no_use_of_an_object(store: ObjectStore) -> None:
    fill(store, range(1))
    age(store, key_of(0), 5)
    before = stats(store.root)
    verify(store.root)
    assert stats(store.root) == before and before.newest == before.oldest


def test_what_is_not_used_for_long_goes(store: ObjectStore) -> None:
    fill(store, range(6))
    for name in range(6):
        age(store, key_of(name), 10 * name)
    before = sizes(store)
    done = prune(store.root, timedelta(days=25), None)
    assert names_left(store, 6) == [0, 1, 2]
    assert [plain(store.get(key_of(name), SCHEMA)) for name in range(3)] == [plain(sections(n)) for n in range(3)]
    again = prune(store.root, timedelta(days=15), None)  # when each was last used has gone along
    assert (again.objects, names_left(store, 6)) == (1, [0, 1])
    done = replace(done, kept_bytes=again.kept_bytes, bytes=done.bytes + again.bytes, objects=3)
    assert (done.objects, done.kept, done.kept_bytes, done.bytes) == (3, 3, sizes(store), before - sizes(store))


def test_the_least_recently_used_go_until_the_rest_fits(store: ObjectStore) -> None:
    fill(store, range(10), size=5_000)
    for name in range(10):
        age(store, key_of(name), (name * 7) % 10)
    size = sizes(store) // 10
    assert store.get(key_of(7), SCHEMA) is not None  # last used 9 days ago, and now
    store.flush()
    limit = 4 * size + 200  # an index
    done = prune(store.root, None, limit)
    assert done.kept == 4 and done.kept_bytes == sizes(store) <= limit
    assert names_left(store, 10) == sorted([7, 0, 3, 6])


def test_without_a_limit_everything_stays(store: ObjectStore) -> None:
    fill(store, range(3))
    age(store, key_of(0), 10_000)
    assert prune(store.root, None, None) == Pruned(0, 0, 3, sizes(store), 0, 0, 1)
    assert prune(store.root, timedelta(days=20_000), sizes(store)).objects == 0
    assert names_left(store, 3) == [0, 1, 2]


def test_a_dry_run_says_the_same_and_removes_nothing(store: ObjectStore) -> None:
    fill(store, range(6))
    quarantine_one(store, 5)
    for name in range(4):
        age(store, key_of(name), 40)
    before = files_under(store.root)
    later = time.time() + 35 * DAY
    said = prune(store.root, timedelta(days=36), None, dry_run=True, now=later)
    assert sorted(files_under(store.root)) == sorted(before)
    assert prune(store.root, timedelta(days=36), None, now=later) == said
    assert said.objects == 4


def test_leftovers_go_after_an_hour_and_quarantined_ones_after_keep(store: ObjectStore) -> None:
    fill_apart(store, range(3))
    quarantine_one(store, 0)
    path = path_of(store, key_of(1))
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("x")
    assert store.get(key_of(1), SCHEMA) is None
    for place in (store.root, path.parent):
        (place / f".{key_of(1)}.1-1.tmp").write_text("left behind")
    now = time.time()
    soon = prune(store.root, timedelta(days=30), None, now=now + 1_800)
    assert (soon.temporary, soon.quarantined) == (0, 0)
    later = prune(store.root, None, None, now=now + 7_200)
    assert (later.temporary, later.quarantined) == (2, 0)
    last = prune(store.root, timedelta(days=30), None, now=now + 31 * DAY)
    assert (last.quarantined, last.objects) == (2, 1)
    assert not files_under(store.root)


def test_links_in_a_store_lead_prune_nowhere(store: ObjectStore, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    (precious / "ab").mkdir(parents=True)
    (precious / "ab" / ("ab" + "0" * 62)).write_text("x")
    fill(store, range(3))
    for place in (store.root / "quarantine", store.root / "used"):
        place.symlink_to(precious / "ab")
    prune(store.root, timedelta(0), 0, now=time.time() + 100 * DAY)
    assert (precious / "ab" / ("ab" + "0" * 62)).read_text() == "x"


def test_a_store_that_cannot_be_pruned_says_so(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, range(1))

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StoreError, match="Permission denied; restore write permission"):
        prune(store.root, None, 0)


def test_what_another_process_has_just_removed_is_no_error(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, range(3))
    unlink = Path.unlink

    def overtaken(path: Path) -> None:
        unlink(path)
        unlink(path)

    monkeypatch.setattr(Path, "unlink", overtaken)
    assert prune(store.root, None, 0).objects == 3
    assert names_left(store, 3) == []


# Packs


def test_small_packs_are_put_together_and_every_object_stays_as_it_was(store: ObjectStore) -> None:
    fill_apart(store, range(20))
    for name in range(20):
        age(store, key_of(name), name)
    before = sizes(store)
    said = prune(store.root, timedelta(days=30), None, dry_run=True)
    done = prune(store.root, timedelta(days=30), None)
    assert said == done and (done.objects, done.kept, done.packs) == (0, 20, 1)
    assert done.kept_bytes == sizes(store) < before
    assert [plain(store.get(key_of(name), SCHEMA)) for name in range(20)] == [plain(sections(n)) for n in range(20)]
    assert prune(store.root, timedelta(days=9.5), None).objects == 10  # each has kept its own last use
    assert names_left(store, 20) == list(range(10))
    assert len(files_under(store.root)) == 2


def test_a_large_pack_of_which_all_stays_is_not_touched(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from metabt.build.cache import pruning

    monkeypatch.setattr(pruning, "SMALL", 2_000)
    monkeypatch.setattr(pruning, "PACK", 8_000)
    fill(store, range(3), size=2_000)
    fill_apart(store, range(3, 40))
    large = path_of(store, key_of(0))
    before = large.stat()
    done = prune(store.root, None, None)
    after = large.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    packed = [path.stat().st_size for path in large.parent.iterdir() if path != large]
    assert len(packed) == done.packs - 1 > 1 and max(packed) < 10_000


def test_a_bad_object_stays_bad_when_its_pack_is_written_anew(store: ObjectStore) -> None:
    fill(store, range(4))
    spoil(store, key_of(1))
    age(store, key_of(3), 50)
    prune(store.root, timedelta(days=30), None)
    assert names_left(store, 4) == [0, 1, 2]
    found = [plain(store.get(key_of(name), SCHEMA)) for name in range(3)]
    assert found == [plain(sections(0)), None, plain(sections(2))]


def test_a_disk_that_is_full_while_a_pack_is_written_anew_loses_nothing(store: ObjectStore) -> None:
    fill(store, range(4))
    age(store, key_of(3), 50)
    with pytest.raises(StoreError, match="No space left on device.*nothing of it is lost"):
        prune(store.root, timedelta(days=30), None, disk=refusing("write", errno.ENOSPC))
    assert verify(store.root).sound == 4 and stats(store.root).temporary == 1  # the times of no pack
    assert prune(store.root, timedelta(days=30), None, now=time.time() + 7_200).temporary == 1


def test_times_of_no_pack_are_left_behind(store: ObjectStore) -> None:
    fill(store, range(2))
    age(store, key_of(0), 1)
    (store.root / "used" / key_of("no pack")).write_bytes(b"1234")
    assert (stats(store.root).temporary, prune(store.root, None, None).temporary) == (1, 0)
    assert prune(store.root, None, None, now=time.time() + 7_200).temporary == 1
    assert index_of(path_of(store, key_of(0))).size == sizes(store)


# What is said of it


@pytest.mark.parametrize("seed", range(4))
def test_what_is_counted_is_what_lies_there(store: ObjectStore, seed: int) -> None:
    """Objects and bytes by schema, packs, and the first and the last use, over packs of any number of objects."""
    rng, put = np.random.default_rng(seed), dict[str, tuple[str, int]]()
    for pack in range(int(rng.integers(1, 5))):
        for name in range(int(rng.integers(1, 6))):
            key, schema = key_of((pack, name)), f"test {rng.integers(1, 3)}"
            put[key] = schema, pack
            store.put(key, schema, sections((pack, name), int(rng.integers(1, 900))))
        store.flush()
    days = {key: float(rng.integers(2, 90)) for key in put}
    for key, number in days.items():
        age(store, key, number)
    found = stats(store.root)
    paths = [path for path in (store.root / "packs").iterdir()]
    assert (found.objects, found.packs, found.bytes) == (len(put), len(paths), sizes(store))
    schemas = [schema for schema, _ in put.values()]
    assert {schema: n for schema, (n, _) in found.by_schema.items()} == {it: schemas.count(it) for it in schemas}
    assert list(found.by_schema) == sorted(found.by_schema)
    assert sum(size for _, size in found.by_schema.values()) == sizes(store)
    now = datetime.now(UTC)
    for told, wanted in ((found.oldest, max(days.values())), (found.newest, min(days.values()))):
        assert told is not None and abs(now - told - timedelta(days=wanted)) < timedelta(minutes=5)
    assert verify(store.root) == Verified(len(put), sizes(store), (), (), 0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("limited", [False, True])
def test_what_is_said_to_be_removed_is_what_is_gone(store: ObjectStore, seed: int, limited: bool) -> None:
    rng, days = np.random.default_rng(seed), dict[int, float]()
    for number in range(12):
        fill(store, [number], int(rng.integers(1, 900)))
        days[number] = float(rng.permutation(200)[0]) + number / 100
        age(store, key_of(number), days[number])
    before, keep = sizes(store), float(rng.integers(20, 180))
    limit = int(before * rng.uniform(0.1, 0.9)) if limited else None
    done = prune(store.root, timedelta(days=keep), limit)
    left = names_left(store, 12)
    assert (done.objects, done.kept) == (12 - len(left), len(left))
    assert (done.kept_bytes, done.bytes) == (sizes(store), before - sizes(store))
    assert done.packs == len(list((store.root / "packs").iterdir()))
    # those that stay are those that were used last, and all within the time if there is room
    latest = sorted(days, key=lambda number: days[number])
    young = [number for number in latest if days[number] < keep]
    assert sorted(latest[: len(left)]) == left and (len(left) <= len(young) if limited else len(left) == len(young))
    assert limit is None or sizes(store) <= limit
    assert prune(store.root, timedelta(days=keep), limit).objects == 0


@pytest.mark.parametrize("apart", [False, True])
def test_what_is_left_fits_whatever_the_limit(store: ObjectStore, apart: bool) -> None:
    """Packs that are written anew have indexes of their own; the more may stay, the more does."""
    for name in range(6):
        store.put(key_of(name), SCHEMA, sections(name, 30 + 7 * name))
        if apart or name == 2:
            store.flush()
    store.flush()
    for name in range(6):
        age(store, key_of(name), 3 + name)
    n_kept = []
    for limit in range(0, sizes(store) + 50, 11):
        said = prune(store.root, None, limit, dry_run=True)
        assert said.kept_bytes <= limit
        n_kept.append(said.kept)
    assert n_kept == sorted(n_kept) and set(n_kept) == set(range(7))
    done = prune(store.root, None, 11 * (len(n_kept) // 2))
    assert (done.kept, done.kept_bytes) == (n_kept[len(n_kept) // 2], sizes(store))


# Ages and sizes


@given(st.integers(0, 10**6 - 1), st.sampled_from("mhdw"))
def test_an_age_is_a_number_of_its_unit(number: int, unit: str) -> None:
    name = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}[unit]
    assert parse_age(f"{number}{unit}") == timedelta(**{name: number})


@given(st.integers(0, 10**15 - 1), st.sampled_from(["", "K", "M", "G", "T"]), st.sampled_from(["", "B", "iB"]))
def test_a_size_is_a_number_of_its_unit(number: int, unit: str, rest: str) -> None:
    assert parse_size(f"{number}{unit}{rest}") == number * 1024 ** " KMGT".index(unit or " ")


def test_fractions_and_spaces_are_understood() -> None:
    assert parse_age(" 1.5 d ") == timedelta(hours=36)
    assert parse_size("0.5g") == 512 * 1024**2


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "30x", "30 days", "1e3d", "9999999d", "nan", "٣d", "30d\n30d"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no age: .* such as 30d"):
        parse_age(text)


@pytest.mark.parametrize("text", ["", "G", "-1G", "10X", "10 gigabytes", "1e3", "9" * 16, "inf", "٣G"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no size: .* such as 10G"):
        parse_size(text)
