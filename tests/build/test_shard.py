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


def test_a_block_that_is_given_by_its_key_alone_and_is_not_stored_is_lost(tmp_path: Path) -> None:
    report, _ = shard(LEAVES, DiskCache(tmp_path / "a")).advance(PLAN.labels[0], None)
    one = LEAVES[1]
    marks = {one: report.steps[one]}
    with pytest.raises(Lost) as lost:
        shard(METAS, DiskCache(tmp_path / "b")).advance(PLAN.labels[0], None, [(marks, None)])
    assert str(lost.value) == f"block {marks[one].key[:12]} of '{PLAN.nodes[one].label}'"


def test_a_failure_that_is_given_is_that_of_the_sleeves_above_it(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    report, blocks = shard(LEAVES, cache).advance(PLAN.labels[0], None)
    below = LEAVES[0]
    marks = {**report.steps, below: replace(report.steps[below], failure="it has ended")}
    found, made = shard(METAS, cache).advance(PLAN.labels[0], None, [(marks, blocks)])
    above = {key for key in METAS if below in PLAN.nodes[key].children}
    above |= {key for key in METAS if above & set(PLAN.nodes[key].children)}
    assert {key for key, mark in found.steps.items() if mark.failure == "it has ended"} == above
    assert made.keys() == set(found.steps) - above


@pytest.mark.parametrize("place", range(2))
def test_a_shard_that_is_elsewhere_goes_on_from_any_report(tmp_path: Path, place: int) -> None:
    """Whether it has come further or less far: the names of its states have no order."""
    cache, expected = DiskCache(tmp_path), walk(LEAVES, DiskCache(tmp_path / "b"), anew=False)
    for other in range(len(PLAN.labels) - 1):
        done = walk(LEAVES, cache, anew=False)[: other + 1]
        one = shard(LEAVES, cache)
        for at in range(other + 1):
            one.advance(PLAN.labels[at], done[at - 1][0] if at else None)
        report, blocks = one.advance(PLAN.labels[place + 1], expected[place][0])
        assert digests([(report, blocks)]) == digests(expected[place + 1 : place + 2])
        assert report.token == expected[place + 1][0].token


def test_what_a_report_is_called_does_not_depend_on_who_was_faster(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    report, blocks = shard(LEAVES, cache).advance(PLAN.labels[0], None)
    named = set()
    for order in (LEAVES, LEAVES[::-1], LEAVES[1:] + LEAVES[:1]):
        given: Given = [({key: report.steps[key]}, blocks) for key in order if key in report.steps]
        named.add(shard(METAS, cache).advance(PLAN.labels[0], None, given)[0].token)
    assert len(named) == 1


def test_a_report_says_what_was_done_in_the_partition_and_what_is_newest(tmp_path: Path) -> None:
    """A sleeve without sessions in a partition keeps its mark of an earlier one."""
    done = walk(tuple(PLAN.nodes), DiskCache(tmp_path), anew=False)
    newest: dict[str, object] = {}
    for (report, blocks), label in zip(done, PLAN.labels, strict=True):
        here = [key for key, node in PLAN.nodes.items() if label in node.partitions]
        assert (report.label, list(report.steps), list(blocks)) == (label, here, here)
        newest |= report.steps
        assert report.newest == newest
        for key, mark in report.steps.items():
            assert mark.state == blocks[key].digests["state"] and not mark.found
            assert {lap.partition for lap in mark.laps} == {label}
    assert len(newest) == len(PLAN.nodes)
