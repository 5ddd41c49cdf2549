"""`metabt upkeep` as a scheduled job gives it: files, snapshots, and then the cache, pruned and verified."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import metabt
from metabt.build.cache.upkeep import stats
from metabt.cli import upkeep_commands
from metabt.cli.main import main
from metabt.lakehouse import ingest
from metabt.lakehouse.folder.lost_catalogue import CACHE
from tests.shared.panels import stocks
from tests.shared.small_tree import tree


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("upkeep") / "lake"
    for year in (2021, 2022):
        ingest(path, "stocks", stocks(seed=year, first=f"{year}-01-04"))
    metabt.backtest(tree(), path)
    return path


@pytest.fixture
def lake(furnished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(furnished, tmp_path / "lake"))


def upkeep(lake: Path, *words: str) -> int:
    return main(["upkeep", "--lakehouse", str(lake), *words])


def test_all_of_it_is_done_in_order(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = stats(lake / CACHE)
    assert upkeep(lake, "--cache-keep", "90d", "--cache-size", "1G", "--recompute", "1") == 0
    said = capsys.readouterr().out
    places = [
        said.index(text) for text in ("merged into", "expired;", "removed 0 objects", "sound object", "the same bytes")
    ]
    assert places == sorted(places)
    assert stats(lake / CACHE).objects == before.objects > 0
    assert upkeep(lake, "--cache-size", "0") == 0
    assert stats(lake / CACHE).objects == 0
    assert "removed" in capsys.readouterr().out


def test_without_these_options_the_cache_is_left_alone(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_prune", "_verify"):
        monkeypatch.setattr(upkeep_commands, name, lambda *_: pytest.fail("the cache was touched"))
    assert upkeep(lake) == 0


def test_a_dry_run_changes_nothing_and_says_what_would_go(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = stats(lake / CACHE)
    assert upkeep(lake, "--dry-run", "--cache-size", "0", "--recompute", "1") == 0
    assert "would remove" in capsys.readouterr().out and stats(lake / CACHE) == before


def test_a_damaged_block_ends_it_with_a_code_that_no_retry_cures(lake: Path) -> None:
    pack = max((lake / CACHE).rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(content)
    assert upkeep(lake, "--recompute", "0.001") == 1


@pytest.mark.parametrize(
    "words",
    [["--cache-keep", "soon"], ["--cache-size", "big"], ["--recompute", "0"], ["--recompute", "1.5"]],
    ids=" ".join,
)
def test_what_cannot_be_read_is_refused_before_anything_is_done(
    words: list[str], lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import metabt.lakehouse as rooms

    monkeypatch.setattr(rooms, "upkeep", lambda *_, **__: pytest.fail("files were touched"))
    assert upkeep(lake, *words) == 1
