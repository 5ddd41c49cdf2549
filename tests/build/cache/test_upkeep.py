"""What is in a store, whether it is sound, and what may go."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.build.cache.object_store import ObjectStore
from metabt.build.cache.upkeep import Pruned, Stats, Verified, parse_age, parse_size, prune, stats, verify
from metabt.errors import ConfigError, StoreError
from tests.build.cache.stores import SCHEMA, files_under, fill, key_of, path_of, sections

DAY = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    with ObjectStore(tmp_path / ".cache", warn=lambda text: None) as store:
        yield store


def age(path: Path, days: float) -> None:
    used = time.time() - days * DAY
    os.utime(path, (used, used))


def sizes(store: ObjectStore) -> int:
    return sum(status.st_size for _, status in store.keys())


def names_left(store: ObjectStore, n: int) -> list[int]:
    left = {key for key, _ in store.keys()}
    return [name for name in range(n) if key_of(name) in left]


def quarantine_one(store: ObjectStore, name: object) -> None:
    path = path_of(store, key_of(name))
    path.write_bytes(b"bad")
    assert store.get(key_of(name), SCHEMA) is None


def test_a_store_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert stats(tmp_path / "no") == Stats(0, 0, {}, 0, 0, None, None)
    assert verify(tmp_path / "no") == Verified(0, 0, (), ())
    assert prune(tmp_path / "no", timedelta(0), 0) == Pruned(0, 0, 0, 0, 0, 0)
    assert not (tmp_path / "no").exists()


def test_stats_count_what_is_there(store: ObjectStore) -> None:
    fill(store, range(6))
    store.put(key_of("other"), "other 2", sections("other"))
    store.flush()
    quarantine_one(store, 5)
    path_of(store, key_of(4)).write_bytes(b"bad")
    path_of(store, key_of(3)).with_name(f".{key_of(3)}.1-1.tmp").write_bytes(b"left behind")
    age(path_of(store, key_of(0)), 9)
    found = stats(store.root)
    assert {schema: n for schema, (n, _) in found.by_schema.items()} == {SCHEMA: 4, "other 2": 1, "(unreadable)": 1}
    assert (found.objects, found.quarantined, found.temporary) == (6, 1, 1)
    assert found.bytes == sizes(store) == sum(size for _, size in found.by_schema.values())
    now = datetime.now(UTC)
    assert found.oldest is not None and abs(now - found.oldest - timedelta(days=9)) < timedelta(minutes=5)
    assert found.newest is not None and abs(now - found.newest) < timedelta(minutes=5)


def test_verify_finds_every_bad_object_and_moves_it(store: ObjectStore) -> None:
    fill(store, range(10))
    flipped, linked, unsound = (path_of(store, key_of(name)) for name in (1, 2, 3))
    flipped.write_bytes(flipped.read_bytes()[:-64] + b"?" * 64)
    linked.rename(store.root / "elsewhere")
    linked.symlink_to(store.root / "elsewhere")
    unsound.unlink()
    unsound.mkdir()
    found = verify(store.root)
    assert found.sound == 7 and found.bytes == sizes(store) and found.unread == ()
    assert dict(found.bad).keys() == {key_of(1), key_of(2), key_of(3)}
    assert "SHA-256" in dict(found.bad)[key_of(1)] and "not a regular file" in dict(found.bad)[key_of(2)]
    assert stats(store.root).quarantined == 3
    assert verify(store.root) == Verified(7, found.bytes, (), ())


def test_verify_is_no_use_of_an_object(store: ObjectStore) -> None:
    fill(store, range(1))
    path = path_of(store, key_of(0))
    age(path, 5)
    before = path.stat().st_mtime
    verify(store.root)
    assert path.stat().st_mtime == before


def test_what_is_not_used_for_long_goes(store: ObjectStore) -> None:
    fill(store, range(6))
    for name in range(6):
        age(path_of(store, key_of(name)), 10 * name)
    before = sizes(store)
    done = prune(store.root, timedelta(days=25), None)
    assert names_left(store, 6) == [0, 1, 2]
    assert (done.objects, done.kept, done.kept_bytes, done.bytes) == (3, 3, sizes(store), before - sizes(store))


def test_the_least_recently_used_go_until_the_rest_fits(store: ObjectStore) -> None:
    fill(store, range(10))
    for name in range(10):
        age(path_of(store, key_of(name)), (name * 7) % 10)
    size = sizes(store) // 10
    assert store.get(key_of(7), SCHEMA) is not None  # last used 9 days ago, and now
    done = prune(store.root, None, 4 * size)
    assert done.kept == 4 and sizes(store) <= 4 * size
    assert names_left(store, 10) == sorted([7, 0, 3, 6])


def test_without_a_limit_everything_stays(store: ObjectStore) -> None:
    fill(store, range(3))
    age(path_of(store, key_of(0)), 10_000)
    assert prune(store.root, None, None) == Pruned(0, 0, 3, sizes(store), 0, 0)
    assert prune(store.root, timedelta(days=20_000), sizes(store)).objects == 0
    assert names_left(store, 3) == [0, 1, 2]


def test_a_dry_run_says_the_same_and_removes_nothing(store: ObjectStore) -> None:
    fill(store, range(6))
    for name in range(4):
        age(path_of(store, key_of(name)), 40)
    quarantine_one(store, 5)
    before = files_under(store.root)
    later = time.time() + 35 * DAY
    said = prune(store.root, timedelta(days=36), None, dry_run=True, now=later)
    assert sorted(files_under(store.root)) == sorted(before)
    assert prune(store.root, timedelta(days=36), None, now=later) == said
    assert said.objects == 4


def test_leftovers_go_after_an_hour_and_quarantined_ones_after_keep(store: ObjectStore) -> None:
    fill(store, range(3))
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
    for place in (store.root / "quarantine", store.root / "ab"):
        if not place.exists():
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
