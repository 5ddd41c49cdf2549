"""The catalogue's dump and the way back, by the very commands of the manifests, against a real server."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import metabt
from metabt import lakehouse
from metabt.cli.main import main
from metabt.lakehouse import ingest
from tests.k8s.manifests import K8S, OVERLAYS, only
from tests.k8s.test_manifests import named
from tests.shared.agreement import same
from tests.shared.panels import stocks
from tests.shared.postgres_server import DATABASE, Server, running_server
from tests.shared.small_tree import tree

KIND = K8S / "overlays" / "kind"
WITH_BACKUPS = [folder for folder in OVERLAYS if folder.name != "s3"]
DAY = 86_400


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as found:
        yield found


def container(name: str, overlay: Path = KIND) -> dict[str, Any]:
    (found,) = only("CronJob", overlay, name)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return dict(found)


def run(name: str, server: Server, backups: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a CronJob's command as its pod would, with the folder and the catalogue of this machine."""
    found = container(name)
    stated = {it["name"]: it["value"] for it in found["env"] if "value" in it}
    assert stated["BACKUPS"] == "/backups" and "/backups" in [it["mountPath"] for it in found["volumeMounts"]]
    given = {"BACKUPS": str(backups), "METABT_CATALOG": server.catalog, "PGPASSWORD": server.password, **environment}
    settings = {"PATH": f"{server.programs}:{os.environ['PATH']}", **stated, **given}
    return subprocess.run([*found["command"], *found["args"]], env=settings, capture_output=True, text=True)


def stored(lake: Path, run_id: str) -> tuple[list[Any], dict[str, Any]]:
    """Return what is recorded of all runs, digests of their tables included, and the tables of one."""
    with lakehouse.connect(lake) as con:
        return con.execute("SELECT * FROM runs ORDER BY run_id").fetchall(), dict(lakehouse.load_run(con, run_id)[1])


def test_a_catalogue_that_was_dropped_is_restored_whole(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGPASSWORD", server.password)
    lake, backups = tmp_path / "lake", tmp_path / "backups"
    backups.mkdir()
    ingest(lake, "stocks", stocks(seed=1), catalog=server.catalog)
    run_id = metabt.backtest(tree(), lake).run_id
    rows, tables = stored(lake, run_id)

    done = run("catalogue-dump", server, backups)
    assert done.returncode == 0, done.stderr
    (dump,) = backups.iterdir()
    assert re.fullmatch(r"\d{8}T\d{6}Z\.dump", dump.name) and dump.stat().st_size > 10_000

    server.sql(f"DROP DATABASE {DATABASE} WITH (FORCE)", database="postgres")
    server.sql(f"CREATE DATABASE {DATABASE}", database="postgres")
    assert main(["check", "--lakehouse", str(lake)]) == 1
    done = run("catalogue-restore", server, backups)
    assert done.returncode == 0, done.stderr
    assert f"restoring {dump}" in done.stdout

    capsys.readouterr()
    assert main(["check", "--lakehouse", str(lake)]) == 0
    assert "1 run" in capsys.readouterr().out
    again_rows, again_tables = stored(lake, run_id)
    assert again_rows == rows and same(again_tables, tables) and len(tables) > 5
    with metabt.connect(lake) as con:
        (known,) = con.sql("SELECT count(*) FROM stages").fetchall()[0]
    again = metabt.backtest(tree(optimizer="equal"), lake)  # over the same leaves, whose blocks are found
    stages = again.frame("stages")
    leaves = stages[stages["path"].str.count("/") == 1]
    assert known > 0 and len(leaves) > 0 and leaves["cache_hit"].all()


def test_a_restore_is_all_or_nothing(server: Server, tmp_path: Path) -> None:
    server.sql("CREATE TABLE kept AS SELECT generate_series(1, 200000) AS a")
    assert run("catalogue-dump", server, tmp_path).returncode == 0
    (dump,) = tmp_path.iterdir()
    dump.write_bytes(dump.read_bytes()[: dump.stat().st_size * 4 // 5])  # what it lists is there, its rows are not all
    server.sql("INSERT INTO kept VALUES (0)")
    assert run("catalogue-restore", server, tmp_path).returncode != 0
    assert run("catalogue-restore", server, tmp_path / "none").returncode != 0
    assert server.sql("SELECT count(*) FROM kept") == ["200001"]
    server.sql("DROP TABLE kept")


def test_a_dump_that_fails_takes_the_place_of_none(server: Server, tmp_path: Path) -> None:
    old = tmp_path / "20240101T000000Z.dump"
    old.write_text("the last one that there is")
    os.utime(old, (time.time() - 30 * DAY,) * 2)
    assert run("catalogue-dump", server, tmp_path, PGPASSWORD="wrong").returncode != 0
    assert [path.name for path in tmp_path.glob("*.dump")] == [old.name]


def test_dumps_are_kept_for_a_week_and_the_newest_is_restored(server: Server, tmp_path: Path) -> None:
    for days in range(12):
        path = tmp_path / f"202401{20 - days:02d}T013000Z.dump"
        path.write_text(str(days))
        os.utime(path, (time.time() - days * DAY - 60,) * 2)
    assert run("catalogue-dump", server, tmp_path).returncode == 0
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 7 + 1 and left[0] == "20240114T013000Z.dump"
    done = run("catalogue-restore", server, tmp_path)
    assert done.returncode == 0 and f"restoring {tmp_path / left[-1]}" in done.stdout


@pytest.mark.parametrize("overlay", WITH_BACKUPS, ids=named)
def test_the_page_says_how_a_restore_is_begun(overlay: Path) -> None:
    readme = (K8S / "README.md").read_text(encoding="utf-8")
    named_jobs = re.findall(r"create job [\w-]+ --from=cronjob/(catalogue-[\w-]+)", readme)
    assert named_jobs == ["catalogue-dump", "catalogue-restore"]
    for job in ("catalogue-dump", "catalogue-restore"):
        assert container(job, overlay)["args"] == container(job)["args"]
    if overlay == KIND:  # no older than the server
        (postgres,) = only("StatefulSet", overlay)["spec"]["template"]["spec"]["containers"]
        assert container("catalogue-dump")["image"] == postgres["image"]
