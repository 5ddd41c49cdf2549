"""What is spelled as an override is read back as the same value."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.config import spelled
from metabt.config.edits import edited
from metabt.errors import ConfigError
from tests.shared.laws import examples

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="$"), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(lambda it: it not in ("null", "true", "false"))
VALUES = st.recursive(
    SCALARS | TEXT | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@examples(150)
@given(VALUES)
def test_a_value_is_read_back(value: Any) -> None:
    assert edited({}, [f"portfolio.note={spelled('note', value)}"]) == {"note": value}


AWKWARD = [
    "",
    " ",
    "a, b",
    "it's",
    r"back\slash",
    "\\",
    r"\'",
    "1",
    "1e5",
    "null",
    "True",
    "nan",
    "2000-01-01",
    "a=b",
    "[a]",
]


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_text_is_read_back(text: str) -> None:
    assert edited({}, [f"portfolio.note={spelled('note', [text, text])}"]) == {"note": [text, text]}
    assert edited({}, [f"portfolio.note={spelled('note', text)}"]) == {"note": text}


def test_scalars_of_numpy_and_dates_are_as_good() -> None:
    assert [spelled("it", it) for it in (np.int64(3), np.float64(0.5), datetime.date(2000, 1, 31), True)] == [
        *("3", "0.5", "2000-01-31", "true"),
    ]


@pytest.mark.parametrize("value", [object(), {1, 2}, {"a b": 1}, {1: 2}, float("nan"), float("inf"), b"x"])
def test_what_no_setting_takes_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="note"):
        spelled("note", value)
