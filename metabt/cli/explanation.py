"""Explanations and comparisons in words: text for people, rows for programs."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

from metabt.runs.comparison import Comparison
from metabt.runs.explain import Explanation, Recomputed
from metabt.runs.input_differences import Difference
from metabt.values.ranges import plural, spans

Row = tuple[str | int | None, ...]

EXPLANATION = ("path", "partitions", "computed", "blocks", "cause", "detail")
"""Columns of an explanation: a row per sleeve with computed blocks and cause; without a path it holds for all."""
COMPARISON = ("what", "detail")
"""Columns of a comparison."""


def explanation_text(found: Explanation) -> str:
    """Return why the blocks of a run were computed."""
    lines = [_heading(found)]
    if found.run.keep == "summary":
        lines.append("of this run a summary is kept, which does not say what was computed; what differs:")
    if found.everywhere:
        where = "" if found.run.keep == "summary" else "for every sleeve:"
        lines += [where, *_told(found.everywhere)] if where else _told(found.everywhere)
    elif found.run.keep == "summary":
        lines.append("  " + ("nothing" if found.reference else "there is no earlier run to compare it with"))
    for sleeve in found.sleeves:
        lines += _sleeve_lines(sleeve, found)
    if found.run.keep == "all":
        lines.append(_found_line(found))
    return "\n".join(lines)


def explanation_rows(found: Explanation) -> list[Row]:
    """Return an explanation as rows under EXPLANATION."""
    rows: list[Row] = [(None, None, None, None, cause.kind, cause.text) for cause in found.everywhere]
    for sleeve in found.sleeves:
        of = (sleeve.path, spans(sleeve.computed, sleeve.partitions), len(sleeve.computed), len(sleeve.partitions))
        rows += [(*of, cause.kind, cause.text) for cause in sleeve.causes] or [(*of, None, None)]
    return rows


def comparison_text(found: Comparison) -> str:
    """Return what makes two runs differ, and the effect."""
    one, other = found.one, found.other
    if found.is_one_run:
        return f"run {one.short} of {one.portfolio}: both are the same run"
    lines = [f"from run {one.short} of {one.portfolio} to run {other.short} of {other.portfolio}:"]
    lines += _told(found.differences) or ["  nothing differs that is recorded of their inputs"]
    return "\n".join([*lines, "effect on the root:", *(f"  {line}" for line in _effect(found))])


def comparison_rows(found: Comparison) -> list[Row]:
    """Return a comparison as rows under COMPARISON."""
    rows: list[Row] = [(cause.kind, cause.text) for cause in found.differences]
    return rows if found.is_one_run else [*rows, *(("effect", line) for line in _effect(found))]


def _effect(found: Comparison) -> list[str]:
    lines = [_metric_line(name, *values) for name, values in found.metrics.items()]
    (one_first, one_last), (first, last) = found.spans
    apart = found.spans[0] != found.spans[1]
    if apart:
        lines.append(f"each over its own sessions: {one_first} to {one_last} -> {first} to {last}")
    if found.parted:
        return [*lines, f"net returns differ from {found.parted} on"]
    if one_last < first or last < one_first:
        return [*lines, "net returns cannot be compared: there is no session in which both have one"]
    return [*lines, f"net returns are the same{' as long as both have them' if apart else ', to the bit'}"]


def _metric_line(name: str, before: float, after: float) -> str:
    texts = [f"{value:.4f}" if isfinite(value) else "none" for value in (before, after)]
    change = after - before
    return f"{name}: {' -> '.join(texts)}" + (f" ({change:+.4f})" if isfinite(change) else "")


def _heading(found: Explanation) -> str:
    run, reference = found.run, found.reference
    against = "there is no earlier run to compare it with"
    if reference is not None:
        against = f"compared with run {reference.short} of {reference.portfolio}, {reference.started_at:%Y-%m-%d %H:%M}"
    return f"run {run.short} of {run.portfolio}, {against}"


def _sleeve_lines(sleeve: Recomputed, found: Explanation) -> list[str]:
    n_computed, n_blocks = len(sleeve.computed), len(sleeve.partitions)
    count = plural(n_blocks, "block") if n_computed == n_blocks else f"{n_computed} of {plural(n_blocks, 'block')}"
    since = ""
    if found.reference and sleeve.since not in (None, found.reference.run_id):
        since = f", compared with run {str(sleeve.since)[:12]}"
    return [f"{sleeve.path}  {spans(sleeve.computed, sleeve.partitions)} ({count}){since}", *_told(sleeve.causes)]


def _told(causes: Iterable[Difference]) -> list[str]:
    return [f"  {cause.kind}: {cause.text}" for cause in causes]


def _found_line(found: Explanation) -> str:
    n_computed = sum(len(sleeve.computed) for sleeve in found.sleeves)
    if not found.sleeves:
        sleeves = plural(found.found_sleeves, "sleeve")
        return f"nothing was computed: every block of {sleeves} was found ({plural(found.found_blocks, 'block')})"
    all_found = f"{plural(found.found_sleeves, 'sleeve')} with every block found; " if found.found_sleeves else ""
    return f"{all_found}{plural(n_computed, 'block')} computed, {found.found_blocks:,} found in all"
