"""What metabt raises when a user can mend something: who, what was found, what was wanted, and the cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TypeVar


class MetabtError(ValueError):
    """Base of every error a user can mend; the command line prints its message without a traceback."""

    is_passing = False
    """Whether the same command may succeed later without any change: a server or a machine was out of reach."""


class ConfigError(MetabtError):
    """A portfolio, an estimator or a setting that cannot be what the user meant."""


class DataError(MetabtError):
    """Prices that must not be stored or used as they are."""


class StoreError(MetabtError):
    """A lakehouse that cannot be read or written."""


class RunError(MetabtError):
    """A backtest that cannot go on, such as a ruined sleeve."""


Error = TypeVar("Error", bound=MetabtError)


def passing(error: Error, when: bool = True) -> Error:
    """Return an error that says of itself, if `when`, that the same command may succeed later."""
    error.is_passing = when
    return error


def nearest(word: object, known: Iterable[object]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known word, else the list of what is known."""
    options = sorted(map(str, known))
    close = difflib.get_close_matches(str(word), options, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    shown = ", ".join(options[:12]) + (", ..." if len(options) > 12 else "")
    return f"; known: {shown}" if options else ""
