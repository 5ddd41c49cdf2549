"""The command line: what each command prints, where it goes, its exit codes, and what every bad input is told."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from metabt.build.cache.object_store import ObjectStore
from metabt.cli import progress_bar
from metabt.cli.main import main, parse
from metabt.errors import StoreError
from metabt.lakehouse import attach, connect
from tests.shared.ranked import outlook, sweep_of, swept
from tests.shared.resealed import reseal

ROOT = Path(__file__).resolve().parents[2]
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
PORTFOLIO = """\
name: mine
optimizer: inverse_volatility
lookback: 40
defaults: {lookback: 30, costs: {commission_bp: 5, slippage_bp: 1}}
sleeves:
  calm: {dataset: prices, universe: [AAA, BBB], optimizer: inverse_volatility}
  wild: {dataset: prices, universe: [CCC, DDD], optimizer: equal}
"""


def prices(n_sessions: int = 300, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    closes = 100 * np.cumprod(1 + rng.normal(0.0003, [0.005, 0.008, 0.02, 0.03], (n_sessions, 4)), axis=0)
    days = np.busday_offset("2020-01-01", np.arange(n_sessions), roll="forward")
    rows = [f"{day},{','.join(f'{price:.6f}' for price in row)}" for day, row in zip(days, closes, strict=True)]
    return "\n".join([f"Date,{','.join(SYMBOLS)}", *rows]) + "\n"


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with prices in its lakehouse and a portfolio in its conf, to be copied."""
    folder = tmp_path_factory.mktemp("furnished")
    (folder / "prices.csv").write_text(prices())
    (folder / "conf" / "portfolio").mkdir(parents=True)
    (folder / "conf" / "portfolio" / "mine.yaml").write_text(PORTFOLIO)
    lakehouse = ["--lakehouse", str(folder / "data" / "lakehouse")]
    assert main(["ingest", str(folder / "prices.csv"), "--dataset", "prices", *lakehouse]) == 0
    return folder


@pytest.fixture
def desk(furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the furnished folder to work in."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(furnished, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def told(desk: Path, capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    """Return what is printed from here on."""
    capsys.readouterr()
    return capsys


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_from_a_file_to_weights_sql_and_a_page(told: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", "portfolio=mine"]) == 0
    first = told.readouterr()
    assert re.search(r"^mine .*\n  calm .*\n  wild ", first.out, flags=re.MULTILINE)
    assert "computed earlier" not in first.out
    assert "what to try next" in first.err
    (run_id,) = re.findall(r"run ([0-9a-f]{12}) of mine in data/lakehouse", first.out)

    assert main(["backtest", "--quiet", "portfolio=mine"]) == 0
    again = told.readouterr()
    assert f"run {run_id} of mine in data/lakehouse, found: computed earlier" in again.out
    assert again.out.splitlines()[:5] == first.out.splitlines()[:5]
    assert again.err == ""

    assert main(["runs", "--format", "csv"]) == 0
    (run,) = table(told.readouterr().out)
    assert (run["run_id"][:12], run["portfolio"], run["status"]) == (run_id, "mine", "ok")

    assert main(["weights", run_id, "--format", "csv"]) == 0
    orders = table(told.readouterr().out)
    assert [order["symbol"] for order in orders] == list(SYMBOLS)
    assert sum(float(order["target"]) for order in orders) == pytest.approx(1.0, abs=1e-12)

    assert (
        main(
            [
                "sql",
                "select max(abs(c - w)) as worst from (select date, symbol, sum(weight) as c from contributions "
                "group by all) join (select date, symbol, target as w from weights) using (date, symbol)",
                "--format",
                "json",
            ]
        )
        == 0
    )
    assert json.loads(told.readouterr().out)[0]["worst"] < 1e-12

    assert main(["sql", "select symbol, target from weights", "--output", "weights.csv"]) == 0
    assert "weights.csv" in told.readouterr().out
    assert {row["symbol"] for row in table(Path("weights.csv").read_text())} <= set(SYMBOLS)

    assert main(["report", "mine", "--output", "page.html"]) == 0
    assert "page.html" in told.readouterr().out
    assert run_id in Path("page.html").read_text() and 'id="baselines"' in Path("page.html").read_text()
    assert main(["report", "mine", "--output", "page.html", "--no-baselines"]) == 0
    assert 'id="baselines"' not in Path("page.html").read_text()

    assert main(["report", "mine", "--figures", "pictures", "--format", "svg"]) == 0
    assert "pictures/growth.svg" in told.readouterr().out and "mine" in Path("pictures/growth.svg").read_text()


def test_trades_reach_the_targets(told: pytest.CaptureFixture[str], desk: Path) -> None:
    assert main(["backtest", "--quiet", "portfolio=mine"]) == 0
    (desk / "holdings.csv").write_text("symbol,value\nAAA,250\nGONE,10\n")
    told.readouterr()
    assert (
        main(["weights", "--portfolio", "mine", "--holdings", "holdings.csv", "--nav", "1000", "--format", "csv"]) == 0
    )
    trades = {row["symbol"]: row for row in table(told.readouterr().out)}
    assert set(trades) == {*SYMBOLS, "GONE"}
    assert float(trades["GONE"]["trade_value"]) == -10
    last = dict(zip(SYMBOLS, map(float, prices().splitlines()[-1].split(",")[1:]), strict=True))
    for symbol in SYMBOLS:
        row = trades[symbol]
        assert float(row["trade_value"]) == pytest.approx(float(row["wanted_value"]) - float(row["held_value"]))
        assert float(row["trade_shares"]) == pytest.approx(float(row["trade_value"]) / last[symbol])
        assert (float(row["close"]), row["close_date"]) == (last[symbol], "2021-02-23")


def test_the_book_says_which_of_its_weights_is_traded_to(told: pytest.CaptureFixture[str], desk: Path) -> None:
    """Prices end on 23 February: what was decided on the 1st has been traded, a decision of the 23rd has not."""
    (desk / "holdings.csv").write_text("symbol,value\nAAA,250\n")
    trading = ["--holdings", "holdings.csv", "--nav", "1000"]
    for settings, followed in (([], "drifted"), (["portfolio.schedule.every=1"], "target")):
        assert main(["backtest", "--quiet", "portfolio=mine", *settings]) == 0
        told.readouterr()
        assert main(["weights", "--format", "csv"]) == 0
        book = {row["symbol"]: row for row in table(told.readouterr().out)}
        assert main(["weights", *trading, "--format", "csv"]) == 0
        trades = {row["symbol"]: row for row in table(told.readouterr().out)}
        for symbol, row in book.items():
            assert (trades[symbol]["target"], trades[symbol]["drifted"]) == (row["target"], row["drifted"])
            assert float(trades[symbol]["wanted_value"]) == pytest.approx(1000 * float(row[followed]))
        gap = [float(row["target"]) - float(row["drifted"]) for row in book.values()]
        assert max(gap) > 1e-6
        moved = [float(row["trade"]) for row in book.values()]
        assert moved == pytest.approx(gap if followed == "target" else [0.0] * len(gap))
        assert main(["weights"]) == 0
        shown = told.readouterr().out
        assert main(["weights", *trading]) == 0
        for text in (shown, told.readouterr().out):
            net = sum(float(row[followed]) for row in book.values())
            assert f"traded to: {followed} (" in text and f"after trading net {net:.2%}, gross {net:.2%}" in text
            assert f"{float(book['AAA']['target']):.2%}" in text and "2021-02-23" in text


def test_a_symbol_of_two_datasets_is_priced_in_the_one_that_its_leaf_takes_it_from(
    told: pytest.CaptureFixture[str], desk: Path
) -> None:
    """X is worth about 100 in dataset a, where its leaf takes it from; ten times that, a day later, in b."""
    days = np.busday_offset("2024-01-01", np.arange(21), roll="forward")
    moves = np.random.default_rng(7).normal(0.0, 0.01, (21, 3)).cumsum(axis=0)
    x, y, z = (100.0 * np.exp(moves)).T.round(2).tolist()
    first = [f"{day},{a},{b}" for day, a, b in zip(days[:20], x, y, strict=False)]
    second = [f"{day},{10 * a:.2f},{b}" for day, a, b in zip(days, x, z, strict=True)]
    Path("a.csv").write_text("\n".join(["Date,X,Y", *first]) + "\n")
    Path("b.csv").write_text("\n".join(["Date,X,Z", *second]) + "\n")
    for name in "ab":
        assert main(["ingest", f"{name}.csv", "--dataset", name]) == 0
    Path("conf/portfolio/two.yaml").write_text(
        "name: two\ndefaults: {lookback: 5, schedule: {every: 1}}\nlookback: 5\nsleeves:\n"
        "  one: {dataset: a, universe: [X, Y]}\n  other: {dataset: b, universe: [Z]}\n"
    )
    assert main(["backtest", "--quiet", "portfolio=two"]) == 0
    Path("mine.csv").write_text("symbol,shares\nX,10\n")
    told.readouterr()
    assert main(["weights", "--holdings", "mine.csv", "--nav", "10000", "--format", "csv"]) == 0
    row = {row["symbol"]: row for row in table(told.readouterr().out)}["X"]
    assert float(row["held_value"]) == pytest.approx(10 * x[19])
    assert float(row["close"]) == x[19]
    assert float(row["trade_shares"]) == pytest.approx(float(row["wanted_value"]) / x[19] - 10)


def closing(text: str) -> list[str]:
    """Return the lines of the last paragraph."""
    return text.rstrip().split("\n\n")[-1].splitlines()


def test_every_printed_table_ends_with_what_must_be_known(told: pytest.CaptureFixture[str], desk: Path) -> None:
    """Dataset `short` ends two months before `prices`; WWW in it lacks one session of four; max_sharpe falls back."""
    rows = prices().splitlines()
    Path("short.csv").write_text("\n".join(["Date,SSS,WWW", *short_rows(rows[1:-44])]) + "\n")
    assert main(["ingest", "short.csv", "--dataset", "short"]) == 0
    Path("conf/portfolio/noted.yaml").write_text(
        "name: noted\noptimizer: max_sharpe\nlookback: 20\ndefaults: {lookback: 20, schedule: {every: 7}}\nsleeves:\n"
        "  long: {dataset: prices, universe: [AAA, BBB]}\n  other: {dataset: short, universe: [SSS, WWW]}\n"
    )
    told.readouterr()
    settings = ["portfolio=noted", "portfolio.optimizer.max_weight=0.9", "engine=local"]
    assert main(["backtest", "--quiet", *settings]) == 0
    said = closing(told.readouterr().out)
    with connect("data/lakehouse") as con:
        ((run_id, first, last),) = con.execute(
            "select run_id, min(date), max(date) from returns group by all"
        ).fetchall()
        ((fallen, made),) = con.execute(
            "select count(distinct date) filter (status like 'fallback:%'), count(distinct date) from decisions "
            "where path = 'noted'"
        ).fetchall()
        ((out, decided),) = con.execute(
            "select count(*) filter (reason = 'ineligible'), count(*) from decisions where item = 'WWW'"
        ).fetchall()
    assert fallen and out == decided
    assert said[0] == f"run {run_id[:12]} of noted in data/lakehouse; {first} to {last}"
    assert said[1] == "other than its file says: portfolio.optimizer.max_weight=0.9"
    assert said[2].startswith(f"ends on {last} with dataset 'short'; 'prices' goes on for 2 months, to 2021-02-23")
    assert said[3].startswith(
        f"fell back: noted {fallen} of {made} decisions to inverse_volatility (max_sharpe: no mean"
    )
    assert said[4].startswith(
        "left out: 1 of 2 assets of noted/other never eligible (WWW): coverage 0.75, wanted 1; set"
    )
    assert len(said) == 5
    concerns = said[2:]
    for command in (["weights"], ["explain"], ["report", "--output", "page.html"]):
        assert main(command) == 0
        shown = closing(told.readouterr().out)
        assert shown[0] == f"run {run_id[:12]} of noted; {first} to {last}" and shown[-3:] == concerns
    for form in ("csv", "json"):
        assert main(["weights", "--format", form]) == 0
        clean = told.readouterr()
        assert clean.err.splitlines() == concerns and not any(line in clean.out for line in concerns)
    assert main(["backtest", "--quiet", "portfolio=noted", "end=2020-06-30"]) == 0
    said = closing(told.readouterr().out)
    assert said[1] == "other than its file says: end=2020-06-30" and not any("goes on" in line for line in said)
    assert main(["explain", run_id, "noted"]) == 0
    said = closing(told.readouterr().out)
    assert len(said) == 6 and said[0].startswith(f"run {run_id[:12]} of noted; ") and said[1].startswith("run ")


def short_rows(rows: list[str]) -> list[str]:
    """Return rows of a wide file whose second asset lacks a price in one session of four."""
    cells = [row.split(",") for row in rows]
    return [f"{day},{one},{two if place % 4 else ''}" for place, (day, one, two, *_) in enumerate(cells)]


def append(name: str = "prices", session: str = "2021-03-01") -> None:
    """Ingest one more session of all symbols."""
    Path("more.csv").write_text(f"Date,{','.join(SYMBOLS)}\n{session},101,99,120,80\n")
    assert main(["ingest", "more.csv", "--dataset", name]) == 0


def test_weights_say_when_prices_have_changed_and_run_on_todays_data(told: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", "--quiet", "portfolio=mine", "end=2021-12-31"]) == 0
    told.readouterr()
    assert main(["weights"]) == 0
    assert told.readouterr().err == ""
    append()
    told.readouterr()
    assert main(["weights", "--format", "csv"]) == 0
    stale = told.readouterr()
    assert stale.err == (
        "prices have changed since this run: now up to 2021-03-01; `metabt weights --refresh` runs it on today's data\n"
    )
    assert main(["weights", "--refresh", "--format", "csv"]) == 0
    fresh = told.readouterr()
    assert re.search(r"^run [0-9a-f]{12} of mine on today's data, [0-9.]+ s of engine time$", fresh.err, re.MULTILINE)
    assert fresh.out != stale.out and fresh.out.splitlines()[0] == stale.out.splitlines()[0]
    assert main(["weights", "--format", "csv"]) == 0
    newest = told.readouterr()
    assert (newest.out, newest.err) == (fresh.out, "")
    with connect("data/lakehouse") as con:
        ((config,), (other,)) = con.execute("select config from runs order by started_at").fetchall()
        hits = con.execute(
            "select count(*) from stages where cache_hit and run_id = (select run_id from runs "
            "order by started_at desc limit 1)"
        ).fetchall()
    assert json.loads(config)["end"] == json.loads(other)["end"] == "2021-12-31"
    assert hits == [(3,)]  # the year before, of every sleeve
    assert main(["weights", "--refresh", "--format", "csv"]) == 0
    again = told.readouterr()
    assert again.out == fresh.out and "found: computed earlier" in again.err


NEEDLESS = {
    *("hydra", "numba.np.linalg", "pandas", "plotly", "pyarrow.compute", "pyarrow.dataset", "ray", "scipy.linalg"),
    *("metabt.config.composition", "metabt.lakehouse.ingestion.ingestion"),
}
SAY_IMPORTS = "import sys; from metabt.cli.main import main; print(main(sys.argv[1:]), *sys.modules)"


@pytest.mark.usefixtures("desk")
def test_weights_of_today_are_had_without_importing_what_takes_longer_than_they_do() -> None:
    assert main(["backtest", "--quiet", "portfolio=mine"]) == 0
    append()
    for command in (["weights", "--refresh"], ["weights"]):
        done = subprocess.run([sys.executable, "-c", SAY_IMPORTS, *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        code, *imported = done.stdout.splitlines()[-1].split()
        assert code == "0" and "duckdb" in imported
        assert sorted(NEEDLESS & set(imported)) == []


@pytest.mark.usefixtures("desk")
def test_a_question_in_sql_imports_nothing_that_computes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SAY_IMPORTS, "sql", "select 1"], capture_output=True, text=True, check=True
    )
    code, *imported = done.stdout.splitlines()[-1].split()
    assert code == "0" and "duckdb" in imported
    computing = ("numba", "metabt.numerics", "metabt.walk", "metabt.build", "metabt.estimators", "metabt.portfolio")
    assert sorted({*NEEDLESS, *computing} & set(imported)) == []


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(
    "words",
    [
        "backtest portfolio=mine engine=local",
        "backtest portfolio=mine",
        "backtest -m portfolio=mine portfolio.lookback=20,25",
        "plan portfolio=mine",
    ],
)
def test_ray_is_imported_only_where_it_walks(words: str) -> None:
    """It comes with metabt, and takes a second to import and more to start."""
    done = subprocess.run([sys.executable, "-c", SAY_IMPORTS, *words.split()], capture_output=True, text=True)
    code, *imported = done.stdout.splitlines()[-1].split()
    assert code == "0" and "numba" in imported, done.stderr
    assert not {"ray", "metabt.engines.ray.driver"} & set(imported)


def test_a_run_of_a_sweep_is_made_whole_when_its_weights_are_asked_for(told: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", "-m", "--quiet", "portfolio=mine", "portfolio.lookback=20,25"]) == 0
    told.readouterr()
    assert main(["weights", "mine", "portfolio.lookback=20", "--format", "csv"]) == 0
    whole = told.readouterr()
    assert "is kept as a summary: assembling the rest from cached blocks" in whole.err
    assert sum(float(order["target"]) for order in table(whole.out)) == pytest.approx(1.0, abs=1e-12)
    assert main(["weights", "mine", "portfolio.lookback=20", "--format", "csv"]) == 0
    again = told.readouterr()
    assert (again.out, again.err) == (whole.out, "")
    with connect("data/lakehouse") as con:
        (left,) = con.execute("select run_id from runs where keep = 'summary'").fetchall()
    assert main(["report", left[0]]) == 0
    assert "is kept as a summary" in told.readouterr().err


def test_a_run_is_explained_compared_and_reproduced(told: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", "--quiet", "portfolio=mine"]) == 0
    assert main(["backtest", "--quiet", "portfolio=mine", "portfolio.sleeves.calm.lookback=25"]) == 0
    told.readouterr()
    assert main(["explain"]) == 0
    out = told.readouterr().out
    assert "mine/calm  2020-2021 (2 blocks)\n  configuration: lookback: 30 -> 25\n" in out
    assert "mine/wild" not in out and "1 sleeve with every block found" in out
    with connect("data/lakehouse") as con:
        first, second = (row[0] for row in con.execute("select run_id from runs order by started_at").fetchall())
    assert main(["explain", first[:8], second[:8]]) == 0
    assert "configuration: portfolio.sleeves.calm.lookback: 30 -> 25" in told.readouterr().out
    assert main(["explain", first[:8], second[:8], "--format", "json"]) == 0
    assert json.loads(told.readouterr().out)[0]["what"] == "configuration"
    assert main(["explain", "--format", "csv"]) == 0
    assert {row["path"] for row in table(told.readouterr().out)} == {"mine", "mine/calm"}

    assert main(["reproduce", first[:8], "--quiet"]) == 0
    assert re.search(r"the same bytes: 8 tables, [\d,]+ rows\n$", told.readouterr().out)
    with attach("data/lakehouse") as con:
        con.execute("update returns set net = net * 1.0000001 where path = 'mine/wild' and run_id = ?", [first])
    assert main(["reproduce", first[:8], "--quiet"]) == 1  # digests tell
    assert "table returns: it is not what was stored" in told.readouterr().err
    with attach("data/lakehouse") as con:
        reseal(con)  # whoever may write may lie: computing again tells
    assert main(["reproduce", first[:8], "--quiet"]) == 1
    printed = told.readouterr()
    assert "not the same bytes: table returns: row " in printed.out
    assert printed.err.startswith("metabt: run ") and "is not reproduced" in printed.err


def test_a_cache_is_counted_checked_and_pruned(told: pytest.CaptureFixture[str], desk: Path) -> None:
    assert main(["cache", "stats"]) == 0
    assert "0 objects" in told.readouterr().out
    assert main(["backtest", "--quiet", "portfolio=mine"]) == 0
    store = desk / "data" / "lakehouse" / ".cache"
    packs, n = sorted((store / "packs").iterdir()), len(list(ObjectStore(store).keys()))
    told.readouterr()
    assert main(["cache", "stats"]) == 0
    assert f"{n} objects in {len(packs)} pack" in told.readouterr().out
    assert main(["cache", "verify", "--recompute", "1"]) == 0
    out = told.readouterr().out
    assert f"{n} sound objects" in out
    assert f"computed again: {n} of {n} objects of 1 stored run\nthe same bytes" in out

    assert main(["cache", "prune", "--max-size", "0", "--dry-run"]) == 0
    assert f"would remove {n} objects" in told.readouterr().out
    assert all(path.is_file() for path in packs)
    flipped = bytearray(packs[0].read_bytes())
    flipped[-1] ^= 1
    packs[0].write_bytes(flipped)
    assert main(["cache", "verify"]) == 1
    printed = told.readouterr()
    assert f"in pack {packs[0].name} has a section" in printed.out and "1 bad" in printed.out
    assert "not sound: 1 bad and moved to the quarantine" in printed.err
    assert main(["cache", "prune", "--max-size", "0"]) == 0
    assert f"removed {n - 1} objects" in told.readouterr().out
    assert not list((store / "packs").iterdir())
    assert main(["backtest", "--quiet", "portfolio=mine"]) == 0


def test_an_alarm_of_the_audit_is_code_one(
    told: pytest.CaptureFixture[str], desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metabt.runs import audit

    alarm = audit.Alarm("mine/calm", "2020", "ab" * 32, Path("x/ab"), ("block", "state"))
    monkeypatch.setattr(audit, "audit", lambda *arguments: audit.Audited(2, 1, 9, 3, 0, (alarm,)))
    assert main(["cache", "verify", "--recompute", "0.5"]) == 1
    printed = told.readouterr()
    assert "computed again: 3 of 9 objects of 2 stored runs (1 left out)" in printed.out
    assert "ALARM: mine/calm, 2020: other bytes come out (block and state)" in printed.out
    assert f"key {'ab' * 32}" in printed.out and "file x/ab" in printed.out
    assert "1 alarm" in printed.err


def test_a_plan_runs_nothing(told: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "portfolio=mine", "portfolio.lookback=20"]) == 0
    out = told.readouterr().out
    assert all(name in out for name in ("calm", "wild", "monthly", "blocks"))
    assert main(["runs", "--format", "csv"]) == 0
    assert table(told.readouterr().out) == []


def test_with_another_launcher_each_job_is_a_run_of_its_own(told: pytest.CaptureFixture[str]) -> None:
    argv = ["backtest", "-m", "--quiet", "portfolio=mine", "portfolio.lookback=20,40", "hydra/launcher=basic"]
    assert main(argv) == 0
    stored = re.findall(r"^run ([0-9a-f]{12}) of mine in data/lakehouse", told.readouterr().out, flags=re.MULTILINE)
    assert main(["runs", "--format", "csv"]) == 0
    assert sorted(row["run_id"][:12] for row in table(told.readouterr().out)) == sorted(stored)
    assert len(stored) == 2
    assert main([*argv, "--keep", "summary"]) == 1
    assert "--keep summary needs hydra/launcher=metabt" in told.readouterr().err


class SweepDouble(ModuleType):
    """Stand in for `metabt.runs.sweep`: remember the jobs, rank them by lookback, let lookbacks of 13 fail."""

    def __init__(self) -> None:
        super().__init__("metabt.runs.sweep")
        self.jobs: list[Any] = []
        self.asked: dict[str, Any] = {}

    def outlook(self, jobs: Sequence[Any], lakehouse: str) -> Any:
        self.jobs, self.asked = list(jobs), {"lakehouse": lakehouse}
        return outlook(n_jobs=len(jobs), n_blocks=640, n_distinct=80, n_known=48)

    def run_sweep(
        self, jobs: Sequence[Any], lakehouse: str, *, keep: str, progress: Any, announce: Any, say: Any, force: bool
    ) -> Any:
        ahead = self.outlook(jobs, lakehouse)
        self.asked["keep"] = keep
        if announce is not None:
            announce(ahead)
        return sweep_of(*(self._run(number, job) for number, job in enumerate(jobs)))

    @staticmethod
    def _run(number: int, job: Any) -> Any:
        lookback = job.config["portfolio"]["lookback"] if job.config else None
        error = job.error or ("ruined" if lookback == 13 else None)
        return swept(number, *job.overrides, error=error, sharpe=lookback or 0)


@pytest.fixture
def double(told: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> SweepDouble:
    fake = SweepDouble()
    monkeypatch.setitem(sys.modules, "metabt.runs.sweep", fake)
    return fake


SWEEP = ["backtest", "-m", "portfolio=mine", "portfolio.lookback=20,40,30", "portfolio.name='a, b'"]


def test_a_sweep_says_what_it_will_compute_and_ranks_what_came_out(
    told: pytest.CaptureFixture[str], double: SweepDouble
) -> None:
    assert main(SWEEP) == 0
    printed = told.readouterr()
    assert printed.err.startswith("3 configurations: 640 blocks named, 80 distinct, 48 of them known; computing 32\n")
    heading, *rows = printed.out.splitlines()[:4]
    assert heading.split()[:4] == ["Rank", "Run", "lookback", "Sharpe"]
    assert [row.split()[2] for row in rows] == ["40", "30", "20"]
    assert "7 blocks computed, 1.2 s in data/lakehouse" in printed.out
    assert double.asked == {"lakehouse": "data/lakehouse", "keep": "summary"}
    assert [job.config["portfolio"]["name"] for job in double.jobs] == ["a, b"] * 3
    assert double.jobs[0].overrides == ("portfolio=mine", "portfolio.lookback=20", "portfolio.name='a, b'")

    assert main([*SWEEP, "--quiet", "--keep", "all", "--lakehouse", "it's here"]) == 0
    assert told.readouterr().err == ""
    assert double.asked == {"lakehouse": "it's here", "keep": "all"}
    assert {job.config["lakehouse"] for job in double.jobs} == {"it's here"}


@pytest.mark.parametrize("launcher", ["metabt", "basic", "joblib"])
def test_a_dry_run_runs_nothing(
    told: pytest.CaptureFixture[str], double: SweepDouble, desk: Path, monkeypatch: pytest.MonkeyPatch, launcher: str
) -> None:
    monkeypatch.setattr("metabt.cli.commands.run_backtest", None)
    before = state(desk)
    assert main([*SWEEP, "--dry-run", f"hydra/launcher={launcher}"]) == 0
    printed = told.readouterr()
    assert printed.out.startswith("3 configurations: 640 blocks named, 80 distinct, 48 of them known; computing 32\n")
    assert printed.err == ""
    assert len(double.jobs) == 3 and "keep" not in double.asked
    assert state(desk) == before


def test_a_sweep_in_which_some_fail_is_code_one_after_its_ranking(
    told: pytest.CaptureFixture[str], double: SweepDouble
) -> None:
    assert main(["backtest", "-m", "portfolio=mine,nine", "portfolio.lookback=13,20", "portfolio.lag=0,1"]) == 1
    printed = told.readouterr()
    ranks = [line.split()[0] for line in printed.out.splitlines()[1:9]]
    assert ranks == ["1", "2", *"------"]
    assert "did you mean 'mine'" in printed.out
    assert "metabt: 6 of 8 configurations failed; the others are stored; the first, portfolio=mine" in printed.err
    assert "Traceback" not in printed.err


def test_batches_of_a_sweep_all_run_before_it_fails(told: pytest.CaptureFixture[str], double: SweepDouble) -> None:
    argv = ["backtest", "-m", "portfolio=mine", "portfolio.lookback=13,20,30", "hydra.sweeper.max_batch_size=2"]
    assert main(argv) == 1
    printed = told.readouterr()
    assert printed.out.count("Rank") == 2
    assert "1 of 3 configurations failed" in printed.err


def test_options_and_overrides_stand_in_any_order(told: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            [
                "backtest",
                "portfolio=mine",
                "--quiet",
                "end=2020-12-31",
                "--lakehouse",
                "data/lakehouse",
                "start=2020-06-01",
            ]
        )
        == 0
    )
    first = told.readouterr().out
    assert main(["backtest", "--quiet", "end=2020-12-31", "start=2020-06-01", "portfolio=mine"]) == 0
    assert told.readouterr().out.splitlines()[1:5] == first.splitlines()[1:5]


def test_a_benchmark_is_the_last_line_and_goes_along_when_weights_are_refreshed(
    told: pytest.CaptureFixture[str],
) -> None:
    assert main(["backtest", "portfolio=mine", "benchmark=AAA", "--quiet"]) == 0
    assert told.readouterr().out.split("\n\n")[0].splitlines()[-1].startswith("benchmark:AAA ")
    append()
    assert main(["weights", "--refresh"]) == 0
    with connect("data/lakehouse") as con:
        found = con.execute("select config from runs where portfolio = 'mine'").fetchall()
        (measured,) = con.execute("select count(*) from metrics where metric = 'beta'").fetchone() or (0,)
    assert [json.loads(config)["benchmark"]["name"] for (config,) in found] == ["prices:AAA"] * 2
    assert measured == 2 * 3  # a root over two sleeves


def test_ingesting_the_same_again_changes_nothing(told: pytest.CaptureFixture[str], desk: Path) -> None:
    before = state(desk)
    assert main(["ingest", "prices.csv", "--dataset", "prices"]) == 0
    assert told.readouterr().out
    assert state(desk)["prices"] == before["prices"]


def state(desk: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of the tables that a refused command must not touch."""
    if not (desk / "data" / "lakehouse").exists():
        return {}
    with connect(desk / "data" / "lakehouse") as con:
        return {
            name: con.execute(f"select * from {name} order by all").fetchall()
            for name in ("prices", "datasets", "runs")
        }


def long_prices(*rows: str) -> str:
    return "\n".join(["date,symbol,close", *rows]) + "\n"


BAD_PRICES = [
    ("Day of the week,AAA\nmonday,1\n", "date"),
    (long_prices("2020-01-02,AAA,1", "2020-01-02,AAA,2"), "AAA.*2020-01-02"),
    (long_prices("2020-01-02,AAA,1", "2020-01-03,AAA,0"), "AAA.*2020-01-03"),
    (long_prices("2020-01-02,AAA,-1"), "AAA.*2020-01-02"),
    (long_prices("2020-01-02,AAA,inf"), "AAA.*2020-01-02"),
    ("", "bad.csv"),
]


@pytest.mark.parametrize(("text", "says"), BAD_PRICES)
def test_bad_prices_are_refused_and_leave_the_lakehouse_alone(
    told: pytest.CaptureFixture[str], desk: Path, text: str, says: str
) -> None:
    (desk / "bad.csv").write_text(text)
    before = state(desk)
    assert main(["ingest", "bad.csv", "--dataset", "bad"]) == 1
    assert_refused(told, says)
    assert state(desk) == before


BAD_COMMANDS = [
    (["ingest", "none.csv", "--dataset", "x"], "none.csv"),
    (
        ["backtest", "portfolio=mine", "portfolio.sleeves.calm.universe=[AAA,BBX]"],
        "mine/calm.*'BBX'.*did you mean 'BBB'",
    ),
    (
        ["backtest", "portfolio=mine", "portfolio.sleeves.calm.dataset=price"],
        "mine/calm.*'price'.*did you mean 'prices'",
    ),
    (["backtest", "portfolio=mine", "portfolio.sleeves.calm.lookback=3000"], "mine/calm.*300 sessions.*3000.*shorten"),
    (["backtest", "portfolio=mine", "portfolio.sleeves.calm.optimizer=inverse_volatilty"], "mine/calm.*did you mean"),
    (
        ["backtest", "portfolio=mine", "portfolio.sleeves.calm.optimizer.max_wieght=0.3"],
        "mine/calm.*max_wieght.*max_weight",
    ),
    (
        ["backtest", "portfolio=mine", "portfolio.sleeves.calm.optimizer.max_weight=0.3"],
        "mine/calm.*cannot sum to one.*0.6",
    ),
    (["backtest", "portfolio=mine", "portfolio.optimizer.min_weight=0.6"], "mine.*cannot sum to one"),
    (["backtest", "portfolio=mine", "portfolio.lookbak=3"], "unknown key 'lookbak'; did you mean 'lookback'"),
    (["backtest", "portfolio=mine", "portfolio.sleeves.calm.universe=[]"], r"mine/calm.*universe is \[\]"),
    (
        ["backtest", "portfolio=mine", "portfolio.sleeves={}", "~portfolio.sleeves.calm", "~portfolio.sleeves.wild"],
        "sleeve",
    ),
    (["backtest", "portfolio=mine", "portfolio.sleeves.calm.universe=[AAA,true]"], "mine/calm.*True.*quotes"),
    (["backtest", "portfolio=mine", "portfolio.schedule=mothly"], "monthly"),
    (["backtest", "portfolio=mine", "portfolio.lag=-1"], "lag is -1"),
    (["backtest", "portfolio=mine", "start=2000"], "start.*2000-01-31"),
    (["backtest", "portfolio=mine", "start=2040-01-01"], "2040-01-01"),
    (["backtest", "portfolio=mine", "end=1980-01-01"], "1980-01-01|end"),
    (["backtest", "portfolio=mine", "benchmark=AAAA"], "benchmark 'AAAA'.*did you mean 'AAA'"),
    (["backtest", "portfolio=mine", "benchmark=[AAA]"], "benchmark is .*wanted a symbol"),
    (["plan", "portfolio=mine", "benchmark=AAAA"], "benchmark 'AAAA'.*did you mean 'AAA'"),
    (["backtest", "portfolio=mine", "engine=lokal"], "did you mean 'local'"),
    (["backtest", "portfolio=mines"], "no portfolio 'mines'; did you mean 'mine'"),
    (["backtest", "portfolio=mine", "lakehouse=prices.csv/lake"], "prices.csv"),
    (["backtest", "portfolio=mine", "--lakehouse", "nowhere"], "nowhere.*metabt ingest"),
    (["backtest", "-m", "portfolio=mine", "portfolio.sleeves.clam.lookback=20,30"], "did you mean 'calm'"),
    (["backtest", "-m", "portfolio=mine", "lakehouse=data/lakehouse,elsewhere"], "one lakehouse.*elsewhere"),
    (["backtest", "-m", "portfolio=mines", "portfolio.lookback=20,30"], "no portfolio 'mines'; did you mean 'mine'"),
    (["backtest", "-m", "portfolio=mine", "portfolio.lookback=interval(1,2)"], "does not support sweep type"),
    (["backtest", "portfolio=mine", "--dry-run"], "add -m; .*metabt plan"),
    (["backtest", "portfolio=mine", "--keep", "all"], "add -m"),
    (["plan", "portfolio=mine", "portfolio.lag=-1"], "lag is -1"),
    (["sql", "delete from prices"], "read-only"),
    (["sql", "drop table runs"], "read-only"),
    (["sql", "select 1; select 2"], "one"),
    (["sql", "copy prices to 'out.csv'"], "read-only"),
    (["sql", "select * from read_csv('prices.csv')"], "read_csv"),
    (["sql", "select nope from prices"], "nope"),
    (["sql", "select 1", "--output", "answer.xlsx"], "name it .csv, .json or .parquet"),
    (["weights", "--holdings", "prices.csv"], "--nav"),
    (["weights"], "no run"),
    (["weights", "--refresh"], "no run"),
    (["report"], "no run"),
    (["weights", "a", "--portfolio", "b"], "name one of them"),
    (["explain"], "no run"),
    (["explain", "latest", "nope"], "no run"),
    (["reproduce"], "no run"),
    (["explain", "--lakehouse", "nowhere"], "nowhere.*metabt ingest"),
    (["cache", "stats", "--lakehouse", "nowhere"], "nowhere.*metabt ingest"),
    (["cache", "prune"], "--keep 30d"),
    (["cache", "prune", "--keep", "30"], "'30' is no age"),
    (["cache", "prune", "--max-size", "much"], "'much' is no size"),
    (["cache", "stats", "--dry-run"], "metabt cache prune, not for stats|for `metabt cache prune`"),
    (["cache", "verify", "--recompute", "2"], "--recompute 2: wanted a share"),
    (["cache", "prune", "--keep", "1d", "--recompute", "0.5"], "with `metabt cache verify`"),
]


@pytest.mark.parametrize(
    ("argv", "says"), BAD_COMMANDS, ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else ""
)
def test_a_bad_command_names_the_culprit_and_leaves_the_lakehouse_alone(
    told: pytest.CaptureFixture[str], desk: Path, argv: list[str], says: str
) -> None:
    before = state(desk)
    assert main(argv) == 1
    assert_refused(told, says)
    assert state(desk) == before


def assert_refused(told: pytest.CaptureFixture[str], says: str) -> None:
    printed = told.readouterr()
    assert printed.out == ""
    notices = re.match(r"((engine local: |compil).*\n)*metabt: ", printed.err)
    assert notices, printed.err
    assert re.search(says, printed.err, flags=re.DOTALL), printed.err
    assert "Traceback" not in printed.err


@pytest.mark.parametrize("sweep", [[], ["-m", "portfolio.lookback=40,50"]])
def test_what_takes_more_memory_than_there_is_is_refused_and_forced(
    told: pytest.CaptureFixture[str], desk: Path, monkeypatch: pytest.MonkeyPatch, sweep: list[str]
) -> None:
    monkeypatch.setattr("metabt.engines.usable_memory.usable_memory", lambda: 1000)
    command = ["backtest", "portfolio=mine", *sweep]
    before = state(desk)
    assert main(command) == 1
    said = told.readouterr()
    assert said.out == "" and re.search("of memory, this process may use .* --force runs it all the same", said.err)
    assert state(desk) == before
    assert main([*command, "--force"]) == 0
    told.readouterr()
    assert main(["runs", "--format", "csv"]) == 0
    assert len(table(told.readouterr().out)) == (2 if sweep else 1)


def test_what_has_been_run_is_refreshed_without_being_asked_to_force_it(
    told: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`weights` has no --force."""
    assert main(["backtest", "portfolio=mine"]) == 0
    append()
    monkeypatch.setattr("metabt.engines.usable_memory.usable_memory", lambda: 1000)
    assert main(["weights", "mine", "--refresh"]) == 0
    assert "on today's data" in told.readouterr().err


def test_a_lakehouse_that_cannot_be_written_is_refused(told: pytest.CaptureFixture[str]) -> None:
    assert main(["ingest", "prices.csv", "--dataset", "x", "--lakehouse", "prices.csv/lake"]) == 1
    assert_refused(told, "cannot be written")


def test_a_page_is_written_where_its_run_cannot_be_walked_again(
    told: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["backtest", "--quiet", "portfolio=mine"]) == 0
    monkeypatch.setattr("metabt.runs.request._basis", lambda code: {"format": 2})  # as other code would name it
    assert main(["report"]) == 0
    page = Path("report.html").read_text(encoding="utf-8")
    assert page.count("cannot be walked again for what its tables do not hold: what it was made with has changed") == 2


def test_a_failed_run_has_no_page(told: pytest.CaptureFixture[str]) -> None:
    bad = "portfolio.sleeves.calm.optimizer={name: min_variance, max_weight: 0.1}"
    assert main(["backtest", "-m", "--quiet", "portfolio=mine", bad]) == 1
    with connect("data/lakehouse") as con:
        failed = con.execute("select run_id from runs where status <> 'ok'").fetchall()
    told.readouterr()
    assert main(["report", failed[0][0]]) == 1
    assert "failed" in told.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--output", "nowhere/page.html"], "nowhere/page.html.*no folder 'nowhere'; make it, or name another file"),
        (["--output", "s3://b/page.html"], "report 's3://b/page.html' is an address"),
        (["--figures", "gs://b/pictures"], "folder of figures 'gs://b/pictures' is an address"),
        (["mine", "mine"], "'mine' and 'mine' are both run .*which has no other beside it"),
        (["mine", "latest", "--figures", "pictures"], "--figures are for one run, not for two"),
        (["--format", "svg"], "--format svg is one of pictures.*add --figures FOLDER"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused(
    told: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    assert main(["backtest", "--quiet", "portfolio=mine"]) == 0
    told.readouterr()
    assert main(["report", *options]) == 1
    assert_refused(told, says)
    assert not Path("report.html").exists()


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["nope"],
        ["ingest"],
        ["sql"],
        ["runs", "--format", "xml"],
        ["runs", "stray=1"],
        ["backtest", "--nope"],
        ["backtest", "--keep", "x"],
        ["cache"],
        ["cache", "clean"],
        ["explain", "a", "b", "c"],
    ],
)
def test_wrong_usage_is_code_two(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2
    assert "usage: metabt" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["-m", "portfolio=demo", "a=1,2"], ["portfolio=demo"], ["+x@y=a b"]])
def test_an_override_without_a_command_is_told_which(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(argv)
    (suggestion,) = re.findall("did you mean: metabt (.*)", capsys.readouterr().err)
    assert shlex.split(suggestion) == ["backtest", *argv] and parse(["backtest", *argv]).overrides


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("Query interrupted")], ids=["Python", "DuckDB"])
def test_an_interrupt_is_code_130(
    told: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Also where it comes while DuckDB runs a query, which makes an error of its own of it."""

    def interrupt(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr("metabt.cli.commands.run_backtest", interrupt)
    assert main(["backtest", "portfolio=mine"]) == 130
    assert told.readouterr().err.startswith(
        "metabt: interrupted; nothing half-done is stored, what was computed is kept"
    )


@pytest.mark.parametrize("becomes", [KeyboardInterrupt, ValueError, StoreError])
def test_sigterm_ends_a_command_in_order_whatever_a_library_makes_of_it(
    told: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, becomes: type[BaseException]
) -> None:
    let_go = []

    def terminated(*args: object, **kwargs: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        except KeyboardInterrupt:
            os.kill(os.getpid(), signal.SIGTERM)  # a second one does not disturb what the first has begun
            time.sleep(0.01)
            let_go.append("an actor")
            raise becomes("what a library says") from None

    monkeypatch.setattr("metabt.cli.commands.run_backtest", terminated)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["backtest", "portfolio=mine"]) == 143
    assert let_go == ["an actor"] and signal.getsignal(signal.SIGTERM) is before
    printed = told.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r"metabt: stopped; .* what was computed is kept, and the same command .*\n", printed.err)


def test_a_reader_that_leaves_is_no_error(desk: Path) -> None:
    many = "select a.symbol, b.date from prices a, prices b limit 200000"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'"{sys.executable}" -m metabt sql "{many}" | head -1'],
        cwd=desk,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_jobs_are_the_same_commands(desk: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def job(name: str, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "jobs" / name), *args],
            cwd=desk,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert job("ingest.py", "prices.csv", "--dataset", "again").returncode == 0
    done = job(
        "backtest.py", "portfolio=mine", "portfolio.sleeves.calm.dataset=again", "portfolio.sleeves.wild.dataset=again"
    )
    assert done.returncode == 0, done.stderr
    with connect(desk / "data" / "lakehouse") as connection:
        ((run_id,),) = connection.execute("select run_id from runs").fetchall()
    assert done.stdout.splitlines()[-1] == run_id and f"run {run_id[:12]} of mine" in done.stdout
    failed = job("backtest.py", "portfolio=nope")
    assert (failed.returncode, failed.stdout) == (1, "")


@pytest.mark.parametrize("launcher", ["metabt", "basic"])
def test_the_last_line_of_a_sweep_is_its_identity_where_it_is_asked_for(
    told: pytest.CaptureFixture[str], desk: Path, launcher: str
) -> None:
    words = ["backtest", "-m", "portfolio=mine", f"hydra/launcher={launcher}", "--print-id"]
    assert main([*words, "portfolio.lookback=20,25"]) == 0
    *above, last = told.readouterr().out.splitlines()
    with connect(desk / "data" / "lakehouse") as connection:
        asked = connection.execute(
            "select sweep_id, count(*) from asked where sweep_id is not null group by 1"
        ).fetchall()
    assert asked == [(last.removeprefix("sweep "), 2)] and last.startswith("sweep ")
    if launcher == "metabt":
        assert main([*words, "portfolio.lookback=20,25", "--dry-run"]) == 0
        assert not told.readouterr().out.splitlines()[-1].startswith("sweep ")
    assert main([*words, "portfolio.sleeves.calm.universe=[AAA],[ZZZ]"]) == 1
    assert not told.readouterr().out.splitlines()[-1].startswith("sweep ")


def test_the_bar_counts_blocks_and_stays_quiet_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar.progress_bar(shown=True) as bar:
        bar(1, 3, "a")
        bar(3, 3, "b")
    assert capsys.readouterr().err == ""


def test_a_compilation_is_announced_and_timed(capsys: pytest.CaptureFixture[str]) -> None:
    from numba import njit

    with progress_bar.compilation_notice(shown=True):
        assert njit(lambda x: x + 1)(1) == 2
    assert re.search(r"compiling kernels for first use .*compiled .* in [0-9.]+ s", capsys.readouterr().err, re.DOTALL)
    with progress_bar.compilation_notice(shown=True):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_the_demo_runs_and_runs_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("skfolio")
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    first = capsys.readouterr().out
    for name in ("demo", "  equities", "    technology", "  factors", "  hedge"):
        assert re.search(rf"^{name} ", first, flags=re.MULTILINE)
    assert main(["demo", "--quiet"]) == 0
    assert "found: computed earlier" in capsys.readouterr().out
    assert main(["sql", "select date, symbol, target from weights order by date desc limit 20", "--format", "csv"]) == 0
    assert {row["symbol"] for row in table(capsys.readouterr().out)} & {"AAPL", "XOM", "MTUM"}
    assert (
        main(
            [
                "sql",
                "select min(date) as d from decisions where path = 'demo/factors' and weight > 0",
                "--format",
                "csv",
            ]
        )
        == 0
    )
    assert table(capsys.readouterr().out)[0]["d"].startswith("2015")
