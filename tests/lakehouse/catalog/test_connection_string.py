"""Where a catalogue is can be written in many ways and read in one, and a password is never among it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.errors import ConfigError
from metabt.lakehouse.catalog.connection_string import KEYWORDS, parse_connection_string

VALUES = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" '\\"), max_size=12).filter(
    lambda value: "pass" not in value.lower() and "://" not in value
)
WORDS = st.dictionaries(st.sampled_from([key for key in KEYWORDS if key != "schema"]), VALUES)


def written(words: dict[str, str]) -> str:
    """Return words as a cautious person writes them: everything in quotes."""
    quoted = (value.replace("\\", "\\\\").replace("'", "\\'") for value in words.values())
    return "postgres:" + "  ".join(f"{key} = '{value}'" for key, value in zip(words, quoted, strict=True))


@given(words=WORDS)
def test_what_is_written_is_read_and_has_one_text(words: dict[str, str]) -> None:
    place = parse_connection_string(written(words))
    assert dict(place.words) == words
    assert parse_connection_string(str(place)) == place
    assert str(parse_connection_string(written(dict(reversed(words.items()))))) == str(place)


def test_the_text_is_sorted_and_plain() -> None:
    place = parse_connection_string("postgres:user=quant host='db' schema=research dbname='my lake'")
    assert str(place) == "postgres:dbname='my lake' host=db schema=research user=quant"
    assert place.libpq == "dbname='my lake' host=db user=quant"


def test_a_schema_that_is_left_out_may_be_any() -> None:
    some, research, other = (
        parse_connection_string(f"postgres:host=db{end}") for end in ("", " schema=research", " schema=b")
    )
    assert some.agrees(research) and research.agrees(some) and not research.agrees(other)
    assert not some.agrees(parse_connection_string("postgres:host=elsewhere"))


@pytest.mark.parametrize(
    "text",
    [
        "postgres:host=db password=hunter2",
        "postgres:host=db PASSWORD = 'hunter2'",
        "postgres:host=db sslpassword=hunter2",
        "postgres:host=db password=hunter2 'broken",
        "postgres://quant:hunter2@db/lake",
        "postgresql://quant:hunter2@db/lake",
        "host=db password=hunter2",
    ],
)
def test_a_password_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError, match="holds a password.*leave it out.*PGPASSWORD.*PGPASSFILE") as told:
        parse_connection_string(text)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "begins with postgres:"),
        ("sqlite:catalog.sqlite", "begins with postgres:"),
        ("postgres://db/lake", "begins with postgres: and goes on in libpq's words, as in postgres:host="),
        ("postgres:hots=db", "'hots' cannot be stated; did you mean 'host'"),
        ("postgres:passfile=x", "'passfile' cannot be stated"),
        ("postgres:options=-csearch_path=x", "'options' cannot be stated.*service file"),
        ("postgres:host=db nonsense", "no keyword=value at character 17; quote a value"),
        ("postgres:host=d b", "no keyword=value"),
        ("postgres:host='db", "no keyword=value"),
        ("postgres:host=db\nport=1", "no keyword=value"),
        ("postgres:host=a host=b", "'host' is stated twice"),
        ("postgres:schema=pg_mine", "schema 'pg_mine'; use lower-case"),
        ('postgres:schema="a"', "schema '\"a\"'; use lower-case"),
        ("postgres:schema=A", "schema 'A'; use lower-case"),
    ],
)
def test_what_names_no_place_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_connection_string(text)
