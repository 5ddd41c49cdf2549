"""Tables that are spilled come back as they were, and leave nothing behind, whatever ends the process."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.errors import StoreError
from metabt.lakehouse.runs.run_digests import measured
from metabt.runs.spilled_tables import Spill
from metabt.values.tables import Coded, Table
from tests.shared.agreement import same


def table(size: int, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=size)
    numbers[: size // 3] = np.nan
    return {
        "number": numbers,
        "every_other": rng.normal(size=2 * size)[::2],
        "date": np.datetime64("2020-01-01") + np.arange(size),
        "flag": rng.random(size) < 0.5,
        "count": np.arange(size),
        "text": Coded(rng.integers(-1, 2, size).astype(np.int32), ("one", "two")),
    }


@given(st.lists(st.integers(0, 40), max_size=4), st.integers(0, 99))
def test_what_is_kept_comes_back_in_any_order(sizes: list[int], seed: int) -> None:
    spill = Spill(Path("."))
    given = [{"it": table(size, seed + place), "other": table(3, seed)} for place, size in enumerate(sizes)]
    kept = [spill.keep(tables) for tables in given]
    for tables, found in reversed(list(zip(given, kept, strict=True))):
        assert list(found) == list(tables) and len(found) == 2 and "it" in found and "none" not in found
        assert same(dict(found), tables) and measured(found) == measured(tables)
        assert all(found["it"][name].dtype == tables["it"][name].dtype for name in ("number", "date", "flag"))
    spill.close()


def test_tables_without_rows_and_runs_without_tables(tmp_path: Path) -> None:
    spill = Spill(tmp_path)
    assert dict(spill.keep({})) == {} and not spill.keep({})
    assert same(dict(spill.keep({"it": table(0, 1)})), {"it": table(0, 1)})
    spill.close()


def test_the_file_has_no_name_and_its_room_is_given_back(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    spill = Spill(tmp_path)
    assert set(os.listdir("/proc/self/fd")) == before
    spill.keep({"it": table(9, 1)})
    assert list(tmp_path.iterdir()) == [] and len(os.listdir("/proc/self/fd")) == len(before) + 1
    spill.close()
    spill.close()
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_killed_process_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; import numpy as np;"
        "from metabt.runs.spilled_tables import Spill; spill = Spill(Path(sys.argv[1]));"
        "spill.keep({'it': {'a': np.arange(10**5)}}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL and list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_that_names_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    spill = Spill(tmp_path)
    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(StoreError, match="No space left on device; free room there"):
        spill.keep({"it": table(9, 1)})
    assert list(tmp_path.iterdir()) == []
    spill.close()


def test_a_file_that_was_cut_short_is_told(tmp_path: Path) -> None:
    spill = Spill(tmp_path)
    kept = spill.keep({"metrics": {"value": np.arange(1000.0)}})
    assert spill._file is not None
    os.ftruncate(spill._file, 100)
    with pytest.raises(StoreError, match="cut short; run it again"):
        kept["metrics"]
    spill.close()


def test_what_the_system_reads_in_pieces_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call reads 2 GiB at most."""
    spill, read = Spill(tmp_path), os.preadv
    kept = spill.keep({"it": table(99, 1), "other": table(50, 2)})
    monkeypatch.setattr("os.preadv", lambda file, buffers, offset: read(file, [buffers[0][:100]], offset))
    assert same(dict(kept), {"it": table(99, 1), "other": table(50, 2)})
    spill.close()
