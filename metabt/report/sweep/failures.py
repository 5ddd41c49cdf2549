"""Failures: why configurations failed, the reason that ended most of them first."""

from __future__ import annotations

from collections import defaultdict

from metabt.report.section import Facts, Section
from metabt.report.sweep.tried import Tried

SHOWN = 30
"""Reasons that the page lists."""


def failures(tried: Tried) -> Section | None:
    """Return the table of what ended configurations; None where none failed."""
    reasons: dict[str, list[int]] = defaultdict(list)
    for place, error in enumerate(tried.errors):
        if error is not None:
            reasons[(error.strip().splitlines() or ["failed"])[0]].append(place)
    if not reasons:
        return None
    often = sorted(reasons.items(), key=lambda item: -len(item[1]))
    rows = [(f"{len(places):,}", tried.label(places[0]), reason) for reason, places in often[:SHOWN]]
    left = f" {len(often) - SHOWN:,} more reasons are in `metabt sql`." if len(often) > SHOWN else ""
    note = f"What failed is stored as failed, and is run again when it is asked for again.{left}"
    table = Facts(("Configurations", "The first of them", "Reason"), rows, note, kind="prose")
    return Section("failures", "What failed", tables=[table])
