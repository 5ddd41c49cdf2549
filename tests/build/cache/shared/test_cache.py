"""A team's store: who has the key finds all that is there, who has not uses none of it, and the bits are the same."""

from __future__ import annotations

import logging
import pickle
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metabt
from metabt.build.cache.adoptions import Adoptions
from metabt.build.cache.bucket.connection import Connection
from metabt.build.cache.bucket.shelf import BucketShelf
from metabt.build.cache.disk import DiskCache
from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.shared import cache as shared_module
from metabt.build.cache.shared.cache import SharedCache, is_rechecked
from metabt.build.cache.shared.signature import KEY, NAME, Signer
from metabt.build.cache.shelf import PACKS, SIGNATURES, Shelf
from metabt.build.ports import Sealed
from metabt.errors import ConfigError, StoreError
from metabt.values.bucket_address import Server, parse_address
from tests.build.cache.bucket.remote_walk import walk
from tests.shared.object_servers import BUCKET, Proxy, credentials, make_bucket, moto, seaweed

OURS, THEIRS = "ours-" + "k" * 40, "theirs-" + "k" * 40


@pytest.fixture(scope="module", params=["folder", "moto", pytest.param("seaweed", marks=pytest.mark.slow)])
def endpoint(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Yield the endpoint of a server; None is a folder."""
    with ExitStack() as stack:
        if request.param == "folder":
            yield None
        else:
            stack.enter_context(credentials())
            at = stack.enter_context({"moto": moto, "seaweed": seaweed}[request.param]())
            make_bucket(at)
            yield at


@pytest.fixture
def place(endpoint: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return where a team shares: a folder, or a prefix of a bucket."""
    if endpoint is None:
        (tmp_path / "team").mkdir()
        return str(tmp_path / "team")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    return f"s3://{BUCKET}/{secrets.token_hex(8)}"


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test be a process that has said and learned nothing yet, and has the team's key."""
    monkeypatch.setattr(shared_module, "_said", set())
    monkeypatch.setattr(shared_module, "_lost", {})
    monkeypatch.setenv(KEY, OURS)
    monkeypatch.setenv(NAME, "ann@desk")


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return walk(None)


@pytest.fixture
def user(tmp_path: Path, place: str) -> Iterator[Callable[..., SharedCache]]:
    """Return what makes the cache of another user, who has nothing of their own yet."""
    with ExitStack() as stack:

        def made(recheck: float = 0.0) -> SharedCache:
            own = tmp_path / "own" / secrets.token_hex(4)
            return stack.enter_context(SharedCache(own, place, recheck))

        yield made


def shelf_of(place: str) -> Shelf:
    if not place.startswith("s3:"):
        return FolderShelf(Path(place))
    address = parse_address(place)
    return BucketShelf(Connection(Server.of_environment(), address.bucket), address)


def bytes_at(place: str, folder: str) -> dict[str, bytes]:
    """Return the files, or objects, in a folder of what is shared."""
    if not place.startswith("s3:"):
        return {it.name: it.read_bytes() for it in (Path(place) / folder).iterdir()}
    address = parse_address(place)
    store = Connection(Server.of_environment(), address.bucket)
    names = [it.name for it in store.list(f"{address.prefix}/{folder}/")]
    return {name.rpartition("/")[2]: store.get(name)[1] for name in names}


def write_at(place: str, folder: str, name: str, data: bytes | None) -> None:
    """Replace a file of what is shared; None removes it."""
    if not place.startswith("s3:"):
        path = Path(place) / folder / name
        path.unlink(missing_ok=True)
        if data is not None:
            path.write_bytes(data)
        return
    address = parse_address(place)
    store = Connection(Server.of_environment(), address.bucket)
    name = f"{address.prefix}/{folder}/{name}"
    if data is None:
        store.delete(name)
    else:
        store.put(name, data)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "metabt.cache"]


# Whoever has the key


def test_a_second_user_computes_nothing_and_has_the_same_bits(
    user: Callable[..., SharedCache], expected: dict[str, Any]
) -> None:
    first, second = walk(user()), walk(cache := user())
    assert first["computed"] == expected["n_blocks"] and second["computed"] == 0
    assert first["digest"] == second["digest"] == expected["digest"]
    assert cache.counts["taken"] >= expected["n_blocks"] and set(cache.counts) == {"taken", "rechecked"}


def test_what_was_taken_is_in_ones_own_cache_and_marked(
    user: Callable[..., SharedCache], expected: dict[str, Any]
) -> None:
    walk(user())
    walk(cache := user())
    with DiskCache(cache.local.store.root) as own:
        assert walk(own)["computed"] == 0
        assert Adoptions.of(own.store.shelf).keys >= set(own.store.keys())


@pytest.mark.parametrize("recheck", [0.1, 0.5, 1.0])
def test_a_share_is_computed_again_the_same_for_everyone(
    user: Callable[..., SharedCache], expected: dict[str, Any], recheck: float
) -> None:
    walk(author := user())
    keys = set(author.local.store.keys())
    blocks = {key for key in keys if author.known(key, "block")}
    # keys are those of this code: a small share of few blocks may be none of them
    recheck = next(it for it in (recheck, 0.4, 0.8) if any(is_rechecked(key, it) for key in blocks))
    again = {key for key in keys if is_rechecked(key, recheck)}
    assert len(blocks) == expected["n_blocks"] and again & blocks
    for _ in range(2):
        cache = user(recheck)
        assert {key for key in blocks if cache.known(key, "block") is None} == again & blocks
        found = walk(cache)
        assert (found["computed"], found["digest"]) == (len(again & blocks), expected["digest"])
        assert set(cache.local.store.keys()) == keys and cache.counts["rechecked"] >= len(again)


def test_every_larger_share_has_the_keys_of_a_smaller_one() -> None:
    keys = [secrets.token_hex(32) for _ in range(4000)]
    chosen = [{key for key in keys if is_rechecked(key, share)} for share in (0.0, 0.01, 0.3, 1.0)]
    assert chosen[0] == set() and chosen[3] == set(keys) and chosen[1] <= chosen[2]
    assert abs(len(chosen[2]) / len(keys) - 0.3) < 0.06


# Whoever has not


@pytest.mark.parametrize("change", ["another key", "no signature", "signature", "signer", "index", "sections"])
def test_nothing_is_used_that_is_not_signed_and_whole(
    user: Callable[..., SharedCache],
    place: str,
    expected: dict[str, Any],
    change: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    walk(user())
    packs, signatures = bytes_at(place, PACKS), bytes_at(place, SIGNATURES)
    assert packs and {name.partition(".")[0] for name in signatures} == set(packs)
    if change == "another key":
        monkeypatch.setenv(KEY, THEIRS)
    for name in signatures if change in ("no signature", "signature", "signer") else ():
        write_at(place, SIGNATURES, name, None)
        pack, signer, code = name.split(".")
        if change == "signature":
            write_at(place, SIGNATURES, f"{pack}.{signer}.{int(code[0], 16) ^ 1:x}{code[1:]}", b"")
        elif change == "signer":
            write_at(place, SIGNATURES, f"{pack}.bob@desk.{code}", b"")
    for name, data in packs.items() if change in ("index", "sections") else ():
        index = int(data[len(b"metabt-pack 1 ") :][:12])
        begin, end = (27, 27 + index) if change == "index" else (27 + index, len(data))
        spoiled = bytearray(data)
        for at in range(begin, end):
            spoiled[at] ^= 1
        write_at(place, PACKS, name, bytes(spoiled))
    cache = user()
    before = cache.counts  # later a pack of the same name may be signed by this user
    found = walk(cache)
    assert (found["computed"], found["digest"]) == (expected["n_blocks"], expected["digest"])
    why = {"no signature": "unsigned", "index": "damaged", "sections": "damaged"}.get(change, "signed with another key")
    counted = cache.counts if change == "sections" else before  # of which the first use tells
    assert cache.counts["taken"] == 0 and counted[why] == len(packs)
    assert len(said := [text for text in told(caplog) if "is not used" in text or "are not used" in text]) == 1, said
    if change in ("index", "sections"):  # what others have put stays what it is
        assert set(bytes_at(place, PACKS)) >= set(packs)


def test_teams_with_different_keys_do_not_disturb_each_other(
    user: Callable[..., SharedCache], expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in (OURS, THEIRS):
        monkeypatch.setenv(KEY, key)
        assert walk(user())["computed"] == expected["n_blocks"]
    for key in (OURS, THEIRS):
        monkeypatch.setenv(KEY, key)
        assert walk(user())["computed"] == 0


@pytest.mark.parametrize("key", [None, "", "short"])
def test_without_a_key_it_is_refused(place: str, tmp_path: Path, key: str | None, monkeypatch: Any) -> None:
    monkeypatch.delenv(KEY)
    if key is not None:
        monkeypatch.setenv(KEY, key)
    with pytest.raises(ConfigError, match=f"{KEY}.*openssl rand -hex 32"):
        SharedCache(tmp_path / "own", place)


# Whoever lies


class Liar(SharedCache):
    """Signs with the team's key blocks that are not what came out."""

    def put(self, key: str, kind: str, parts: Any) -> Sealed:
        """Put other numbers than those of the block, and build on them."""
        assert self._team is not None
        if kind == "block":
            block = parts["block"]
            name = next(it for it, value in vars(block).items() if getattr(value, "dtype", None) == np.float64)
            parts = {**parts, "block": _with(block, name)}
        self._team.put(key, kind, parts)
        return self.local.put(key, kind, parts)


def _with(block: Any, name: str) -> Any:
    from dataclasses import replace

    return replace(block, **{name: getattr(block, name) + 1e-12})


def test_a_liar_is_found_and_nothing_of_theirs_is_used_any_more(
    user: Callable[..., SharedCache],
    place: str,
    tmp_path: Path,
    expected: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(NAME, "mallory@laptop")
    with Liar(tmp_path / "liar", place, 1.0) as liar:
        walk(liar)
    monkeypatch.setenv(NAME, "ann@desk")
    trusting = user(0.0)
    believed = walk(trusting)  # where nothing is computed again
    assert believed["computed"] == 0 and believed["digest"] != expected["digest"]
    checking = user(1.0)
    with pytest.raises(
        StoreError, match=r"LeafState and .*Block.*mallory@laptop.*not what this machine computes"
    ) as raised:
        walk(checking)
    assert place in str(raised.value)
    # the same process goes on without them, and shares what it computes: another one finds that
    for cache, computed in ((user(0.0), expected["n_blocks"]), (SharedCache(checking.local, place, 0.0), 0)):
        found = walk(cache)
        assert (found["computed"], found["digest"]) == (computed, expected["digest"])
    # another process, which finds the note
    monkeypatch.setattr(shared_module, "_lost", {})
    caplog.clear()
    again = SharedCache(checking.local, place, 0.0)
    assert again.counts["signed by who is not trusted"] >= 1 and any("mallory@laptop" in text for text in told(caplog))


def test_what_was_taken_from_a_liar_is_forgotten(
    user: Callable[..., SharedCache], place: str, tmp_path: Path, expected: dict[str, Any], monkeypatch: Any
) -> None:
    monkeypatch.setenv(NAME, "mallory@laptop")
    with Liar(tmp_path / "liar", place, 1.0) as liar:
        walk(liar)
    monkeypatch.setenv(NAME, "ann@desk")
    cache = user(0.0)
    assert walk(cache)["digest"] != expected["digest"] and set(cache.local.store.keys())
    cache._trust.distrust("mallory@laptop", "", next(cache.local.store.keys()))
    assert set(cache.local.store.keys()) == set()
    monkeypatch.setattr(shared_module, "_lost", {})
    with SharedCache(cache.local.store.root, place, 0.0) as after:
        found = walk(after)
        assert (found["computed"], found["digest"]) == (expected["n_blocks"], expected["digest"])
        kept = set(after.local.store.keys())
    with SharedCache(cache.local.store.root, place, 0.0) as later:  # what was computed since stays
        assert set(later.local.store.keys()) == kept and walk(later)["computed"] == 0


# Where nothing answers


def test_a_shared_cache_out_of_reach_is_told_once_and_stops_nothing(
    tmp_path: Path, endpoint: str | None, expected: dict[str, Any], monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared_module, "PATIENCE", 0.2)
    if endpoint is None:
        pytest.skip("a folder has no requests that fail")
    with Proxy(endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
        with SharedCache(tmp_path / "a", f"s3://{BUCKET}/{secrets.token_hex(8)}") as cache:
            proxy.fault = lambda request: "refuse"
            assert walk(cache)["digest"] == expected["digest"]
            assert 1 <= len(told(caplog)) <= 3 and all(
                "object store" in text or "listed" in text for text in told(caplog)
            )
        with DiskCache(tmp_path / "a") as own:
            assert walk(own)["computed"] == 0
    caplog.clear()
    for name in ("b", "c"):
        with SharedCache(tmp_path / name, str(tmp_path / "nowhere")) as cache:
            found = walk(cache)
            assert (found["computed"], found["digest"]) == (expected["n_blocks"], expected["digest"])
    assert len(told(caplog)) == 1 and "make it, or mount it" in told(caplog)[0]
    assert not (tmp_path / "nowhere").exists()


# The key


def test_the_key_is_nowhere(
    user: Callable[..., SharedCache], place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    walk(cache := user(0.5))
    walk(other := user(0.5))
    signer = Signer.of_environment()
    texts = [repr(cache), str(cache), repr(signer), repr(vars(signer).keys()), *told(caplog)]
    assert not any(OURS in text for text in texts)
    assert OURS.encode() not in pickle.dumps(cache)
    with pytest.raises(TypeError, match="not sent"):
        pickle.dumps(signer)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and not any(OURS.encode() in path.read_bytes() or OURS in str(path) for path in files)
    for folder in (PACKS, SIGNATURES):
        assert not any(OURS in name or OURS.encode() in data for name, data in bytes_at(place, folder).items())
    assert other.counts["taken"] and metabt.SharedCache is SharedCache


def test_a_worker_without_the_key_says_so_when_it_is_asked(
    user: Callable[..., SharedCache], monkeypatch: pytest.MonkeyPatch
) -> None:
    walk(user())
    sent = pickle.dumps(user(0.25))
    other = pickle.loads(sent)
    assert (other.shared, other.recheck, other.server) == (user().shared, 0.25, user().server)
    assert walk(other)["digest"]
    monkeypatch.delenv(KEY)
    lacking = pickle.loads(sent)
    with pytest.raises(ConfigError, match=KEY):
        lacking.known("0" * 64, "block")


def test_what_is_no_place_and_no_share_is_refused(tmp_path: Path) -> None:
    for shared in ("gs://bucket/x", "", "s3://bucket/x?key=1", "https://host/x"):
        with pytest.raises(ConfigError, match=r"cache\.shared"):
            SharedCache(tmp_path, shared)
    for recheck in (-0.1, 1.1, float("nan"), True, "0.1", None):
        with pytest.raises(ConfigError, match=r"cache\.recheck"):
            SharedCache(tmp_path, str(tmp_path), recheck)  # type: ignore[arg-type]
