"""What a page is made of: a section has figures and tables, and each says what to read in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Chart:
    """One figure and what to read in it; colours and fonts belong to the page, which knows the background."""

    name: str
    """Identifier on the page."""
    caption: str
    """What is shown, and what was left out."""
    traces: list[dict[str, Any]]
    """Plotly traces. `slot` is the place of the colour in the page's palette, `path` the sleeve that is drawn, `first`
    the trace's beginning in `x`; they are the page's own words."""
    layout: dict[str, Any]
    """Plotly layout, colours aside."""
    x: list[str] = field(default_factory=list)
    """Dates that the traces without an `x` of their own share."""
    height: int = 26
    """In lines of text."""
    hint: str = ""
    """What a reader can do with it on the page."""


@dataclass(frozen=True)
class Facts:
    """A table of texts."""

    columns: tuple[str, ...]
    """Headings."""
    rows: Sequence[tuple[str, ...]]
    """Cells; leading spaces are levels of the tree."""
    note: str = ""
    """What to know about it, or what its being empty means."""
    title: str = ""
    """Heading within its section."""
    kind: Literal["numbers", "words", "prose", "remark", "tint"] = "numbers"
    """What the cells are: numbers; words, aligned to the left; long words, which may be broken; numbers and a remark in
    the last column; returns, told apart by colour too."""
    paths: Sequence[str] = ()
    """The sleeves of the first rows, those that choose what the curves show."""
    sparks: Sequence[str] = ()
    """The points of a small curve for each row, as SVG has them, in a box of 100 x 24."""


@dataclass(frozen=True)
class Branch:
    """A row of a tree, and the rows that it folds away."""

    cells: tuple[str, ...]
    """Its name first."""
    beneath: Sequence[Branch] = ()
    """In their order."""


@dataclass(frozen=True)
class Folded:
    """A table as a tree that opens level by level."""

    columns: tuple[str, ...]
    """Headings."""
    root: Branch
    """Open at first."""
    note: str = ""
    """What to know about it."""
    title: str = ""
    """Heading within its section."""


@dataclass(frozen=True)
class Section:
    """One part of the page."""

    name: str
    """Identifier on the page."""
    title: str
    """Heading."""
    figures: Sequence[Chart] = ()
    """Drawn first."""
    tables: Sequence[Facts | Folded] = ()
    """Listed below."""
    text: str = ""
    """Preformatted text, folded away."""
    side_by_side: bool = False
    """Figures stand beside each other where there is room."""
