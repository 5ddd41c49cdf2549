"""Connection string: where a catalogue in PostgreSQL is, in libpq's words, and never with a password.

`postgres:host=db.example dbname=metabt user=quant schema=research`

1. Split the text into keyword=value pairs as libpq does: quotes and backslashes protect blanks.
2. Refuse what is or may hold a password, without repeating it, and every other word that is not among `KEYWORDS`.
3. `schema` is metabt's own word: two lakehouses in one database use different ones.
4. The same place has the same text, whatever the order and the quotes it was written with.

What is left out comes from where libpq looks: PGHOST and its siblings, a service file; a password from PGPASSWORD or
the file that PGPASSFILE names, ~/.pgpass by default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from metabt.errors import ConfigError, nearest

VARIABLE = "METABT_CATALOG"
"""Environment variable that names a catalogue in PostgreSQL."""

PREFIX = "postgres:"
"""How the text begins."""
EXAMPLE = "postgres:host=HOST dbname=NAME user=NAME"
"""What is shown where the text is something else."""
KEYWORDS = ("connect_timeout", "dbname", "host", "port", "schema", "service", "sslmode", "target_session_attrs", "user")
"""Keywords that may be stated; paths of certificates and the like differ between machines, and are left to libpq."""
PAIR = re.compile(r"\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)")
"""One keyword=value pair, its value with or without quotes."""
SECRET = re.compile(r"password|passwd|://[^/\s]*:[^/\s]*@", re.IGNORECASE)
"""What a password in the text looks like: a keyword of libpq, or the second part of a URI's user."""
SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
"""What a schema may be called: one name in PostgreSQL, quoted or not."""


@dataclass(frozen=True)
class ConnectionString:
    """A server, a database and a schema of PostgreSQL, for a catalogue."""

    words: tuple[tuple[str, str], ...]
    """libpq's keywords and their values, sorted."""
    schema: str | None
    """Schema of the catalogue's tables; None where it is not chosen yet."""

    @property
    def libpq(self) -> str:
        """The connection string, for libpq."""
        return _text(self.words)

    def __str__(self) -> str:
        """Return the text that `parse_connection_string` reads."""
        own = [] if self.schema is None else [("schema", self.schema)]
        return PREFIX + _text(sorted([*self.words, *own]))

    def within(self, schema: str) -> ConnectionString:
        """Return the same place, in a schema."""
        return replace(self, schema=schema)

    def agrees(self, other: ConnectionString) -> bool:
        """Return whether both can be the same catalogue: equal keywords, and schemas that are equal or not chosen."""
        return self.words == other.words and (self.schema == other.schema or None in (self.schema, other.schema))


def parse_connection_string(text: str) -> ConnectionString:
    """Return the place that a text names, such as ``postgres:host=HOST dbname=NAME``.

    Raises
    ------
    ConfigError
        If it names none, or holds a password; the message does not repeat the text then.
    """
    refuse_password(text)
    if not text.startswith(PREFIX) or text.startswith(f"{PREFIX}//"):
        raise ConfigError(f"a catalogue's text begins with {PREFIX} and goes on in libpq's words, as in {EXAMPLE}")
    pairs = _pairs(text.removeprefix(PREFIX).rstrip())
    for keyword in pairs:
        if keyword not in KEYWORDS:
            raise ConfigError(
                f"catalogue: '{keyword}' cannot be stated{nearest(keyword, KEYWORDS)}; other settings of libpq go into "
                "its service file or its environment variables"
            )
    schema = pairs.pop("schema", None)
    if schema is not None and not SCHEMA.fullmatch(schema):
        raise ConfigError(
            f"catalogue: schema '{schema}'; use lower-case letters, digits and _, at most 63, and not pg_ first"
        )
    return ConnectionString(tuple(sorted(pairs.items())), schema)


def refuse_password(text: str) -> None:
    """Raise ConfigError for a text that holds a password, without repeating it."""
    if SECRET.search(text):
        raise ConfigError(
            "the catalogue's text holds a password, which would be written down; leave it out, and give it in "
            "PGPASSWORD or in the file that PGPASSFILE names (~/.pgpass by default): HOST:PORT:DATABASE:USER:PASSWORD"
        )


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        pair = PAIR.match(text, position)
        if pair is None or not text.isprintable():
            raise ConfigError(
                f"catalogue: no keyword=value at character {len(PREFIX) + position + 1}; "
                "quote a value that has blanks: dbname='my lake'"
            )
        keyword, value = pair[1], re.sub(r"\\(.)", r"\1", pair[2] if pair[2] is not None else pair[3])
        if keyword in found:
            raise ConfigError(f"catalogue: '{keyword}' is stated twice; state it once")
        found[keyword] = value
        position = pair.end()
    return found


def _text(words: Iterable[tuple[str, str]]) -> str:
    return " ".join(f"{keyword}={_quoted(value)}" for keyword, value in words)


def _quoted(value: str) -> str:
    if re.fullmatch(r"[^\s'\\]+", value):
        return value
    return "'" + re.sub(r"(['\\])", r"\\\1", value) + "'"
