"""Options: what a caller says of a source where reading alone cannot tell, and how such an option is spelled.

1. An option that is None is found out, or asked for where it cannot be found out.
2. A refusal names the option that cures it as the caller would write it: on the command line, in Python, or, where
   prices stay in memory and take no options, as an argument of `metabt.ingest`.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from metabt.errors import ConfigError, nearest

Face = Literal["command", "python", "memory"]
"""Where the caller is: on the command line, in `metabt.ingest`, or where a frame is used as it is."""
THOUSANDS = (",", ".", " ", "'")
"""Signs that may stand between thousands."""


@dataclass(frozen=True)
class Options:
    """What is said of a source; what is None, empty or False is found out by itself."""

    date: str | None = None
    """Column that holds the dates."""
    symbol: str | None = None
    """Column of a long table that holds the symbols."""
    symbol_name: str | None = None
    """Symbol of the one asset that the source is about."""
    close: str | None = None
    """Column, or field of columns of two levels, that is the price."""
    volume: str | None = None
    """Column, or field of columns of two levels, that is the volume."""
    date_format: str | None = None
    """How dates are written, as for strptime."""
    decimal: str | None = None
    """Decimal sign of numbers in text: a point or a comma."""
    thousands: str | None = None
    """Sign between thousands of numbers in text."""
    skip_rows: int = 0
    """Lines above the header."""
    columns: tuple[str, ...] = ()
    """Names of the columns of a file without a header."""
    sheet: str | None = None
    """Sheet of a workbook."""
    returns: bool = False
    """The numbers are simple returns, not prices."""
    percent: bool = False
    """The returns are in percent."""
    wide: bool = False
    """Every column beside the dates is a symbol, whatever it is called."""
    adjusted: bool | None = None
    """Whether prices are adjusted for splits and dividends already; None leaves it as it was, True for new ones."""
    universe: str | None = None
    """Universe that all rows of a table of members are of."""
    name: str | None = None
    """Signal that all rows of a table of signals are of."""
    stem: str | None = None
    """What a file of one asset is called; its symbol where a folder holds a file for each."""
    face: Face = "python"
    """How refusals spell options."""

    def __post_init__(self) -> None:
        """Raise ConfigError for options that cannot be what was meant."""
        if self.decimal not in (None, ".", ","):
            raise ConfigError(f"{self.named('decimal')} is {self.decimal!r}, wanted '.' or ','")
        if self.thousands is not None and (self.thousands not in THOUSANDS or self.thousands == (self.decimal or "")):
            known = ", ".join(map(repr, THOUSANDS))
            raise ConfigError(
                f"{self.named('thousands')} is {self.thousands!r}, wanted one of {known} that is not the decimal sign"
            )
        if isinstance(self.skip_rows, bool) or not isinstance(self.skip_rows, int) or self.skip_rows < 0:
            raise ConfigError(f"{self.named('skip_rows')} is {self.skip_rows!r}, wanted a number of lines, 0 or more")
        if self.percent and not self.returns:
            raise ConfigError(f"{self.named('percent')} is of returns; say {self.named('returns')} too")
        if self.returns and self.adjusted is False:
            raise ConfigError(
                f"{self.named('returns')} contain dividends and splits already; leave {self.named('adjusted')} out"
            )
        named = [self.named(name) for name in ("symbol", "symbol_name", "wide") if getattr(self, name)]
        if len(named) > 1:
            raise ConfigError(f"{' and '.join(named)} contradict each other; say one of them")

    @classmethod
    def of(cls, given: dict[str, Any], face: Face = "python") -> Options:
        """Return the options that keywords state.

        Raises
        ------
        ConfigError
            For a keyword that is no option, or a value that cannot be meant.
        """
        known = {field.name for field in fields(cls)} - {"face", "stem"}
        for name in given:
            if name not in known:
                raise ConfigError(f"unknown option '{name}'{nearest(name, known)}")
        stated = {name: value for name, value in given.items() if value is not None}
        if "columns" in stated:
            names = stated["columns"]
            stated["columns"] = tuple(names.split(",") if isinstance(names, str) else map(str, names))
        return cls(**stated, face=face)

    def within(self, stem: str) -> Options:
        """Return the options for a file that may be one asset's, whose symbol its name is."""
        return replace(self, stem=stem)

    def say(self, **settings: object) -> str:
        """Return how options are given by this caller, such as ``--skip-rows 3`` or ``skip_rows=3``."""
        if self.face == "command":
            return " ".join(self.named(name) + _word(value) for name, value in settings.items())
        stated = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        return f"metabt.ingest(..., {stated})" if self.face == "memory" else stated

    def named(self, name: str) -> str:
        """Return an option as this caller spells it."""
        return f"--{name.replace('_', '-')}" if self.face == "command" else name


def _word(value: object) -> str:
    if value is False:
        return " false"
    return "" if value is True else f" {shlex.quote(str(value))}"
