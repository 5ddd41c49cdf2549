"""A sweep whose groups are walked and assembled by actors: the bits, the runs and the numbers of one process."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import ray

import metabt
from metabt import lakehouse
from metabt.config import Job
from metabt.engines.ray import group_sweep
from metabt.engines.ray.group_sweep import Group, GroupSweep
from metabt.lakehouse import check_lakehouse, ingest
from metabt.lakehouse.folder.staging import STAGED
from metabt.runs.sweep import run_sweep
from metabt.runs.swept import Sweep
from tests.shared.agreement import same
from tests.shared.executors import COINS, NESTED, RULES, STOCKS, years
from tests.shared.jobs import job

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("cluster")]


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("groups") / "lake"
    for name, frame in years(5).items():
        ingest(path, name, frame)
    return path


@pytest.fixture
def lakes(prices: Path, tmp_path: Path) -> tuple[str, str]:
    return tuple(str(shutil.copytree(prices, tmp_path / name)) for name in ("here", "there"))  # type: ignore[return-value]


def jobs(engine: str, **changes: Any) -> list[Job]:
    """Return configurations of which some share leaves, some share none, and one cannot run."""
    cluster = {"cluster": {"workers": 2}} if engine == "ray" else {}
    trees = [{**NESTED, "optimizer": name, "lookback": n} for name in ("erc", "equal", "hrp") for n in (20, 40)]
    trees += [{"name": "leaf", **RULES, "universe": STOCKS, "optimizer": "erc", "lookback": n} for n in (25, 35)]
    soaring = {**RULES, "universe": COINS, "dataset": "coins", "direction": "short", "lookback": 5}
    trees.append({"name": "over", "defaults": RULES, "sleeves": {"s": soaring, "ok": {"universe": STOCKS[:2]}}})
    return [job({**tree, **changes, "name": f"t{i}"}, engine=engine, **cluster) for i, tree in enumerate(trees)]


def assert_alike(found: Sweep, expected: Sweep, lakes: tuple[str, str]) -> None:
    assert [(it.run_id, it.status, it.error, it.metrics) for it in found.runs] == [
        (it.run_id, it.status, it.error, it.metrics) for it in expected.runs
    ]
    assert (found.computed, found.leaf_computed) == (expected.computed, expected.leaf_computed)
    assert found.notes == expected.notes and found.sweep_id == expected.sweep_id
    assert_stored(found, lakes)


def assert_stored(found: Sweep, lakes: tuple[str, str]) -> None:
    with metabt.connect(lakes[0]) as here, metabt.connect(lakes[1]) as there:
        for run in found.runs:
            if run.status == "ok":
                one, other = lakehouse.load_run(here, run.run_id)[1], lakehouse.load_run(there, run.run_id)[1]
                assert one.keys() == other.keys() and same(one, other, ignoring=("stages",))


@pytest.mark.parametrize("keep", ["summary", "all"])
def test_a_sweep_in_groups_is_the_sweep_in_one_process(
    keep: str, lakes: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_sweep, "WORTH", 0.02)  # many groups
    told: list[tuple[int, int, str]] = []
    expected = run_sweep(jobs("local"), lakes[0], keep=keep)
    found = run_sweep(jobs("ray"), lakes[1], keep=keep, progress=lambda *told_of: told.append(told_of))
    assert_alike(found, expected, lakes)
    assert any("roots" in last for _, _, last in told) and [one for one, _, _ in told] == sorted(it[0] for it in told)
    if keep == "summary":  # leaves are known now, and what is above them is not
        again = run_sweep(jobs("ray", lag=1), lakes[1])
        assert_alike(again, run_sweep(jobs("local", lag=1), lakes[0]), lakes)


def test_a_group_whose_actor_dies_is_walked_by_another(lakes: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_sweep, "WORTH", 0.02)
    confirm, killed = Group.confirm, []

    def confirmed(self: Group) -> Any:
        finished = confirm(self)
        if not killed:
            assert self.host is not None
            killed.append(self.positions)
            ray.kill(self.host.actor)
        return finished

    monkeypatch.setattr(Group, "confirm", confirmed)
    found, expected = run_sweep(jobs("ray"), lakes[1]), run_sweep(jobs("local"), lakes[0])
    assert killed
    assert [(it.run_id, it.metrics) for it in found.runs] == [(it.run_id, it.metrics) for it in expected.runs]
    assert_stored(found, lakes)  # a group that was written, and not heard of, is written again, and stored once
    assert not check_lakehouse(Path(lakes[1])).faults and not (Path(lakes[1]) / STAGED).exists()


def test_a_sleeve_that_ends_its_process_fails_its_own_trees(
    lakes: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_sweep, "WORTH", 0.02)
    by_lanes, asked = GroupSweep._by_lanes, []
    monkeypatch.setattr(GroupSweep, "_by_lanes", lambda self, group: asked.append(group) or by_lanes(self, group))
    kills = {"name": "poison", "what": "kill", "below": -0.05}
    victim = {"name": "victim", "defaults": RULES, "sleeves": {"bad": {"universe": STOCKS, "optimizer": kills}}}
    several = [job(victim, engine="ray", cluster={"workers": 2}), *jobs("ray")[6:8]]
    swept = run_sweep(several, lakes[1])
    assert len(asked) == 1 and [it.status for it in swept.runs] == ["failed", "ok", "ok"]
    assert "sleeve 'victim/bad': " in str(swept.runs[0].error) and "it ends its process" in str(swept.runs[0].error)


def test_where_everything_is_known_no_actor_is_hired(lakes: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    run_sweep(jobs("local")[:2], lakes[1])
    monkeypatch.setattr(GroupSweep, "finished", lambda self: pytest.fail("it was not needed"))
    known = [job({**NESTED, "optimizer": "min_variance", "name": "other"}, engine="ray")]
    assert run_sweep(known, lakes[1]).runs[0].status == "ok"
