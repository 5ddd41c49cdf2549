"""Extensions: what DuckDB has checked once in this process is not checked again, unless it has changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from metabt.errors import StoreError
from metabt.lakehouse.catalog import extensions
from metabt.lakehouse.catalog.connections import opened
from metabt.lakehouse.catalog.statements import quoted

NAME = "sqlite_scanner"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of an extension that belongs to the test, in place of that of the wheel."""
    wheel = extensions._extension_wheel(NAME)
    if wheel is None:
        pytest.skip(f"no wheel of {NAME} on this platform")
    copy = Path(shutil.copy(wheel, tmp_path))
    monkeypatch.setattr(extensions, "_extension_wheel", lambda name: copy)
    return copy


def damage(file: Path) -> None:
    """Flip a bit of the signature, which stands at the end: the rest can still be loaded."""
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    put(file, data)


def put(file: Path, data: bytes) -> None:
    """Put other bytes in a file's place; what is loaded stays on the file before."""
    draft = file.with_suffix(".draft")
    draft.write_bytes(data)
    draft.replace(file)


def loaded() -> bool:
    with extensions.connect([NAME], {}) as con:
        sql = f"SELECT loaded FROM duckdb_extensions() WHERE extension_name = '{NAME}'"
        return con.execute(sql).fetchall() == [(True,)]


def test_one_that_was_never_checked_is(file: Path) -> None:
    damage(file)
    with pytest.raises(StoreError, match=f"DuckDB refuses its extension '{NAME}'.*install its wheel again"):
        loaded()


def test_one_that_has_changed_since_is_checked_again(file: Path) -> None:
    assert loaded() and loaded()
    damage(file)
    for _ in range(2):
        with pytest.raises(StoreError, match="refuses"):
            loaded()


def test_another_in_the_place_of_one_that_was_refused_is_checked(file: Path) -> None:
    kept = file.read_bytes()
    assert loaded()
    damage(file)
    with pytest.raises(StoreError, match="refuses"):
        loaded()
    put(file, kept)
    assert loaded() and loaded()


@pytest.mark.parametrize("again", [False, True])
def test_nothing_else_is_loaded_unchecked(file: Path, tmp_path: Path, again: bool) -> None:
    assert not again or loaded()
    (tmp_path / "other").mkdir()
    other = Path(shutil.copy(file, tmp_path / "other"))
    damage(other)
    with extensions.connect([NAME], {}) as con:
        assert con.execute("SELECT current_setting('allow_unsigned_extensions')").fetchall() == [(False,)]
        with pytest.raises(duckdb.Error, match="allow_unsigned_extensions"):
            con.execute("SET allow_unsigned_extensions = true")
    renamed = other.rename(other.with_name("another.duckdb_extension"))
    with opened([NAME]) as con, pytest.raises(duckdb.Error, match="signature"):
        con.execute(f"LOAD {quoted(str(renamed))}")
