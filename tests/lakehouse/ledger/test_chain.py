"""A row of the ledger that was changed or taken out is named, and nothing else is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.lakehouse import attach, check_lakehouse, commit_runs
from metabt.lakehouse.catalog.schema import insert
from metabt.lakehouse.catalog.transaction import transact
from metabt.lakehouse.ledger.chain import COLUMNS, Link, read_chain, rows_of
from metabt.lakehouse.ledger.family import family
from metabt.lakehouse.stored_data import forget
from tests.shared.laws import examples
from tests.shared.noted import run, trial

N = 8
CHANGES = {
    "ordinal": "99",
    "at": "TIMESTAMP '2020-02-02'",
    "who": "'somebody else'",
    "kind": "'seal'",
    "key": "'another'",
    "content": "replace(content, '\"ok\"', '\"failed\"')",
    "previous": "'0'",
    "hash": "'0'",
}


@pytest.fixture(scope="module")
def noted(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse with a ledger of eight rows, of which three commits wrote some each."""
    lake = Path(shutil.copytree(template, tmp_path_factory.mktemp("noted") / "lake"))
    for some in (range(3), range(3, 6), range(6, N)):
        commit_runs(lake, [run(n, 260) for n in some], trials=[trial(n) for n in some])
    return lake


@pytest.fixture
def lake(noted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(noted, tmp_path / "lake"))


@pytest.fixture(scope="module")
def links(noted: Path) -> Iterator[tuple[Link, ...]]:
    with attach(noted, read_only=True) as con:
        yield read_chain(con).links


def change(lake: Path, *statements: str) -> str | None:
    """Change what is stored behind the ledger's back, and return what the chain says."""

    def work(con: duckdb.DuckDBPyConnection) -> None:
        for statement in statements:
            con.execute(statement)

    transact(lake, work)
    with attach(lake, read_only=True) as con:
        return read_chain(con).fault


def test_what_nobody_touched_is_sound(noted: Path) -> None:
    assert change(noted) is None
    found = check_lakehouse(noted)
    assert not found.faults and found.counts["trials"] == N


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", [1, 5, N])
def test_a_changed_row_is_named(lake: Path, column: str, row: int) -> None:
    said = change(lake, f'UPDATE ledger SET "{column}" = {CHANGES[column]} WHERE ordinal = {row}')
    if column == "ordinal" and row == N:
        assert said is not None and f"at row {N}, which is missing" in said
    else:
        assert said is not None and f"at row {row}, " in said


@pytest.mark.parametrize("row", [1, 4, N - 1])
def test_a_row_that_was_taken_out_is_named(lake: Path, row: int) -> None:
    said = change(lake, f"DELETE FROM ledger WHERE ordinal = {row}")
    assert said is not None and f"at row {row}, which is missing" in said


def test_a_row_that_was_taken_out_shows_when_the_others_are_numbered_anew(lake: Path) -> None:
    said = change(
        lake, "DELETE FROM ledger WHERE ordinal = 4", "UPDATE ledger SET ordinal = ordinal - 1 WHERE ordinal > 4"
    )
    assert said is not None and "at row 4, " in said


def test_a_cut_tail_shows_while_a_later_run_remains_and_what_follows_does_not_hide_it(lake: Path) -> None:
    said = change(lake, "DELETE FROM ledger WHERE ordinal > 6")
    assert said is not None and f"after row 6: run 006 was stored when it had {N}" in said
    commit_runs(lake, [run(50)], trials=[trial(50)])
    said = change(lake)
    assert said is not None and "at row 7, which is missing" in said


def test_a_cut_tail_whose_runs_are_gone_is_beyond_what_can_be_found(lake: Path) -> None:
    for run_id in ("006", "007"):
        forget(lake, run_id)
    assert change(lake, "DELETE FROM ledger WHERE ordinal > 6") is None


def test_a_chain_that_was_written_anew_is_not_the_one_that_runs_recorded(lake: Path, fresh: Path) -> None:
    commit_runs(fresh, [run(n, 260) for n in range(N)], trials=[trial(n, key=f"k{n}") for n in range(N)])
    with attach(fresh, read_only=True) as con:
        forged = read_chain(con)
    assert forged.fault is None and len(forged.links) == N

    def forge(con: duckdb.DuckDBPyConnection) -> None:
        con.execute("DELETE FROM ledger")
        insert(con, "ledger", rows_of(forged.links))

    transact(lake, forge)
    said = change(lake)
    assert said is not None and "recorded another one" in said


@pytest.mark.parametrize("row", [1, 5])
def test_a_row_that_was_written_anew_does_not_fit_between_its_neighbours(
    lake: Path, links: tuple[Link, ...], row: int
) -> None:
    forged = replace(links[row - 1], who="somebody else")
    forged = replace(forged, hash=forged.expected)
    said = change(lake, f"UPDATE ledger SET who = '{forged.who}', \"hash\" = '{forged.hash}' WHERE ordinal = {row}")
    assert said is not None and f"between rows {row} and {row + 1}" in said


def test_check_names_the_row_and_families_and_runs_go_on(lake: Path) -> None:
    change(
        lake,
        "UPDATE ledger SET who = 'x' WHERE ordinal = 3",
        "UPDATE trial_returns SET net = net + 1e-9 WHERE stream = (SELECT stream FROM trials WHERE ordinal = 2)",
    )
    faults = check_lakehouse(lake).faults
    assert len(faults) == 2 and "at row 3, a trial of 2026-01-02, which was changed" in faults[0]
    assert f"trial {trial(1).base[:12]}: its stream is not what was stored" in faults[1]
    assert commit_runs(lake, [run(60)], trials=[trial(60)]) == 1
    with attach(lake, read_only=True) as con:
        found = family(con, ["stocks"], "2020-01-01", "2023-01-01")  # type: ignore[arg-type]
    assert found.chain is not None and "at row 3" in found.chain
    assert found.left_out == {"damaged": (trial(1).base,)} and len(found.keys) == N


@examples(60)
@given(place=st.integers(0, N - 1), field=st.sampled_from(COLUMNS[1:]), extra=st.text("ab:0 ", min_size=1, max_size=3))
def test_no_field_can_take_from_its_neighbour(links: tuple[Link, ...], place: int, field: str, extra: str) -> None:
    """Texts are put together with their lengths, so that moving a letter over a border changes the hash."""
    texts = [name for name in ("who", "kind", "key", "content", "previous") if name != field]
    link = links[place]
    for other in texts:
        moved = replace(link, **{other: getattr(link, other) + extra})
        assert moved.expected != link.hash
    joined = replace(link, who=link.who + link.kind, kind="")
    assert joined.expected != link.hash
