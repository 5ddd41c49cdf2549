"""Proofs of adoptions: what was written is read, oldest first, and what is not whole marks nothing and is told."""

from __future__ import annotations

import logging
import os
import re
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from metabt.build.cache import adoptions
from metabt.build.cache.adoptions import ADOPTED, Adoptions, proofs, write_proof


def kind(number: int) -> dict[str, Any]:
    return {"before": f"b{number}", "now": f"n{number}", "adopted": [f"k{number}", f"k{number + 1}"]}


class Clock(datetime):
    """A clock that a test sets."""

    hour_now = 0

    @classmethod
    def now(cls, tz: Any = None) -> Clock:
        return cls(2026, 1, 2, cls.hour_now, 4, 5, tzinfo=tz)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    monkeypatch.setattr(adoptions, "datetime", Clock)
    return Clock


def test_where_nothing_was_adopted_there_is_nothing(tmp_path: Path) -> None:
    assert list(proofs(tmp_path)) == [] and Adoptions.of(tmp_path) == Adoptions(frozenset(), frozenset())


def test_proofs_are_read_oldest_first_with_when_they_were_written(tmp_path: Path, clock: type[Clock]) -> None:
    for hour in (9, 3, 21):
        clock.hour_now = hour
        path = write_proof(tmp_path, [kind(hour), kind(hour + 1)])
        assert path.parent == tmp_path / "adopted" == tmp_path / ADOPTED and path.name.startswith(
            f"20260102T{hour:02}0405-"
        )
    found = list(proofs(tmp_path))
    assert [it["at"] for it in found] == [f"2026-01-02T{hour:02}:04:05+00:00" for hour in (3, 9, 21)]
    assert [it["kinds"] for it in found] == [[kind(hour), kind(hour + 1)] for hour in (3, 9, 21)]
    every = [kind(number) for hour in (3, 9, 21) for number in (hour, hour + 1)]
    adopted = Adoptions.of(tmp_path)
    assert adopted.keys == {key for it in every for key in it["adopted"]}
    assert adopted.ways == {(it["before"], it["now"]) for it in every}
    assert not list((tmp_path / ADOPTED).glob("*.tmp"))


def test_a_proof_is_json_that_can_be_read_after_a_line_with_its_digest(tmp_path: Path, clock: type[Clock]) -> None:
    clock.hour_now = 7
    path = write_proof(tmp_path / "new" / "cache", [{"before": "b", "now": "n", "adopted": ["k"]}])
    assert re.fullmatch("20260102T070405-[0-9a-f]{8}[.]json", path.name)
    body = """{
 "at": "2026-01-02T07:04:05+00:00",
 "kinds": [
  {
   "before": "b",
   "now": "n",
   "adopted": [
    "k"
   ]
  }
 ]
}
"""
    assert path.read_text() == f"{sha256(body[:-1].encode()).hexdigest()}\n{body}"
    assert [it.name for it in path.parent.iterdir()] == [path.name]


def test_a_proof_is_of_today(tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    write_proof(tmp_path, [])
    (found,) = proofs(tmp_path)
    assert before <= datetime.fromisoformat(found["at"]) <= datetime.now(UTC)


def test_a_proof_of_which_any_byte_is_another_marks_nothing_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, sound = write_proof(tmp_path, [kind(1)]), write_proof(tmp_path, [kind(5)])
    whole = path.read_bytes()
    spoilt = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(0, len(whole) - 1, 7)]
    spoilt += [whole[:at] for at in range(0, len(whole) - 1, 40)] + [b"\xff\xfe"]
    for content in spoilt:
        path.write_bytes(content)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "metabt.cache"):
            assert Adoptions.of(tmp_path) == Adoptions(frozenset({"k5", "k6"}), frozenset({("b5", "n5")}))
        told = f"cache: '{path}' is not what was written; blocks that it names count as any other"
        assert [record.getMessage() for record in caplog.records] == [told]
    path.write_bytes(whole)
    assert Adoptions.of(tmp_path).keys == {"k1", "k2", "k5", "k6"} and sound.exists()


def test_a_proof_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync, seen = os.fsync, list[tuple[bytes, list[Path]]]()

    def noted(file: int) -> None:
        fsync(file)
        seen.append((Path(f"/proc/self/fd/{file}").read_bytes(), list((tmp_path / ADOPTED).glob("*.json"))))

    monkeypatch.setattr(os, "fsync", noted)
    path = write_proof(tmp_path, [kind(1)])
    assert seen == [(path.read_bytes(), [])]
