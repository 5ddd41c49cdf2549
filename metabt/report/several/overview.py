"""Overview: what runs were set to, only where it differs, over how they did."""

from __future__ import annotations

from metabt.analysis.summary import with_growth
from metabt.report.section import Facts, Section
from metabt.report.several.beside import Beside
from metabt.runs.beside.figures import figure, heading


def settings(beside: Beside) -> Section:
    """Return the table of what differs, a column for each run."""
    found = beside.several.settings
    rows = [(key, *(value or "\N{EN DASH}" for value in values)) for key, values in found.items()]
    note = "What is the same in all of them is left out; data and code are told by the beginning of their digests."
    if not rows:
        note = "Nothing that they were set to differs: they read other data, or were computed by other code."
    return Section("settings", "What differs", tables=[Facts(("", *beside.labels), rows, note, kind="words")])


def measured(beside: Beside) -> Section:
    """Return the table of metrics, a column for each run."""
    several = beside.several
    named = [dict(zip(several.metrics, values, strict=True)) for values in zip(*several.metrics.values(), strict=True)]
    rows = [
        ("first session", *(first for first, _ in several.spans)),
        ("last session", *(last for _, last in several.spans)),
    ]
    for name in with_growth([*several.metrics], named):
        rows.append((heading(name), *(figure(name, own[name]) for own in named)))
    note = " ".join(
        f"{text[0].upper()}{text[1:]}." for text in ["of the roots, net of costs, per year", *several.remarks()]
    )
    return Section("metrics", "How they did", tables=[Facts(("", *beside.labels), rows, note)])
