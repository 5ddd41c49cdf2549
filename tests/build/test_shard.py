"""A shard continues from any report: in the same process, in a new one from what is stored, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from metabt.build.cache import NoCache
from metabt.build.cache.disk import DiskCache
from metabt.build.inputs import Markets
from metabt.build.ports import Cache
from metabt.build.shard import Blocks, Given, Lost, Report, Shard
from metabt.portfolio.sleeve import Leaf
from tests.shared.executors import NESTED, engine

JOB = engine([NESTED])
PLAN = JOB.plan
LEAVES = tuple(key for key, node in PLAN.nodes.items() if isinstance(node.spec, Leaf))
METAS = tuple(key for key in PLAN.nodes if key not in LEAVES)


def shard(keys: tuple[str, ...], cache: Cache) -> Shard:
    return Shard(PLAN, cache, keys, Markets(PLAN))


def tokens(reports: list[Report]) -> list[str]:
    return [report.token for report in reports]


def walk(
    keys: tuple[str, ...], cache: Cache, given: list[Given] | None = None, *, anew: bool
) -> list[tuple[Report, Blocks]]:
    """Return what a shard does in every partition; with `anew`, a new shard for each of them."""
    one, done = shard(keys, cache), []
    for place, label in enumerate(PLAN.labels):
        one = shard(keys, cache) if anew else one
        done.append(one.advance(label, done[-1][0] if done else None, given[place] if given else ()))
    return done


def digests(done: list[tuple[Report, Blocks]]) -> list[dict[str, dict[str, str]]]:
    return [{key: dict(sealed.digests) for key, sealed in blocks.items()} for _, blocks in done]


def test_a_new_shard_goes_on_from_what_is_stored(tmp_path: Path) -> None:
    same = walk(LEAVES, DiskCache(tmp_path / "a"), anew=False)
    anew = walk(LEAVES, DiskCache(tmp_path / "b"), anew=True)
    assert digests(same) == digests(anew)
    assert tokens([report for report, _ in same]) == tokens([report for report, _ in anew])
    assert all(report.kept for report, _ in same)
    assert not any(mark.found for report, _ in anew for mark in report.steps.values())


def test_meta_sleeves_go_on_with_blocks_that_were_handed_over_or_that_are_stored(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "a")
    leaves = walk(LEAVES, cache, anew=False)
    handed: list[Given] = [[(report.steps, blocks)] for report, blocks in leaves]
    stored: list[Given] = [[(report.steps, None)] for report, _ in leaves]
    once = walk(METAS, cache, handed, anew=False)
    again = walk(METAS, cache, stored, anew=True)
    assert digests(once) == digests(again)
    assert all(mark.found for report, _ in again for mark in report.steps.values())


def test_what_is_not_stored_is_lost(tmp_path: Path) -> None:
    first, _ = shard(LEAVES, NoCache()).advance(PLAN.labels[0], None)
    assert not first.kept
    with pytest.raises(Lost, match="block  of"):
        shard(LEAVES, NoCache()).advance(PLAN.labels[1], first)
    stored, _ = shard(LEAVES, DiskCache(tmp_path / "a")).advance(PLAN.labels[0], None)
    with pytest.raises(Lost, match="block [0-9a-f]{12} of 'root/"):
        shard(LEAVES, DiskCache(tmp_path / "b")).advance(PLAN.labels[1], stored)


def test_a_stored_block_that_led_to_another_state_is_lost(tmp_path: Path) -> None:
    """Walked with other bits on another machine, it would be gone on from as if it were the one that was reported."""
    cache = DiskCache(tmp_path)
    report, _ = shard(LEAVES, cache).advance(PLAN.labels[0], None)
    shard(LEAVES, cache).advance(PLAN.labels[1], report)
    other = {**report.newest, LEAVES[0]: replace(report.newest[LEAVES[0]], state="0" * 64)}
    with pytest.raises(Lost, match="block [0-9a-f]{12} of 'root/"):
        shard(LEAVES, cache).advance(PLAN.labels[1], replace(report, newest=other))


def test_a_shard_that_is_told_to_begin_begins(tmp_path: Path) -> None:
    one = shard(LEAVES, NoCache())
    first, blocks = one.advance(PLAN.labels[0], None)
    one.advance(PLAN.labels[1], first)
    again, same = one.advance(PLAN.labels[0], None)
    assert {k: s.parts["block"].net.tobytes() for k, s in blocks.items()} == {
        k: s.parts["block"].net.tobytes() for k, s in same.items()
    }


def test_a_probe_leaves_no_trace_but_what_is_stored(tmp_path: Path) -> None:
    told: list[str] = []
    one = shard(LEAVES, DiskCache(tmp_path / "a"))
    first, _ = one.advance(PLAN.labels[0], None)
    one.probe(PLAN.labels[1], first, (), LEAVES[0], told.append)
    second, _ = one.advance(PLAN.labels[1], first)
    assert [key for key, mark in second.steps.items() if mark.found] == [LEAVES[0]]
    expected = walk(LEAVES, DiskCache(tmp_path / "b"), anew=False)[1][0]
    assert second.token == expected.token and told == []  # native estimators tell nobody


def test_what_is_said_to_have_failed_is_not_walked(tmp_path: Path) -> None:
    one = shard(LEAVES, DiskCache(tmp_path))
    report, blocks = one.advance(PLAN.labels[0], None, (), {LEAVES[0]: "it ends its process"})
    assert report.steps[LEAVES[0]].failure == "it ends its process" and LEAVES[0] not in blocks
    later, _ = shard(LEAVES, DiskCache(tmp_path)).advance(PLAN.labels[1], report)
    assert later.steps[LEAVES[0]].failure == "it ends its process"
    assert all(mark.failure is None for key, mark in later.steps.items() if key != LEAVES[0])
