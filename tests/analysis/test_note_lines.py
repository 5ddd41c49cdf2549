"""Notes in words: one line where there is nothing to say, never more than six, long lists cut with a count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.analysis.left_out import CALENDAR, CAUSES, COVERAGE, LIFE, SESSIONS, LeftOut
from metabt.analysis.note_lines import (
    LINES,
    SHOWN,
    WIDEST,
    concerns,
    cut,
    listed,
    note_lines,
    pair_lines,
    run_line,
    settings_lines,
)
from metabt.analysis.run_notes import EarlyEnd, FellBack, RunNotes, Warned

FIRST, LAST = np.datetime64("2001-02-03"), np.datetime64("2004-05-06")
TEXT = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "Zs")), min_size=1, max_size=90)


def left_out(cause: str, *symbols: str, share: float = 0.7, times: int = 9) -> LeftOut:
    return LeftOut("w/a", "data", symbols, times, 9, 12, cause, share, 1.0, FIRST, LAST)


def notes_of(**parts: object) -> RunNotes:
    return RunNotes("f" * 64, "w", FIRST, LAST, **parts)  # type: ignore[arg-type]  # any of its fields


@given(
    settings=st.lists(TEXT, max_size=6).map(tuple),
    early=st.none() | st.just(EarlyEnd("short", LAST, "long", LAST + 400)),
    fell=st.lists(st.builds(FellBack, TEXT, st.just(3), st.just(4), st.just(("equal",)), TEXT), max_size=6).map(tuple),
    out=st.lists(st.sampled_from(CAUSES).map(lambda it: left_out(it, *"ABCDE")), max_size=6).map(tuple),
    warned=st.lists(st.builds(Warned, TEXT, TEXT, st.just(""), st.integers(1, 99)), max_size=6).map(tuple),
)
def test_there_are_at_most_six_lines_and_every_kind_has_one(
    settings: tuple[str, ...],
    early: EarlyEnd | None,
    fell: tuple[FellBack, ...],
    out: tuple[LeftOut, ...],
    warned: tuple[Warned, ...],
) -> None:
    notes = notes_of(settings=settings, early_end=early, fell_back=fell, left_out=out, warned=warned)
    lines = note_lines(notes, "lake", found=True)
    assert len(lines) == 1 + sum(map(bool, (settings, early, fell, out, warned))) <= LINES
    assert lines[0] == "run ffffffffffff of w in lake, found: computed earlier; 2001-02-03 to 2004-05-06"
    assert all("\n" not in line for line in lines)
    for whole, shown, noun in (
        (settings, SHOWN, ""),
        (fell, SHOWN, " sleeve"),
        (out, 2, " case"),
        (warned, SHOWN, " kind"),
    ):
        rest = len(whole) - shown
        if rest > 0:
            assert any(f"and {rest} more{noun}" in line for line in lines)
    assert len(pair_lines(notes, notes_of())) <= LINES and len(pair_lines(notes, notes_of(settings=("a=1",)))) <= LINES


def test_each_cause_has_its_cure() -> None:
    def said(it: LeftOut) -> str:
        (line,) = concerns(notes_of(left_out=(it,)))
        return line.removeprefix("left out: ")

    assert said(left_out(CALENDAR, "SPX", "TLX", share=0.714)) == (
        "2 of 12 assets of w/a never eligible (SPX, TLX): coverage 0.71, wanted 1; 'data' mixes two calendars: "
        "make two datasets of it, a leaf each"
    )
    assert said(left_out(COVERAGE, *"ABCDE", share=0.967, times=7)) == (
        "5 of 12 assets of w/a ineligible at 7 of 9 decisions (A, B, C, and 2 more): coverage 0.97, wanted 1; "
        "set min_coverage: 0.95"
    )
    assert said(left_out(LIFE, "A")).endswith("(A): A is priced from 2001-02-03 to 2004-05-06 only")


def test_two_runs_share_what_is_said_of_both() -> None:
    one, other = notes_of(settings=("a=1",)), notes_of(settings=("a=1",), early_end=EarlyEnd("s", LAST, "l", LAST + 40))
    lines = pair_lines(one, other)
    assert lines[2] == "both: other than its file says: a=1"
    assert lines[3].startswith("ffffffffffff: ends on 2004-05-06 with dataset 's'; 'l' goes on for 40 days")


def test_sessions_without_a_price_and_assets_that_never_had_one() -> None:
    (line,) = concerns(notes_of(left_out=(left_out(SESSIONS, "A", share=np.nan),)))
    assert line.endswith(
        "(A): no price in most sessions in which 'w/a' decides: give it another schedule, or leave them out"
    )
    never = LeftOut("w/a", "data", ("A",), 9, 9, 12, LIFE, np.nan, 1.0, np.datetime64("NaT"), np.datetime64("NaT"))
    assert concerns(notes_of(left_out=(never,))) == ["left out: 1 of 12 assets of w/a never eligible (A): never priced"]


@pytest.mark.parametrize(
    ("days", "said"), [(8, "8 days"), (60, "60 days"), (61, "2 months"), (76, "2 months"), (77, "3 months")]
)
def test_two_months_are_told_in_months(days: int, said: str) -> None:
    (line,) = concerns(notes_of(early_end=EarlyEnd("s", LAST, "l", LAST + days)))
    assert f"'l' goes on for {said}, to {LAST + days}: " in line


def test_fallbacks_and_warnings_say_how_often_and_when_first() -> None:
    fell = (FellBack("w/a", 3, 4, ("equal", "previous"), "no solution"), FellBack("w", 1, 9, ("equal",), "why"))
    warned = (Warned("w/a", "RuntimeWarning:  x\n y", "2001-02-03", 7), Warned("w/b", "z", "", 1))
    assert concerns(notes_of(fell_back=fell, warned=warned)) == [
        "fell back: w/a 3 of 4 decisions to equal and previous (no solution); w 1 of 9 decisions to equal (why)",
        "warnings: w/a 7 x RuntimeWarning: x y (first on 2001-02-03); w/b 1 x z",
    ]


@pytest.mark.parametrize(("length", "whole"), [(WIDEST, True), (WIDEST + 1, False)])
def test_what_is_too_wide_is_cut(length: int, whole: bool) -> None:
    text = "x" * length
    assert listed([text]) == (text if whole else "x" * (WIDEST - 3) + "...")
    # blanks and ends of lines are single blanks before that
    assert listed([f"  \n{text} \n"]) == listed([text])
    words = listed(["a  b\n" * length])
    assert words == ("a b " * length)[: WIDEST - 3] + "..."


@pytest.mark.parametrize(
    ("n", "noun", "said"),
    [
        (3, "", "i, i, i"),
        (4, "", "i, i, i, and 1 more"),
        (3, "case", "i, i, i"),
        (4, "case", "i, i, i, and 1 more case"),
        (5, "case", "i, i, i, and 2 more cases"),
    ],
)
def test_what_is_not_listed_is_counted(n: int, noun: str, said: str) -> None:
    assert listed(["i"] * n, noun) == said


def test_lines_are_cut_with_a_count() -> None:
    assert cut(list("abc"), 3) == ["a", "b", "c"] and cut([], 3) == []
    assert cut(list("abcd"), 3) == ["a", "b", "and 2 more notes"]


def test_a_run_is_told_line_by_line_in_one_order() -> None:
    notes = notes_of(
        settings=("a=1", "b=2"),
        early_end=EarlyEnd("short", FIRST, "long", FIRST + 40),
        fell_back=(FellBack("w/a", 3, 4, ("equal",), "why"),),
        left_out=(left_out(COVERAGE, "A", share=0.714),),
        warned=(Warned("w/b", "text", "2001-02-03", 2),),
    )
    lines = [
        "run ffffffffffff of w; 2001-02-03 to 2004-05-06",
        "other than its file says: a=1, b=2",
        "ends on 2001-02-03 with dataset 'short'; 'long' goes on for 40 days, to 2001-03-15: "
        "ingest newer prices of 'short', or the same with --closed if it has ended for good",
        "fell back: w/a 3 of 4 decisions to equal (why)",
        "left out: 1 of 12 assets of w/a never eligible (A): coverage 0.71, wanted 1; set min_coverage: 0.7",
        "warnings: w/b 2 x text (first on 2001-02-03)",
    ]
    assert note_lines(notes) == lines and settings_lines(notes_of()) == [] and concerns(notes) == lines[2:]
    assert run_line(notes, "lake") == "run ffffffffffff of w in lake; 2001-02-03 to 2004-05-06"
    assert run_line(notes, found=True) == "run ffffffffffff of w, found: computed earlier; 2001-02-03 to 2004-05-06"
    quiet = RunNotes("e" * 64, "v", FIRST, LAST)
    told = pair_lines(quiet, notes)
    assert told[:2] == ["run eeeeeeeeeeee of v; 2001-02-03 to 2004-05-06", lines[0]]
    assert told[2:5] == [f"ffffffffffff: {line}" for line in lines[1:4]] and told[5:] == ["and 2 more notes"]
