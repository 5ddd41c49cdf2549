"""Processes are killed at every stage: the same bytes come out, and what was stored is not computed again."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
import ray

from metabt.build.cache import NoCache
from metabt.build.cache.disk import DiskCache
from metabt.build.ports import Cache
from metabt.build.shard import Report
from metabt.engines.ray import Ray, crashing_sleeve
from metabt.engines.ray.actor_progress import ActorProgress
from metabt.errors import RunError
from tests.engines.ray.dying import STAGES, DyingCache
from tests.shared.executors import LEAF, NESTED, RULES, STOCKS, WRAPPED, alike, engine, outcomes

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("cluster")]

TREES = [NESTED, WRAPPED]
PATIENCE = 120.0
"""Seconds after which a run counts as hanging."""


def dying(tmp_path: Path, *deaths: tuple[str, int]) -> DyingCache:
    (tmp_path / "notes").mkdir()
    return DyingCache(tmp_path / "cache", tmp_path / "notes", deaths, os.getpid())


def assert_same_after(cache: DyingCache, n_deaths: int) -> None:
    """Assert that a run whose processes die gives the bytes of one whose do not, and repeats only what was lost."""
    began = time.monotonic()
    job = engine(TREES, executor=Ray(workers=2), cache=cache)
    found = outcomes(job)
    assert time.monotonic() - began < PATIENCE
    assert cache.deaths == n_deaths
    assert alike(found, outcomes(engine(TREES)))
    blocks = job.plan.n_blocks
    repeated = cache.n_put - blocks
    print(f"{n_deaths} processes killed, {blocks} blocks, {repeated} of them computed again")
    # a process loses at most what it had not published of the one partition that it was in
    assert repeated <= n_deaths * max(len(job.plan.nodes), 1) and len(cache.put_twice) <= repeated
    again = engine(TREES, executor=Ray(workers=1), cache=cache)
    assert again.run().computed == 0


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_that_is_killed_at_any_stage_changes_no_bit(stage: str, tmp_path: Path) -> None:
    first = random.Random(stage).randint(1, 4)
    assert_same_after(dying(tmp_path, (stage, first)), 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(int(os.environ.get("METABT_FAULTS", "2"))))
def test_workers_that_are_killed_at_random_change_no_bit(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    deaths = {(rng.choice(STAGES), rng.randint(1, 4 if seed % 2 else 8)) for _ in range(4)}
    flushes = [death for death in deaths if "flush" in death[0] and death[1] > 4]
    assert_same_after(dying(tmp_path, *deaths.difference(flushes)), len(deaths) - len(flushes))


def test_without_a_cache_a_worker_goes_on_from_what_the_object_store_has() -> None:
    """Nothing is stored; states travel with the blocks of a lane, and the bits are the same."""
    confirm, killed = ActorProgress.confirm, []

    def confirmed(self: ActorProgress) -> Report:
        report = confirm(self)
        if self.position == 2 and not killed:
            killed.append(self.name)
            assert self.host is not None
            ray.kill(self.host.actor)
        return report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ActorProgress, "confirm", confirmed)
        patch.setattr(ActorProgress, "begin_again", lambda self: pytest.fail(f"{self.name} begins again"))
        found = outcomes(engine(TREES, executor=Ray(workers=2)))
    assert killed and alike(found, outcomes(engine(TREES)))


def poisoned(what: str) -> dict[str, object]:
    """Return a tree of which one sleeve goes wrong on the first session on which a stock falls by 5 %."""
    optimizer = {"name": "poison", "what": what, "below": -0.05}
    sleeves = {
        "good": {"universe": STOCKS[:3], "optimizer": "min_variance"},
        "bad": {"universe": STOCKS[2:], "optimizer": optimizer},
    }
    return {"name": "victim", "defaults": RULES, "sleeves": sleeves}


@pytest.mark.parametrize("cached", [True, False], ids=["on disk", "nothing remembered"])
@pytest.mark.parametrize(
    ("what", "says"), [("raise", "the optimizer failed on 2 assets with LookupError"), ("kill", "it ends its process")]
)
def test_a_poisoned_sleeve_fails_its_own_tree_with_its_name_and_session(
    what: str, says: str, cached: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cache: Cache = DiskCache(tmp_path) if cached else NoCache()
    found = outcomes(engine([poisoned(what), LEAF, WRAPPED], executor=Ray(workers=1), cache=cache))
    expected = outcomes(engine([poisoned("raise"), LEAF, WRAPPED]))
    session = str(expected[0]).split("'victim/bad': ")[1].split(":")[0]
    assert f"sleeve 'victim/bad': {session}: {says}" in str(found[0])
    assert isinstance(found[1], dict) and alike(found[1:], expected[1:])
    time.sleep(1.0)  # what Ray says of dying workers comes late
    assert capfd.readouterr() == ("", "")


def test_a_sleeve_alone_is_not_blamed_for_what_befalls_its_machine(tmp_path: Path) -> None:
    """Two deaths in one partition make a lane suspect; sleeves that can be walked alone are innocent."""
    cache = dying(tmp_path, ("put", 1), ("put", 2), ("put", 3))
    assert_same_after(cache, 3)


def test_a_run_that_is_given_up_says_what_died(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crashing_sleeve, "HOPELESS", 1)
    with pytest.raises(RunError, match="workers died 1 times in partition 2021.*give them more memory"):
        engine([{**LEAF, "optimizer": {"name": "poison", "what": "kill", "below": 1.0}}], executor=Ray(workers=1)).run()
