"""Statements: a value stays a value, whatever it looks like."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.lakehouse import attach, execute
from metabt.lakehouse.catalog.statements import literal

CON = duckdb.connect()
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
HOSTILE = ["'", "''", "\\'", "'; DROP TABLE runs; --", "$1", "{at}", "/*", "--", "\n", '"', "é😀", "E'\\x41'", ""]


def back(value: object, kind: str) -> object:
    return execute(CON, f"SELECT $1::{kind}", value).fetchall()[0][0]


@given(TEXT | st.sampled_from(HOSTILE))
def test_any_text_comes_back_as_it_is(text: str) -> None:
    assert back(text, "VARCHAR") == text


@given(st.lists(TEXT | st.sampled_from(HOSTILE)))
def test_so_does_a_list_of_them(texts: list[str]) -> None:
    assert back(texts, "VARCHAR[]") == texts and back(tuple(texts), "VARCHAR[]") == texts


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "VARCHAR"),
        (True, "BOOLEAN"),
        (-(2**63), "BIGINT"),
        (date(1899, 2, 28), "DATE"),
        (datetime(2021, 2, 3, 4, 5, 6, 7), "TIMESTAMP"),
        (datetime(2021, 2, 3), "TIMESTAMP"),
    ],
)
def test_other_values_do_too(value: object, kind: str) -> None:
    assert back(value, kind) == value


def test_values_go_where_they_are_named_and_nowhere_else() -> None:
    found = execute(CON, "SELECT $2, $1, $2, $10", "$2", "b", *range(3, 10), "ten").fetchall()
    assert found == [("b", "$2", "b", "ten")]


def test_text_with_a_null_character_is_an_error_of_the_parser() -> None:
    with pytest.raises(duckdb.Error, match="unterminated"):
        execute(CON, "SELECT $1", "a\0' UNION SELECT 1 --")


@pytest.mark.parametrize("value", [0.5, b"runs", {"a": 1}, np.int64(1), np.array(["a"]), ["a", 0.5], Path("runs")])
def test_other_kinds_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match=r"no literal for \w+ .*; wanted None, bool, int, text, a date or a list"):
        literal(value)


def test_a_name_that_looks_like_a_statement_finds_nothing(stocked: Path) -> None:
    with attach(stocked, read_only=True) as con:
        assert execute(con, "SELECT * FROM runs WHERE run_id = $1", "' OR 1 = 1 --").fetchall() == []
        assert execute(con, "SELECT count(*) FROM prices").fetchall() != [(0,)]
