"""One suite for every storage: a folder, and a prefix of a real server's bucket and of moto's."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from metabt.lakehouse.storage.place import place_of, storage_of
from metabt.lakehouse.storage.port import Root, Storage
from metabt.values.bucket_address import Address, parse_address
from tests.lakehouse.storage.conftest import KINDS, SERVERS
from tests.shared.object_servers import credentials, make_bucket


@pytest.fixture(scope="module", params=["folder", *KINDS])
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "folder":
        yield "folder"
        return
    with credentials(), SERVERS[request.param]() as at, pytest.MonkeyPatch.context() as patch:
        make_bucket(at)
        patch.setenv("AWS_ENDPOINT_URL", at)
        yield request.param


@pytest.fixture
def root(kind: str, tmp_path: Path, somewhere: Callable[[], str]) -> Root:
    (tmp_path / "lake").mkdir()
    return tmp_path / "lake" if kind == "folder" else parse_address(somewhere())


@pytest.fixture
def storage(root: Root) -> Storage:
    return storage_of(root)


def test_what_is_written_is_read_whole_and_in_place_of_what_was_there(storage: Storage) -> None:
    for data in (b"one", b"", bytes(range(256)) * 5000):
        storage.write("note", data)
        assert storage.read("note") == data and storage.holds("note")
        assert storage.measured("note") == (len(data), hashlib.sha256(data).hexdigest())
    assert list(storage.names()) == ["note"]


def test_what_is_not_there_is_no_file(storage: Storage) -> None:
    assert list(storage.names()) == [] == list(storage.files("")) == list(storage.files("data/"))
    assert not storage.holds("note") and not storage.holds("data")
    for ask in (storage.read, storage.measured):
        with pytest.raises(FileNotFoundError):
            ask("note")
    with pytest.raises(FileNotFoundError):
        storage.repeat("note", "other")
    storage.remove("note")
    storage.clear("data")


def test_of_many_who_put_a_name_one_does(root: Root) -> None:
    def put(number: int) -> bool:
        return storage_of(root).put("data/x", f"{number}".encode())

    with ThreadPoolExecutor(8) as pool:
        won = [number for number, done in enumerate(pool.map(put, range(16))) if done]
    assert len(won) == 1 and storage_of(root).read("data/x") == f"{won[0]}".encode()
    assert list(storage_of(root).names()) == ["data/x"]


def test_files_are_listed_by_how_their_names_begin(root: Root, storage: Storage) -> None:
    names = ["mark-1", "mark-2", "mark-3/deep", "other", "data/a/x=1/mark-3", "data/b", "data2/c"]
    before = time.time() - 2
    for name in names:
        storage.write(name, name.encode())
    assert sorted(storage.names()) == sorted(names)
    found = {file.name: file for file in storage.files("data/")}
    assert sorted(found) == ["data/a/x=1/mark-3", "data/b"]
    assert found["data/b"].size == 6 and before < found["data/b"].changed < time.time() + 2
    assert sorted(file.name for file in storage.files("mark-")) == ["mark-1", "mark-2"]
    assert sorted(storage_of(root / "data").names()) == ["a/x=1/mark-3", "b"]
    assert before < storage.entered("data") < time.time() + 2
    with pytest.raises(FileNotFoundError):
        storage.entered("none")
    assert storage.holds("data") and storage.holds("data/b") and not storage.holds("dat")
    storage.remove("data/b")
    storage.clear("data/a")
    assert sorted(storage.names()) == ["data2/c", "mark-1", "mark-2", "mark-3/deep", "other"]


def test_a_file_that_is_repeated_stays_when_the_first_goes(storage: Storage) -> None:
    storage.write("data/a", b"rows")
    storage.repeat("data/a", "kept/1/a")
    storage.remove("data/a")
    assert storage.read("kept/1/a") == b"rows"
    storage.repeat("kept/1/a", "data/a")
    storage.clear("kept/1")
    assert list(storage.names()) == ["data/a"]


def test_a_new_file_is_written_piece_by_piece_and_is_there_after_the_block(storage: Storage) -> None:
    with storage.written("data/x=1/a") as place, _opened(place) as file:
        file.write(b"ro")
        file.write(b"ws")
    assert storage.read("data/x=1/a") == b"rows"


@contextmanager
def _opened(place: Path | BinaryIO) -> Iterator[BinaryIO]:
    if isinstance(place, Path):
        with place.open("wb") as file:
            yield file
    else:
        yield place


def test_nothing_is_left_of_asking_whether_it_can_be_written(storage: Storage, kind: str, root: Root) -> None:
    storage.check_writable()
    assert list(storage.names()) == []
    with storage.alone() as alone:
        assert not alone or kind == "folder"


def test_duckdb_names_what_lies_there_as_the_place_is_named(root: Root, storage: Storage) -> None:
    assert storage.beneath == f"{root}/"
    assert place_of(str(root / "data/x=1/a%20b")) == root / "data/x=1/a%20b"
    assert place_of(storage.beneath) == root and (root / "data/main").parent.name == "data"
    assert isinstance(root, Path | Address)
