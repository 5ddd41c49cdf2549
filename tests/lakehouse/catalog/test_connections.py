"""Connections that are begun ahead of the command that uses them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from metabt.errors import StoreError
from metabt.lakehouse.catalog.connections import begin, opened


@pytest.mark.parametrize("error", [StoreError("no such place"), OSError(36, "File name too long")])
def test_one_that_could_not_be_begun_is_made_anew(error: Exception) -> None:
    """What the place of a lakehouse says is told by who opens it, not by whoever comes next."""

    def failing() -> Iterable[str]:
        raise error

    begin(failing)
    for _ in range(2):
        with opened(("ducklake",)) as con:
            assert con.execute("SELECT 1").fetchall() == [(1,)]
