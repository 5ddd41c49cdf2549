"""`ray job submit` from a checkout, with a token: results, logs, exit codes, refusals, stopping and going on."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
from pathlib import Path

import pandas as pd
import pytest

import metabt
from metabt import lakehouse
from metabt.build.cache.disk import DiskCache
from metabt.cli.main import main
from metabt.lakehouse.folder.lost_catalogue import CACHE
from tests.jobs.submissions import Submission, actors, assert_gone, driver_of
from tests.shared.agreement import same
from tests.shared.heads import Head

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("jobs")]

ROOT = Path(__file__).resolve().parents[2]
ADDRESS, LAKE = "http://127.0.0.1:8265", "/data/lakehouse"
"""As the page on clusters has them."""


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory, sp500: pd.DataFrame, factor_etfs: pd.DataFrame) -> Path:
    """Make a lakehouse with a few years of the demo's prices."""
    path = tmp_path_factory.mktemp("prices") / "lakehouse"
    lakehouse.ingest(path, "sp500", sp500.loc["2018":])
    lakehouse.ingest(path, "factor_etfs", factor_etfs.loc["2018":])
    return path


@pytest.fixture
def lake(tmp_path: Path, prices: Path) -> Path:
    """Make a lakehouse with these prices alone."""
    return Path(shutil.copytree(prices, tmp_path / "lakehouse"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, prices: Path) -> metabt.Result:
    """Run the larger portfolio in one process, in a lakehouse of its own."""
    path = shutil.copytree(prices, tmp_path_factory.mktemp("undisturbed") / "lakehouse")
    metabt.backtest("thousand", path, engine="local")
    return metabt.load(path)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Make a folder of somebody whose cluster has metabt installed: jobs alone, so that kernels are compiled once."""
    path = tmp_path / "desk"
    shutil.copytree(ROOT / "jobs", path / "jobs")
    return path


def runs(lake: Path) -> list[tuple[str, str, str]]:
    with lakehouse.connect(lake) as con:
        return con.execute("select portfolio, status, engine from runs order by started_at, run_id").fetchall()


def published(lake: Path) -> int:
    return sum(1 for _ in DiskCache(lake / CACHE).store.keys())


def test_what_the_page_on_clusters_says_of_jobs_works(head: Head, lake: Path, desk: Path) -> None:
    assert Submission.of(head, "true", desk).wait() == ("SUCCEEDED", 0)  # the head has an agent by now
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"## Jobs on a cluster\n.*?```sh\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for line in block.replace("\\\n", "").splitlines() if line.startswith(("ray job", "metabt"))]
    assert sum("ray job submit" in line for line in lines) == 2 and any("ray job stop" in line for line in lines)
    for line in lines:
        here = line.replace(ADDRESS, head.address).replace(LAKE, str(lake)).replace("metabt ", "python -m metabt ")
        done = subprocess.run(["bash", "-c", here], cwd=ROOT, env=head.settings, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        if "--no-wait" not in line and "job submit" in line:
            assert re.search(r"^engine ray: about \d+ s of work for the cluster$", done.stdout, flags=re.MULTILINE)
            assert re.search(r"^  equities .*%$", done.stdout, flags=re.MULTILINE)
            assert f"of demo in {lake}" in done.stdout
    assert ("demo", "ok", "ray") in runs(lake)
    assert_gone(head)


@pytest.mark.parametrize("engine", ["auto", "ray"])
def test_a_job_attaches_and_leaves_the_cluster_as_it_was(head: Head, lake: Path, desk: Path, engine: str) -> None:
    nodes = head.nodes()
    job = Submission.of(head, f"python jobs/backtest.py portfolio=demo engine={engine} lakehouse={lake}", desk)
    assert job.wait() == ("SUCCEEDED", 0), job.log
    assert ("engine ray: about" in job.log) == (engine == "auto")
    assert f"of demo in {lake}" in job.log and runs(lake) == [("demo", "ok", "ray")]
    assert job.log.splitlines()[-1] == metabt.load(lake).run_id
    assert_gone(head)
    assert head.nodes() == nodes


def test_a_sweep_expands_its_grid_on_the_head(head: Head, lake: Path, desk: Path) -> None:
    """Its files and its glob are those of the folder that was sent; who submits reads none of them."""
    (desk / "conf" / "portfolio").mkdir(parents=True)
    for name, symbols in (("own_a", "[AAPL, AMD]"), ("own_b", "[CVX, XOM]")):
        text = f"{{name: {name}, dataset: sp500, universe: {symbols}, optimizer: erc}}\n"
        (desk / "conf" / "portfolio" / f"{name}.yaml").write_text(text)
    line = f"python jobs/backtest.py -m portfolio=glob(own_*) portfolio.lookback=range(60,100,20) lakehouse={lake}"
    job = Submission.of(head, line, desk)
    assert job.wait() == ("SUCCEEDED", 0), job.log
    assert "\n4 configurations: " in job.log
    kind, sweep_id = job.log.splitlines()[-1].split()
    with lakehouse.connect(lake) as con:
        asked = con.execute("select sweep_id, count(*) from asked where sweep_id is not null group by 1").fetchall()
    assert kind == "sweep" and asked == [(sweep_id, 4)]
    assert sorted(runs(lake)) == [(name, "ok", "ray") for name in ("own_a", "own_a", "own_b", "own_b")]
    assert_gone(head)


FAILURES = {
    "no lakehouse": ("backtest.py portfolio=demo lakehouse={lake}/none", 1, "no lakehouse at"),
    "a setting": ("backtest.py portfolio=demo portfolio.lookbak=3 lakehouse={lake}", 1, "did you mean 'lookback'"),
    "usage": ("backtest.py --nope", 2, "unrecognized arguments: --nope"),
    "one of a sweep": (
        "backtest.py -m portfolio=one portfolio.lookback=60,9999 engine=local lakehouse={lake}",
        1,
        "1 of 2 configurations failed",
    ),
    "a run in its folder": ("backtest.py portfolio=demo lakehouse=data/lake", 1, "a folder that Ray deletes"),
    "the default lakehouse": ("backtest.py portfolio=demo", 1, "'data/lakehouse' is in the working directory of job"),
    "prices in its folder": ("ingest.py {prices} --dataset d --lakehouse lake", 1, "a folder that Ray deletes"),
}


@pytest.mark.parametrize(("entrypoint", "code", "says"), FAILURES.values(), ids=FAILURES)
def test_a_job_fails_with_the_exit_code_and_the_message_of_metabt(
    head: Head, lake: Path, desk: Path, tmp_path: Path, entrypoint: str, code: int, says: str
) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text("Date,A\n2024-01-02,1\n2024-01-03,2\n")
    job = Submission.of(head, "python jobs/" + entrypoint.format(lake=lake, prices=prices), desk)
    assert job.wait() == ("FAILED", code), job.log
    assert says in job.log and "Traceback" not in job.log


MANY = "python jobs/backtest.py portfolio=thousand lakehouse={}"


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_a_job_that_ended_early_is_gone_on_from(
    head: Head, lake: Path, desk: Path, undisturbed: metabt.Result, end: str
) -> None:
    job = Submission.of(head, MANY.format(lake), desk)
    job.until(lambda: published(lake) > 200)
    assert "SleeveActor" in actors(head)
    if end == "stopped":
        assert head.job("stop", job.name)[0] == 0
        assert job.wait()[0] == "STOPPED"
        assert re.search(r"^metabt: stopped; .*the same command goes on", job.log, flags=re.MULTILINE), job.log
    else:
        os.kill(driver_of(head, str(lake)), signal.SIGKILL)
        assert job.wait()[0] == "FAILED"
    assert "Traceback" not in job.log
    assert_gone(head)
    assert runs(lake) == []
    known = published(lake)
    assert main(["cache", "verify", "--lakehouse", str(lake)]) == 0

    again = Submission.of(head, MANY.format(lake), desk)
    assert again.wait() == ("SUCCEEDED", 0), again.log
    found = metabt.load(lake)
    stages = found.frame("stages").drop_duplicates(["path", "partition"])
    print(f"{end} after {known} of {len(stages)} blocks; {stages['cache_hit'].sum()} found by the same command")
    assert 200 < known == stages["cache_hit"].sum() < len(stages)

    assert found.run_id == undisturbed.run_id and same(found.tables, undisturbed.tables, ignoring=("stages", "sleeves"))


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_command_that_is_terminated_ends_with_code_143(head: Head, lake: Path, engine: str) -> None:
    line = ["-m", "metabt", "backtest", "portfolio=thousand", f"engine={engine}", f"lakehouse={lake}"]
    environment = {**head.settings, "RAY_ADDRESS": head.gcs}
    with subprocess.Popen([sys.executable, *line], env=environment, stderr=subprocess.PIPE, text=True) as command:
        while published(lake) < 100:
            assert command.poll() is None
            time.sleep(0.1)
        command.terminate()
        said = command.communicate(timeout=300)[1]
    assert command.returncode == 143 and said.splitlines()[-1].startswith("metabt: stopped; "), said
    assert runs(lake) == [] and main(["cache", "verify", "--lakehouse", str(lake)]) == 0
    assert_gone(head)


@pytest.mark.parametrize(("token", "refusal"), [("", 401), ("wrong", 403)])
def test_without_its_token_nobody_submits(head: Head, desk: Path, token: str, refusal: int) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        head.ask("/api/jobs/", token, b'{"entrypoint": "true"}')
    assert refused.value.code == refusal
    refused.value.close()
    code, said = head.job("submit", "--working-dir", ".", "--", "true", cwd=desk, RAY_AUTH_TOKEN=token)
    assert code == 1 and "AuthenticationError" in said and "submitted successfully" not in said
