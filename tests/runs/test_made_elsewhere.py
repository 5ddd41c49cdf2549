"""Blocks that were made by other code, libraries, Python or processor are told of before anything is computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import metabt
from metabt.build import keys
from metabt.cli.main import main
from metabt.lakehouse import attach, ingest
from metabt.runs import made_elsewhere as room
from metabt.runs.made_elsewhere import made_elsewhere
from tests.shared.panels import stocks
from tests.shared.small_tree import tree

SAYS = "was made with other"


class Stored:
    """A connection to a lakehouse whose newest run has recorded these versions."""

    def __init__(self, versions: dict[str, Any] | None) -> None:
        self._row = None if versions is None else ("ab" * 32, json.dumps(versions))

    def execute(self, sql: str) -> Stored:
        assert "ORDER BY started_at DESC" in sql
        return self

    def fetchone(self) -> tuple[str, str] | None:
        return self._row


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "lake"
    ingest(path, "stocks", stocks(seed=1))
    metabt.backtest(tree(), path)
    return path


@pytest.fixture
def versions(lake: Path) -> dict[str, Any]:
    with attach(lake, read_only=True) as con:
        return dict(json.loads(con.execute("SELECT versions FROM runs").fetchall()[0][0]))


def test_where_nothing_differs_nothing_is_said(lake: Path, versions: dict[str, Any]) -> None:
    with attach(lake, read_only=True) as con:
        assert made_elsewhere(con) is None
    assert made_elsewhere(Stored(versions)) is None and made_elsewhere(Stored(None)) is None  # type: ignore[arg-type]


def other(versions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return what a run would have recorded elsewhere: its blocks have other keys then."""
    told = {"keys": {kind: "0" * 64 for kind in versions["keys"]}, **changes}
    return {**versions, **{name: {**versions[name], **change} for name, change in told.items()}}


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "python": ({"platform": {"python": "2.7"}}, "python: 2.7 -> "),
    "processor": ({"platform": {"compiled_for": "z80"}}, "compiled_for: z80 -> "),
    "features": ({"platform": {"compiler_features": "+x" * 99}}, "compiler_features:"),
    "library": ({"libraries": {"numpy": "0.1"}}, "numpy: 0.1 -> "),
    "code": ({}, "code of metabt: "),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_differs_is_named(versions: dict[str, Any], change: str) -> None:
    changes, says = CHANGES[change]
    found = made_elsewhere(Stored(other(versions, **changes)))  # type: ignore[arg-type]
    assert found is not None and f"{SAYS} {says}" in found and len(found) < 500
    assert "abababababab," in found and "`metabt cache adopt`" in found


def test_a_kind_of_sleeve_that_is_gone_is_other_code(versions: dict[str, Any]) -> None:
    gone = {**versions, "keys": {"Leaf no.such.Estimator all": "0" * 64}}
    found = made_elsewhere(Stored(gone))  # type: ignore[arg-type]
    assert found is not None and SAYS in found


@pytest.mark.parametrize(
    "words", [["portfolio=mine"], ["-m", "portfolio=mine", "portfolio.lag=0,1"]], ids=["run", "sweep"]
)
def test_it_is_told_before_anything_is_computed(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "portfolio").mkdir(parents=True)
    (tmp_path / "conf" / "portfolio" / "mine.yaml").write_text(
        "{name: mine, dataset: stocks, universe: [AA, BB], optimizer: equal, lookback: 20}"
    )
    ingest(tmp_path / "lake", "stocks", stocks(seed=1))
    lakehouse = ["--lakehouse", str(tmp_path / "lake")]
    assert main(["backtest", "portfolio=mine", "portfolio.lookback=30", *lakehouse]) == 0
    assert SAYS not in capsys.readouterr().err
    real = keys.basis
    monkeypatch.setattr(room, "basis", lambda kind: real(kind)[::-1])  # this process is of another kind
    assert main(["backtest", *words, *lakehouse]) == 0
    said = capsys.readouterr().err
    assert said.count(SAYS) == 1
    monkeypatch.setattr(room, "made_elsewhere", lambda con: pytest.fail("nothing is computed"))
    assert main(["backtest", *words, *lakehouse]) == 0  # it is stored now
    assert SAYS not in capsys.readouterr().err
