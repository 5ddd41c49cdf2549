"""Uses of objects are recorded once a day, on any shelf."""

from __future__ import annotations

from pathlib import Path

import pytest

from metabt.build.cache import last_use
from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.last_use import LastUse
from metabt.build.cache.shelf import USED, Shelf
from tests.build.cache.stores import key_of

PACK, NOW = key_of("pack"), 1_700_000_000.75
DAY = 24 * 60 * 60


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_use.time, "time", lambda: NOW)


def used(shelf: Shelf) -> list[str]:
    """Return the packs of which there are times; none of them has objects."""
    return sorted(name.rpartition("/")[2] for name, _ in shelf.litter() if name.startswith(f"{USED}/"))


def test_a_use_is_recorded_once_it_is_a_day_after_the_last(shelf: Shelf) -> None:
    """Of a pack that was published at one time, and of which some objects have been used since."""
    ages = [DAY, DAY + 1, 0, 5 * DAY]
    shelf.write_uses(PACK, [int(NOW) - age for age in ages])
    noted = LastUse(shelf)
    for row in (0, 1, 3):
        noted.note(PACK, 4, row, NOW - 2 * DAY)
    assert [int(NOW) - at for at in shelf.uses(PACK, 4, 0.0)] == ages
    noted.record()
    # 0.75 s more than a day ago
    assert [int(NOW) - at for at in shelf.uses(PACK, 4, 0.0)] == [0, 0, 0, 0]
    shelf.write_uses(PACK, [int(NOW) + 1 - DAY] * 4)
    noted.note(PACK, 4, 2, NOW - 2 * DAY)
    noted.record()
    assert list(shelf.uses(PACK, 4, 0.0)) == [int(NOW) + 1 - DAY] * 4


def test_what_was_recorded_is_read_anew_and_nothing_is_recorded_twice(shelf: Shelf) -> None:
    noted, other = LastUse(shelf), key_of("other")
    for pack in (PACK, other):
        noted.note(pack, 1, 0, NOW - 2 * DAY)
    noted.record()
    assert used(shelf) == sorted([PACK, other])
    for pack in used(shelf):
        shelf.clear(f"{USED}/{pack}")
    noted.record()
    assert used(shelf) == []
    noted.note(PACK, 1, 0, NOW - 2 * DAY)
    noted.record()
    assert used(shelf) == [PACK]


def test_a_store_that_cannot_be_written_is_read_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "used").write_text("")
    shelf = FolderShelf(tmp_path)
    noted = LastUse(shelf)
    noted.note(PACK, 1, 0, NOW - 2 * DAY)
    noted.record()
    assert (tmp_path / "used").read_text() == "" and shelf.uses(PACK, 1, 5.5) == [5.5]
