"""Sections of a page: each has figures and tables, with captions and notes that say what to read in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Chart:
    """One figure with its caption; colours and fonts are the page's, which knows the background."""

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
    """Height, in lines of text."""
    hint: str = ""
    """What a reader can do with it on the page."""
    choices: dict[str, Any] | None = None
    """What the page draws as a reader chooses, instead of `traces`: `keys`, each with a label, its values and the place
    of each row's value among them; `metrics`, each with a label, a format and a number for each row."""


@dataclass(frozen=True)
class Facts:
    """A table of texts."""

    columns: tuple[str, ...]
    """Headings."""
    rows: Sequence[tuple[str, ...]]
    """Cells; leading spaces are levels of the tree."""
    note: str = ""
    """Text beneath the table: what to know about it, or what it means that it is empty."""
    title: str = ""
    """Heading within its section."""
    kind: Literal["numbers", "words", "prose", "remark", "tint"] = "numbers"
    """What the cells are: numbers; words, aligned to the left; long words, which may be broken; numbers and a remark in
    the last column; returns, which are coloured by sign and size."""
    paths: Sequence[str] = ()
    """The sleeves of the first rows, those that choose what the curves show."""
    sparks: Sequence[str] = ()
    """The points of a small curve for each row, as SVG has them, in a box of 100 x 24."""


@dataclass(frozen=True)
class Branch:
    """A row of a tree, and the rows that it folds away."""

    cells: tuple[str, ...]
    """Texts of the cells, the name first."""
    beneath: Sequence[Branch] = ()
    """Rows beneath it, in their order."""


@dataclass(frozen=True)
class Folded:
    """A table as a tree that opens level by level."""

    columns: tuple[str, ...]
    """Headings."""
    root: Branch
    """The first row, which is open at first."""
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
    """Charts, above the tables."""
    tables: Sequence[Facts | Folded] = ()
    """Tables, below the charts."""
    text: str = ""
    """Preformatted text, folded away."""
    side_by_side: bool = False
    """Whether figures stand beside each other where there is room."""
