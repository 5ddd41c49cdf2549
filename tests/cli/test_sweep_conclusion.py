"""A sweep's conclusion names it, and says in at most six lines what must be known of the ranking above it."""

from __future__ import annotations

import numpy as np

from metabt.analysis.left_out import LIFE, LeftOut
from metabt.analysis.run_notes import EarlyEnd, FellBack, Warned
from metabt.cli.sweep_conclusion import conclusion
from metabt.runs.sweep_notes import SweepNotes
from tests.shared.ranked import sweep_of, swept

DAY = np.datetime64("2020-01-01")
NAMED = "sweep 555555555555 of 4 configurations: 7 blocks computed, 1.2 s in lake"


def lines_of(notes: SweepNotes) -> list[str]:
    sweep = sweep_of(*(swept(number) for number in range(4)))
    sweep.notes = notes
    return conclusion(sweep, "lake")


def test_where_there_is_nothing_to_say_it_is_one_line() -> None:
    assert lines_of(SweepNotes(0)) == [NAMED]
    assert lines_of(SweepNotes(4, (DAY, DAY), (DAY + 9, DAY + 9))) == [f"{NAMED}; 2020-01-01 to 2020-01-10"]
    (line,) = lines_of(SweepNotes(4, (DAY, DAY + 3), (DAY + 9, DAY + 9)))
    assert line.endswith("; (2020-01-01 ... 2020-01-04) to 2020-01-10")


def test_every_kind_has_a_line_with_counts() -> None:
    fallen = tuple(FellBack(str(place) * 64, 3, 9, ("equal",), "erc: no solution") for place in range(4))
    ends = ((EarlyEnd("short", DAY, "long", DAY + 100), 3), (EarlyEnd("other", DAY, "long", DAY + 100), 1))
    out = LeftOut("w", "data", ("A",), 5, 9, 3, LIFE, 1.0, 1.0, DAY, DAY + 9)
    lines = lines_of(
        SweepNotes(4, (DAY, DAY), (DAY, DAY), ("a=1",), ends, fallen, (out,), (Warned("w/a", "Oops", "2020-01-03", 8),))
    )
    assert len(lines) == 6 and lines[1] == "all of them with a=1"
    assert lines[2].startswith("3 of 4: ends on 2020-01-01 with dataset 'short'; 'long' goes on for 3 months")
    assert lines[2].endswith("; others end early with 1 other dataset")
    assert lines[3].startswith("roots of 4 of 4 fell back: 000000000000 3 of 9 to equal (erc: no solution); 1111")
    assert lines[3].endswith("; and 1 more run")
    assert lines[4].startswith("left out: 1 of 3 assets of w ineligible at 5 of 9 decisions (A): A is priced from")
    assert lines[5] == "warnings: w/a 8 x Oops (first on 2020-01-03)"
