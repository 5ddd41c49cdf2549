"""An answer takes a stated time and memory at most, and whoever asked can stop it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metabt.cli.main import main
from metabt.errors import ConfigError, StoreError
from metabt.lakehouse import export, query
from metabt.lakehouse.sql import limits
from metabt.lakehouse.sql.answering import rows
from metabt.lakehouse.sql.limits import Limits, available
from metabt.lakehouse.sql.result_set import QueryResult, texts

ENDLESS = "with recursive a as (select 1 as x union all select x + 1 from a) select max(x) from a"
FOREVER = "select * from range(1000000000000)"
DEAF = "select repeat('x', 2000000000)"
COMMAND = [sys.executable, "-m", "metabt", "sql", "--lakehouse"]


@pytest.mark.parametrize(("number", "code", "word"), [(signal.SIGTERM, 143, "stopped"), (signal.SIGINT, 130, "interr")])
@pytest.mark.parametrize("sql", [ENDLESS, FOREVER])
def test_a_signal_ends_it_in_order(unchanged: Path, number: signal.Signals, code: int, word: str, sql: str) -> None:
    say = f"{HEAD}; print('asked', file=sys.stderr, flush=True); time.sleep(1); {BODY}"
    arguments = [sys.executable, "-c", say, "sql", "--lakehouse", str(unchanged), sql]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as asked:
        assert asked.stderr is not None and asked.stderr.readline() == "asked\n"
        time.sleep(4)
        asked.send_signal(number)
        said = asked.stderr.read()
        assert asked.wait(30) == code
    assert f"metabt: {word}" in said and "Traceback" not in said


HEAD = "import signal, sys, time; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""A test that runs in the background of a shell has SIGINT ignored, and its children too."""
BODY = "from metabt.cli.main import main; raise SystemExit(main())"


@pytest.mark.parametrize(
    ("sql", "options", "says"),
    [
        (ENDLESS, ["--timeout", "1"], "no answer within 1 s; ask for less, or allow more with --timeout SECONDS"),
        (
            DEAF,
            ["--memory", "400M"],
            "takes more than 419 MB of memory; ask for less, or allow more with --memory SIZE",
        ),
        (
            "select list(i) from range(200000000) t(i)",
            ["--memory", "400M"],
            "takes more than 419 MB of memory; ask for less, or allow more with --memory SIZE",
        ),
        ("select 1", ["--timeout", "0"], "--timeout 0: wanted a number of seconds above 0"),
        ("select 1", ["--timeout", "nan"], "--timeout nan: wanted a number of seconds above 0"),
        ("select 1", ["--memory", "much"], "'much' is no size"),
    ],
)
def test_what_is_beyond_a_limit_is_refused_with_the_cure(
    unchanged: Path, sql: str, options: list[str], says: str
) -> None:
    done = subprocess.run([*COMMAND, str(unchanged), sql, *options], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and says in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("sql", ["select 1", "selec 1", DEAF])
def test_the_limit_of_a_question_ends_with_it(unchanged: Path, sql: str) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    main(["sql", "--lakehouse", str(unchanged), sql, "--memory", "300M"])
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_what_has_no_room_in_memory_goes_through_files(unchanged: Path) -> None:
    """Ten million rows in another order take more than the limit."""
    sql = "select sum(p * i) from (select i, row_number() over (order by hash(i)) p from range(10000000) t(i))"
    options = ["--memory", "600M", "--timeout", "600"]
    done = subprocess.run([*COMMAND, str(unchanged), sql, *options], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr


def test_a_long_answer_takes_the_memory_of_a_piece(unchanged: Path, tmp_path: Path) -> None:
    """Two million rows as Python objects are half a GB, which this limit has no room for."""
    sql = "select i, i * 2 as j, 'abc' || i as s from range(2000000) t(i)"
    with (tmp_path / "out.csv").open("wb") as out:
        arguments = [*COMMAND, str(unchanged), sql, "--format", "csv", "--memory", "320M", "--timeout", "600"]
        subprocess.run(arguments, stdout=out, check=True, timeout=900)
    with (tmp_path / "out.csv").open() as text:
        assert next(text) == "i,j,s\n"
        for number, line in enumerate(text):
            assert line == f"{number},{2 * number},abc{number}\n"
    assert number == 1_999_999


def test_only_waiting_counts(unchanged: Path) -> None:
    with rows(unchanged, "select * from range(50000)", limits=Limits(5.0)) as found:
        seen = 0
        for piece in found.pieces:
            seen += len(piece)
            time.sleep(1.5)
    assert seen == 50_000


def test_an_answer_that_is_left_early_is_stopped(unchanged: Path) -> None:
    with rows(unchanged, FOREVER) as found:
        assert next(found.pieces)[0] == (0,)
    assert not limits.left_behind()


def test_a_file_is_not_written_beyond_the_limits(unchanged: Path, tmp_path: Path) -> None:
    for ending in ("csv", "json", "parquet"):
        with pytest.raises(StoreError, match=r"no answer within 0\.3 s"):
            export(unchanged, ENDLESS, tmp_path / f"a.{ending}", limits=Limits(0.3))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cgroup").write_text("0::/a/b\n")
    (tmp_path / "sys" / "a" / "b").mkdir(parents=True)
    monkeypatch.setattr(limits, "PROCESS", tmp_path / "proc")
    monkeypatch.setattr(limits, "GROUPS", tmp_path / "sys")
    return tmp_path / "sys"


def test_memory_is_what_the_group_of_processes_may_take(group: Path) -> None:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert available() == machine and Limits().most == machine // 2
    (group / "a" / "b" / "memory.max").write_text("max\n")
    assert available() == machine
    (group / "a" / "memory.max").write_text("1000000000\n")
    assert Limits().most == 500_000_000 and Limits(memory=7).most == 7


@pytest.mark.parametrize("form", ["table", "csv", "json"])
@pytest.mark.parametrize("cuts", [[], [1], [3], [1, 2], [2, 3]])
def test_pieces_make_the_whole(form: str, cuts: list[int]) -> None:
    whole = ((1, "a\nb", None), (2, "=c", 0.1), (3, 'd"', 1e9))
    answer = QueryResult(("n", "n", "x"), ("BIGINT", "VARCHAR", "DOUBLE"), whole)
    edges = [0, *cuts, 3]
    pieces = [whole[a:b] for a, b in zip(edges, edges[1:], strict=False) if a < b]
    text = "\n".join(texts(form, answer.columns, answer.kinds, pieces))
    if form == "table":
        cells = [[line.split() for line in lines.splitlines()] for lines in (text, answer.to(form))]
        assert [cells[0][0], *cells[0][2:]] == [cells[1][0], *cells[1][2:]]  # but for the line below the names
    else:
        assert text == answer.to(form)
    if form == "json":
        values = [{"n": a, "n_2": b, "x": c} for a, b, c in whole]
        assert text == json.dumps(values, ensure_ascii=False, indent=1)


def test_an_unknown_form_is_refused_before_anything_is_asked(unchanged: Path) -> None:
    with pytest.raises(ConfigError, match="format 'xml' is unknown"):
        texts("xml", (), (), iter(()))
    assert query(unchanged, "select 1").to("json") == '[\n {\n  "1": 1\n }\n]'
