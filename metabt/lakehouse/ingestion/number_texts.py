"""Numbers in text: which sign is the decimal one, and which stands between thousands, as all cells together prove it.

1. Plain decimals are read at once; nothing else is looked at unless a cell is none.
2. Otherwise every way to write numbers is tried on all cells of the source; one that fits them all is taken.
3. 1,234 is one or a thousand: where all cells fit both, it is asked for. So is 1.234 where no comma separates cells and
   no number has other than three decimals.
4. A currency sign before or after every number of a column is no part of it. Volumes may be short: 1.2M.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metabt.errors import DataError
from metabt.lakehouse.ingestion.options import Options

MISSING = ("", "nan", "na", "null", ".", "-", "#n/a", "#n/a n/a", "<na>")
"""Texts, in lower case, that are read as a missing number."""
CURRENCY = ("$", "€", "£", "¥")
SHORT = {"k": 1e3, "m": 1e6, "b": 1e9}
"""Ending of a short volume -> what it is multiplied by."""
_INFINITE = r"^[+-]?[iI][nN][fF]([iI][nN][iI][tT][yY])?$"
_THREE = r"^[+-]?\d{1,3}\.\d{3}$"
_DOTTED = r"\."


@dataclass(frozen=True)
class NumberFormat:
    """A way to write numbers."""

    decimal: str = "."
    """The decimal sign."""
    thousands: str = ""
    """The sign between thousands; empty for none."""

    @property
    def pattern(self) -> str:
        """Regular expression of a number."""
        point = re.escape(self.decimal)
        whole = r"\d+" if not self.thousands else rf"(\d+|\d{{1,3}}({re.escape(self.thousands)}\d{{3}})+)"
        return rf"^[+-]?({whole}({point}\d*)?|{point}\d+)([eE][+-]?\d+)?$|{_INFINITE}"

    def plain(self, texts: pa.Array) -> pa.Array:
        """Return texts of numbers as plain decimals."""
        if self.thousands:
            texts = pc.replace_substring(texts, self.thousands, "")
        texts = texts if self.decimal == "." else pc.replace_substring(texts, self.decimal, ".")
        signed = pc.any(pc.starts_with(texts, "+")).as_py()
        return pc.utf8_ltrim(texts, "+") if signed else texts

    def __str__(self) -> str:
        """Return an example."""
        return f"1{self.thousands}234{self.decimal}5"


PLAIN = NumberFormat()
FORMATS = (
    *(PLAIN, NumberFormat(".", ","), NumberFormat(",", ""), NumberFormat(",", ".")),
    *(NumberFormat(".", "'"), NumberFormat(".", " "), NumberFormat(",", " ")),
    NumberFormat(".", "\N{RIGHT SINGLE QUOTATION MARK}"),
    *(NumberFormat(point, blank) for point in ",." for blank in ("\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}")),
)
"""Ways that are tried, the plainest first."""
_SAME = {
    "\N{NO-BREAK SPACE}": " ",
    "\N{NARROW NO-BREAK SPACE}": " ",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
}
"""Sign between thousands -> how it is stated."""


def is_text(column: pa.Array) -> bool:
    """Return whether cells are texts rather than numbers."""
    kind = column.type
    return not (
        pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    )


def trimmed(text: pa.Array) -> pa.Array:
    """Return cells without blanks and without a currency sign that all of them have; NULL where missing."""
    text = pc.utf8_trim_whitespace(text)
    text = pc.if_else(pc.is_in(pc.utf8_lower(text), pa.array(MISSING)), pa.scalar(None, pa.string()), text)
    some = text.drop_null()
    for sign in CURRENCY if len(some) and not some[0].as_py()[0].isdigit() or _ends_in_currency(some) else ():
        for starts, strip in ((pc.starts_with, pc.utf8_ltrim), (pc.ends_with, pc.utf8_rtrim)):
            if len(some) and pc.all(starts(some, sign)).as_py():
                return pc.utf8_trim_whitespace(strip(text, sign))
    return text


def is_in_percent(columns: list[tuple[str, pa.Array]]) -> bool:
    """Return whether the cells are texts that end in a % sign; the first one of each column tells."""
    some = [cells.slice(0, 50).drop_null() for _, cells in columns if is_text(cells)]
    firsts = [cells[0].as_py() for cells in some if len(cells)]
    return len(some) == len(columns) and bool(firsts) and all(first.endswith("%") for first in firsts)


def _ends_in_currency(some: pa.Array) -> bool:
    return len(some) > 0 and some[0].as_py()[-1] in CURRENCY


def number_format(columns: list[pa.Array], options: Options, continental: bool) -> NumberFormat | None:
    """Return how the numbers of a source are written; None where no way fits all cells.

    Parameters
    ----------
    columns : list of pa.Array
        Trimmed texts, NULL where missing.
    options : Options
        What is said of the decimal sign and of thousands.
    continental : bool
        Whether no comma separates cells.

    Raises
    ------
    DataError
        When cells fit two ways that mean different numbers.
    """
    if not columns:
        return PLAIN
    said = [way for way in FORMATS if _agrees(way, options)]
    if options.thousands is not None and options.decimal is None:
        said = [way for way in said if way.thousands]  # --thousands . makes a comma the decimal sign
    best = next((way for way in said if _fits_all(way, columns)), None)
    open_to_doubt = options.decimal is None and options.thousands is None and (best != PLAIN or continental)
    if best is not None and open_to_doubt:
        _refuse_doubt(best, columns, options)
    return best


def _agrees(way: NumberFormat, options: Options) -> bool:
    sign = _SAME.get(way.thousands, way.thousands)
    return options.decimal in (None, way.decimal) and options.thousands in (None, sign)


def _fits_all(way: NumberFormat, columns: list[pa.Array]) -> bool:
    return all(_matches(column, way.pattern) for column in columns)


def _refuse_doubt(best: NumberFormat, columns: list[pa.Array], options: Options) -> None:
    """Raise DataError where a way with another decimal sign fits as well; of points, where all have three digits."""
    if best == PLAIN and not _three_digits(columns):
        return
    if not any(way.decimal != best.decimal and _fits_all(way, columns) for way in FORMATS):
        return
    sign = "." if best == PLAIN else ","
    example = next((text for column in columns for text in column.to_pylist() if text and sign in text), None)
    if example is None:
        return  # both ways mean the same numbers
    raise DataError(
        f"'{example}' may be {example.replace(sign, '')} or {example.replace(sign, '.')}: every number that has a "
        f"'{sign}' has three digits behind it; say {options.say(decimal=sign)} or {options.say(thousands=sign)}"
    )


def _three_digits(columns: list[pa.Array]) -> bool:
    """Return whether there are numbers with a point, and all of them have three digits behind it."""
    dotted = [column.filter(pc.match_substring_regex(column, _DOTTED).fill_null(False)) for column in columns]
    return any(map(len, dotted)) and all(_matches(column, _THREE) for column in dotted)


def _matches(column: pa.Array, pattern: str) -> bool:
    return pc.all(pc.match_substring_regex(column, pattern)).as_py() is not False


def lengthened(text: pa.Array) -> tuple[pa.Array, np.ndarray | float]:
    """Return volumes without their endings (1.2M), and what each is to be multiplied by."""
    ending = pc.utf8_lower(pc.utf8_slice_codeunits(text, -1))
    factors = np.ones(len(text))
    for sign, factor in SHORT.items():
        factors[pc.equal(ending, sign).fill_null(False).to_numpy(zero_copy_only=False)] = factor
    if (factors == 1.0).all():
        return text, 1.0
    return pc.utf8_rtrim(text, "KMBkmb"), factors
