"""The audit: what is stored under a key is what the engine computes for it, and an alarm where it is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import metabt
from metabt import lakehouse
from metabt.build.cache.compaction import Kept, rewritten
from metabt.build.cache.disk import SCHEMAS, DiskCache
from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.object_store import ObjectStore, Section
from metabt.build.cache.sealing import seal
from metabt.build.cache.verified_reading import read_index
from metabt.lakehouse.folder.lost_catalogue import CACHE
from metabt.runs.audit import audit, sampled
from metabt.values.digests import digest
from tests.shared.panels import stocks
from tests.shared.resealed import reseal
from tests.shared.small_tree import tree


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse with three runs in it, to be copied."""
    lake = tmp_path_factory.mktemp("audited") / "lake"
    lakehouse.ingest(lake, "stocks", stocks(5, sessions=300).rename_axis("date"))
    metabt.backtest(tree(), lake)
    metabt.backtest(tree(lookback=25), lake)
    metabt.backtest(tree(), lake, is_meta_backtest=False)
    return lake


@pytest.fixture
def lake(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "lake"))


def files(lake: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted((lake / CACHE / "packs").iterdir())}


def keys(lake: Path, *schemas: str) -> list[str]:
    store = ObjectStore(lake / CACHE)
    wanted = schemas or tuple(SCHEMAS.values())
    return [key for key in store.keys() if any(store.known(key, schema) is not None for schema in wanted)]


def remove(lake: Path, key: str) -> None:
    """Take an object out of its pack."""
    pack = ObjectStore(lake / CACHE).place(key)
    assert isinstance(pack, Path)
    shelf = FolderShelf(lake / CACHE)
    index, _ = read_index(shelf, pack.name)
    row = index.row(bytes.fromhex(key))
    rest = [other for other in range(len(index.keys)) if other != row]
    if rest:
        rewritten(shelf, [Kept(pack.name, index, rest, [1e9] * len(index.keys))])
    pack.unlink()


def test_every_object_of_sound_runs_is_computed_again_and_nothing_is_written(stored: Path) -> None:
    before = files(stored)
    found = audit(stored, 1.0)
    assert (found.runs, found.left_out, found.missing) == (3, 0, 0)
    assert found.alarms == ()
    assert found.recomputed == found.found == len(keys(stored))
    assert files(stored) == before


def test_a_sample_is_a_share_that_is_fixed_and_grows() -> None:
    names = [digest(number) for number in range(4000)]
    samples = [{key for key in names if sampled(key, share)} for share in (0.01, 0.1, 1.0)]
    assert samples[0] < samples[1] < samples[2] == set(names)
    assert 0.005 < len(samples[0]) / len(names) < 0.02
    assert 0.08 < len(samples[1]) / len(names) < 0.12


def test_a_sample_is_computed_and_the_rest_is_only_read(stored: Path) -> None:
    found = audit(stored, 0.4)
    expected = sum(sampled(key, 0.4) for key in keys(stored))
    assert 0 < found.recomputed == expected < found.found


def replace(lake: Path, key: str, kind: str, change: float) -> None:
    """Put a validly hashed object with other numbers in the place of a stored one."""
    cache = DiskCache(lake / CACHE)
    known = cache.get(key, kind)
    assert known is not None
    parts = dict(known.parts)
    name = "block" if kind == "block" else "exposure"
    value = parts[name]
    field = "net" if kind == "block" else "shares"
    parts[name] = type(value)(**{**value.__dict__, field: getattr(value, field) + change})
    sealed, data = seal(parts)
    remove(lake, key)
    sections = {part: Section(memoryview(buffer), sealed.digests[part]) for part, buffer in data.items()}
    with ObjectStore(lake / CACHE) as store:
        store.put(key, SCHEMAS[kind], sections)
    fresh = DiskCache(lake / CACHE).get(key, kind)
    assert fresh is not None and fresh.digests[name] != known.digests[name]


@pytest.mark.parametrize("position", [0, 3, -1])
def test_a_validly_hashed_block_with_other_numbers_raises_an_alarm_that_names_it(lake: Path, position: int) -> None:
    key = keys(lake, SCHEMAS["block"])[position]
    replace(lake, key, "block", 1e-9)
    found = audit(lake, 1.0)
    (alarm,) = found.alarms
    assert (alarm.key, alarm.file, alarm.parts) == (key, ObjectStore(lake / CACHE).place(key), ("block",))
    assert alarm.file.is_file()
    assert alarm.sleeve.split("/")[0] == "book" and alarm.partition in ("2021", "2022")


def test_risk_by_asset_is_audited_too(lake: Path) -> None:
    key = keys(lake, SCHEMAS["exposure"])[0]
    replace(lake, key, "exposure", 1e-9)
    (alarm,) = audit(lake, 1.0).alarms
    assert (alarm.key, alarm.sleeve, alarm.partition) == (key, "book", "risk")


def test_a_bad_object_outside_of_the_sample_is_not_looked_at(lake: Path) -> None:
    key = next(key for key in keys(lake, SCHEMAS["exposure"]) if not sampled(key, 0.3))
    replace(lake, key, "exposure", 1e-9)
    assert audit(lake, 0.3).alarms == ()


def test_what_is_missing_is_counted_and_runs_of_other_code_are_left_out(lake: Path) -> None:
    gone = keys(lake, SCHEMAS["exposure"])[:2]
    for key in gone:
        remove(lake, key)
    found = audit(lake, 1.0)
    assert (found.missing, found.runs, found.left_out, found.alarms) == (2, 3, 0, ())
    with lakehouse.attach(lake) as connection:
        (oldest, _, newest) = connection.execute("SELECT run_id, versions FROM runs ORDER BY started_at").fetchall()
        connection.execute("UPDATE runs SET snapshot = 777 WHERE run_id = ?", [oldest[0]])
        versions = json.loads(newest[1])
        versions["libraries"]["numpy"] = "1.0"
        versions["keys"] = dict.fromkeys(versions["keys"], digest("by numpy 1.0"))
        connection.execute("UPDATE runs SET versions = ? WHERE run_id = ?", [json.dumps(versions), newest[0]])
        reseal(connection)
    found = audit(lake, 1.0)
    assert (found.runs, found.left_out, found.alarms) == (1, 2, ())
