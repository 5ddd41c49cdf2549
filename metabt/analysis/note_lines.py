"""Note lines: run notes in words, at most six lines; where there is nothing to say, one.

Long lists are cut, with the number of what is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metabt.analysis.coverage import proposed
from metabt.analysis.ended import Ended
from metabt.analysis.left_out import CALENDAR, COVERAGE, SESSIONS, LeftOut
from metabt.analysis.run_notes import EarlyEnd, FellBack, Passed, RunNotes, Unpaid, Warned
from metabt.build.dated.currencies import OldExchange

SHOWN = 3
"""Sleeves, settings and symbols that are named at most."""
WIDEST = 110
"""Largest number of characters of a setting or a message."""
MONTH = 30.44
"""Mean length in days."""
LINES = 6
"""Largest number of lines."""


def note_lines(notes: RunNotes, place: str = "", found: bool = False) -> list[str]:
    """Return the notes of one run, the run and its period first.

    Parameters
    ----------
    notes : the notes
    place : where the run is stored; empty says nothing of it
    found : whether it was read back instead of computed
    """
    return cut([run_line(notes, place, found), *settings_lines(notes), *concerns(notes)], LINES)


def run_line(notes: RunNotes, place: str = "", found: bool = False) -> str:
    """Return which run it is, its period, and as of when it read its data if that was asked for."""
    where = f" in {place}" if place else ""
    earlier = ", found: computed earlier" if found else ""
    past = f"; data as of {notes.as_of}" if notes.as_of else ""
    return f"run {notes.run_id[:12]} of {notes.portfolio}{where}{earlier}; {notes.first} to {notes.last}{past}"


def settings_lines(notes: RunNotes) -> list[str]:
    """Return in which settings the run differs from its portfolio's file, if in any."""
    return [f"other than its file says: {listed(notes.settings)}"] if notes.settings else []


def concerns(notes: RunNotes) -> list[str]:
    """Return what may make its numbers other than they seem, a line for each kind."""
    return [
        *([ended_early(notes.early_end)] if notes.early_end else []),
        *([fallbacks(notes.fell_back)] if notes.fell_back else []),
        *([ineligible(notes.left_out)] if notes.left_out else []),
        *([ends(notes.ended)] if notes.ended else []),
        *([old_rates(notes.exchanges)] if notes.exchanges else []),
        *([not_converted(notes.mixed)] if notes.mixed else []),
        *([never_decided(notes.passed)] if notes.passed else []),
        *([escapes(notes.escaped)] if notes.escaped else []),
        *([nothing_earned(notes.unpaid)] if notes.unpaid else []),
        *([warnings(notes.warned)] if notes.warned else []),
    ]


def pair_lines(one: RunNotes, other: RunNotes) -> list[str]:
    """Return the notes of two runs that are set side by side, each concern with the run that has it."""
    said: dict[str, list[str]] = {}
    for notes in (one, other):
        for line in (*settings_lines(notes), *concerns(notes)):
            said.setdefault(line, []).append(notes.run_id[:12])
    lines = [f"{'both' if len(runs) == 2 else runs[0]}: {line}" for line, runs in said.items()]
    return [run_line(one), run_line(other), *cut(lines, LINES - 2)]


def ended_early(end: EarlyEnd) -> str:
    """Return what ends a tree before its other data."""
    return (
        f"ends on {end.last} with dataset '{end.dataset}'; '{end.longest}' goes on for {_span(end)}, to {end.until}: "
        f"ingest newer prices of '{end.dataset}', or the same with --closed if it has ended for good"
    )


def fallbacks(found: Sequence[FellBack]) -> str:
    """Return which sleeves' decisions fell back, and why."""
    told = [f"{it.path} {it.times} of {it.of} decisions to {' and '.join(it.methods)} ({it.why})" for it in found]
    return f"fell back: {listed(told, 'sleeve', '; ')}"


def ineligible(found: Sequence[LeftOut]) -> str:
    """Return which assets were ineligible at most decisions, their coverage, and what cures it."""
    told = [
        f"{len(it.symbols)} of {it.n_assets} assets of {it.path} {_times(it)} ({listed(it.symbols)}): {_cause(it)}"
        for it in found
    ]
    return f"left out: {listed(told, 'case', '; ', 2)}"


def ends(found: Sequence[Ended]) -> str:
    """Return which holdings were closed because their asset ended, and what was assumed where no return was stated."""
    told = [f"{it.symbol} on {it.date}, {it.weight:.2%} of NAV, {_last_return(it)}" for it in found]
    assumed = [it for it in found if it.assumed]
    lacking = f"; of {len(assumed)} no return was stated" if assumed else ""
    return f"ended while held: {len(found)} holding{'s' * (len(found) != 1)} ({listed(told, 'case', '; ')}){lacking}"


def escapes(found: Sequence[Ended]) -> str:
    """Return which holdings were closed at a stale price before their asset ended, and the return that they escaped."""
    told = [f"{it.symbol} on {it.date}, {it.weight:.2%} of NAV, {_last_return(it)}" for it in found]
    return (
        f"closed as stale before their end: {len(found)} holding{'s' * (len(found) != 1)} "
        f"({listed(told, 'case', '; ')}): what it would have cost or paid is in no return"
    )


def nothing_earned(found: Unpaid) -> str:
    """Return in how many sessions cash earned nothing because its rate had no row yet."""
    sessions = f"{found.sessions:,} session{'s' * (found.sessions != 1)}"
    return f"cash earned nothing in {sessions}: rate '{found.rate}' begins on {found.first}; ingest earlier rows of it"


def _last_return(it: Ended) -> str:
    if it.assumed:
        return f"{it.how}, assumed {' or '.join(f'{each:+.0%}' for each in it.assumed)}"
    if np.isnan(it.stated):
        return it.how
    return f"{it.how} {it.stated:+.0%}{' in its prices' * it.included}"


def old_rates(found: Sequence[OldExchange]) -> str:
    """Return which rates of exchange were old or missing, of which leaf, in how many sessions."""
    told = []
    for it in found:
        old = [f"old in {it.old}"] if it.old else []
        unknown = [f"none yet, so that nothing is earned, in {it.unknown}"] if it.unknown else []
        told.append(f"{it.currency} in {it.base} of {it.path}, {' and '.join([*old, *unknown])} of {it.of} sessions")
    return f"rates of exchange: {listed(told, 'case', '; ')}"


def not_converted(currencies: Sequence[str]) -> str:
    """Return that currencies stand beside each other as if they were one, and what cures it."""
    return (
        f"assets are in {', '.join(currencies)} and their returns are not converted: state currency: "
        f"{currencies[0]} of the tree, and ingest rates of exchange"
    )


def never_decided(found: Sequence[Passed]) -> str:
    """Return which signals have dates that were never decided, and why."""
    told = [f"{it.times} of signal {it.signal} in {it.path}, first {it.first}" for it in found]
    return f"dates that were never decided, since a newer one was known by then: {listed(told, 'sleeve', '; ')}"


def warnings(found: Sequence[Warned]) -> str:
    """Return which sleeves' foreign estimators gave warnings, how often, and when first."""
    told = [f"{it.path} {it.times} x {_cut(it.text)}{_since(it.session)}" for it in found]
    return f"warnings: {listed(told, 'kind', '; ')}"


def listed(items: Sequence[str], noun: str = "", between: str = ", ", shown: int = SHOWN) -> str:
    """Return the first items, and the number of the others."""
    rest = len(items) - shown
    more = [f"and {rest} more{f' {noun}' if noun else ''}{'s' * (noun != '' and rest != 1)}"] if rest > 0 else []
    texts = [_cut(item) if not noun else item for item in items[:shown]]
    return between.join([*texts, *more])


def cut(lines: Sequence[str], most: int) -> list[str]:
    """Return at most so many lines; the last one counts those that are left out."""
    return list(lines) if len(lines) <= most else [*lines[: most - 1], f"and {len(lines) - most + 1} more notes"]


def _times(it: LeftOut) -> str:
    return "never eligible" if it.times == it.of else f"ineligible at {it.times} of {it.of} decisions"


def _cause(it: LeftOut) -> str:
    seen = "" if np.isnan(it.share) else f"coverage {it.share:.2g}, wanted {it.wanted:.2g}; "
    if it.cause == CALENDAR:
        return f"{seen}'{it.dataset}' mixes two calendars: make two datasets of it, a leaf each"
    if it.cause == COVERAGE:
        return f"{seen}set min_coverage: {proposed([it.share]):g}"
    if it.cause == SESSIONS:
        return (
            f"{seen}no price in most sessions in which '{it.path}' decides: give it another schedule, or leave them out"
        )
    return "never priced" if np.isnat(it.first) else f"{it.symbols[0]} is priced from {it.first} to {it.last} only"


def _span(end: EarlyEnd) -> str:
    days = int((end.until - end.last).astype("timedelta64[D]").astype(int))
    return f"{days} days" if days < 2 * MONTH else f"{round(days / MONTH)} months"


def _since(session: str) -> str:
    return f" (first on {session})" if session else ""


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 3]}..."
