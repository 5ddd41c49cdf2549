"""A connection that only reads: a thin proxy of DuckDB's, with the methods that ask and fetch, and no others.

1. Every statement is admitted first (metabt.lakehouse.sql.admission).
2. `execute` keeps its answer for the connection's own fetching methods, as DuckDB does.
3. `sql` returns an answer on a cursor of its own, which can be fetched again and again, as DuckDB's relations can.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import duckdb

from metabt.errors import StoreError
from metabt.lakehouse.catalog.connection_loss import close
from metabt.lakehouse.sql.admission import CONNECTION, Refused, admit
from metabt.lakehouse.sql.fetching import Fetching

SHOWN = 20
"""Rows of an answer that its text shows."""


class Answer(Fetching):
    """The answer to one statement; it is computed when it is fetched, and anew once it was fetched to the end."""

    __slots__ = ("__begin", "__open")

    def __init__(self, begin: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self.__begin = begin
        self.__open: duckdb.DuckDBPyConnection | None = None

    def _rows(self) -> duckdb.DuckDBPyConnection:
        if self.__open is None:
            self.__open = self.__begin()
        return self.__open

    def _rest(self) -> duckdb.DuckDBPyConnection:
        cursor, self.__open = self._rows(), None
        return cursor

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return [column[0] for column in self.description or ()]

    @property
    def types(self) -> list[str]:
        """DuckDB's types of the columns."""
        return [str(column[1]) for column in self.description or ()]

    def show(self) -> None:
        """Print the first rows."""
        print(self)

    def __repr__(self) -> str:
        """Return the first rows as a table."""
        from metabt.lakehouse.sql.result_set import QueryResult

        rows = self.__begin().fetchmany(SHOWN + 1)
        head = QueryResult(tuple(self.columns), tuple(self.types), tuple(rows[:SHOWN])).to("table")
        return f"{head}\n(the first {SHOWN}; there are more)" if len(rows) > SHOWN else head


class ReadingConnection(Fetching):
    """A connection to a lakehouse through which nothing can be written; it is a context manager."""

    __slots__ = ("__another", "__con", "__parser")

    def __init__(self, con: duckdb.DuckDBPyConnection, another: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self.__con: duckdb.DuckDBPyConnection | None = con
        self.__another = another
        self.__parser = con.cursor()  # what it is asked must not end the answer that is being fetched

    def execute(self, query: str, parameters: Any = None) -> Self:
        """Ask one statement; the answer is fetched from the connection.

        Parameters
        ----------
        query : str
            One SELECT, FROM, WITH, VALUES, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN.
        parameters : sequence or mapping, optional
            Values for ``?``, ``$1`` or ``$name`` in it.

        Returns
        -------
        ReadingConnection
            Itself.

        Raises
        ------
        StoreError
            For a statement that writes, reaches for files or is several; it is a `duckdb.Error` as well.
        """
        self._admit(query)
        _run(self._rows(), query, parameters)
        return self

    def sql(self, query: str, *, params: Any = None) -> Answer:
        """Return the answer to one statement, as `execute` takes it; it can be fetched again and again."""
        self._admit(query)
        return Answer(lambda: _run(self.__another(), query, params))

    def query(self, query: str, *, params: Any = None) -> Answer:
        """Return the answer to one statement, as `sql`."""
        return self.sql(query, params=params)

    def cursor(self) -> ReadingConnection:
        """Return another connection to the same lakehouse, with an answer of its own; it ends with this one."""
        self._rows()
        return ReadingConnection(self.__another(), self.__another)

    def close(self) -> None:
        """Close it, and what came from it; what was fetched stays."""
        con, self.__con = self.__con, None
        if con is not None:
            close(con)

    def interrupt(self) -> None:
        """Stop what `execute` computes, from another thread."""
        self._rows().interrupt()

    def _rows(self) -> duckdb.DuckDBPyConnection:
        if self.__con is None:
            raise StoreError("this connection to a lakehouse is closed; call metabt.connect again")
        return self.__con

    def _admit(self, sql: str) -> None:
        self._rows()
        if not isinstance(sql, str):
            raise Refused(f"{CONNECTION}: it takes one SELECT as text, found {type(sql).__name__}; pass a str")
        admit(self.__parser, sql, CONNECTION, analyze=False)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


def _run(con: duckdb.DuckDBPyConnection, sql: str, parameters: Any) -> duckdb.DuckDBPyConnection:
    return con.execute(sql) if parameters is None else con.execute(sql, parameters)
