"""`metabt compare`: any number of runs beside each other, what differs between them and how they did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metabt.analysis.summary import with_growth
from metabt.cli.printing import Layout, notice, place, print_notes, print_rows, said_first, show
from metabt.runs.beside.figures import figure, heading

if TYPE_CHECKING:
    from metabt.runs.beside.several import Several

ABREAST = 6
"""Runs whose columns stand beside each other; of more, the next stand below."""
WIDEST = 28
"""Largest number of characters of a value that are printed."""


def compare(
    lakehouse: str | None,
    runs: Sequence[tuple[str, Sequence[str]]],
    output: str | None = None,
    layout: Layout = "table",
) -> None:
    """Print what differs between runs and how they did; write it as a page, too, where `output` names a file."""
    from metabt.lakehouse import attach, resolve_run
    from metabt.report import check_folder, write_page
    from metabt.report.root_curves import root_curves
    from metabt.report.several.beside import Beside
    from metabt.runs.beside.several import several

    if output is not None:
        check_folder(output)
    with attach(place(lakehouse), read_only=True) as connection:
        run_ids = [resolve_run(connection, name, overrides, said_first(layout)) for name, overrides in runs]
        found = several(connection, run_ids)
        if layout == "table":
            show(table(found))
            if found.remarks():
                print_notes(found.remarks())
        else:
            print_rows(found.columns, found.rows(), layout)
            for remark in found.remarks():
                notice(remark)
        if output is not None:
            file = write_page(output, Beside(found, root_curves(connection, run_ids)))
            (show if layout == "table" else notice)(f"{file}: {file.stat().st_size / 1e6:.1f} MB, {len(runs):,} runs")


def table(found: Several) -> str:
    """Return runs as columns of text: what differs, then metrics of their roots."""
    named = [dict(zip(found.metrics, values, strict=True)) for values in zip(*found.metrics.values(), strict=True)]
    rows = [
        ("", *(run.short for run in found.runs)),
        *((key, *map(_cut, values)) for key, values in found.settings.items()),
        ("from", *(first for first, _ in found.spans)),
        ("to", *(last for _, last in found.spans)),
        *(
            (heading(name), *(figure(name, own[name]) for own in named))
            for name in with_growth([*found.metrics], named)
        ),
    ]
    parts = range(1, len(found.runs) + 1, ABREAST)
    return "\n\n".join(_aligned([(row[0], *row[first : first + ABREAST]) for row in rows]) for first in parts)


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def _cut(text: str) -> str:
    return (text or "-") if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."
