"""Fair share: how many actors a job may have while other jobs of metabt want some of the same cluster.

1. Each job writes down, under a name of its own with the head of the cluster, how many actors it wants and has.
2. One whose text has not changed for a while has ended. Clocks of several machines are not compared.
3. What there is is shared max-min fairly: nobody gets more than it wants, and what one leaves the others share.
4. A job gives actors back while another one has fewer than its share, and not before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import ceil
from time import monotonic

from metabt.engines.ray.head_notes import erase, named, new_note, read, write_down

PREFIX = "metabt-share"
"""How the names of the notes begin."""
SILENT = 30.0
"""Seconds without a word after which another job counts as ended."""
FORGOTTEN = 600.0
"""Seconds after which its note is taken away; one that is only slow writes it again."""


def fair_share(n_places: int, wants: Sequence[int]) -> int:
    """Return how many places the first of some jobs gets, max-min fairly; at least 1, and no more than it wants.

    Parameters
    ----------
    n_places : number of actors that fit
    wants : number of actors that each job wants, of this one first
    """
    left, mine = n_places, wants[0]
    others = sorted(wants[1:])
    # the modest are served first; the rest is shared by those who want more
    for place, want in enumerate(others):
        level = left / (len(others) - place + 1)
        if want > level:
            return max(1, min(mine, ceil(level)))
        if mine <= level:
            return max(1, mine)
        left -= want
    return max(1, min(mine, left))


class FairShare:
    """What this job and the others want of a cluster, as far as they have said so."""

    def __init__(self) -> None:
        """Begin without a note; `say` writes the first."""
        self._note, self._count = new_note(PREFIX), 0
        self._heard: dict[str, tuple[str, float]] = {}

    def say(self, n_wanted: int, n_had: int) -> None:
        """Write down how many actors this job wants, and how many work for it."""
        self._count += 1
        write_down(self._note, json.dumps([n_wanted, n_had, self._count]))

    def others(self) -> list[tuple[int, int]]:
        """Return how many actors each other job wants and has."""
        now, said = monotonic(), {}
        for note in named(PREFIX):
            if note != self._note and (text := read(note)):
                before = self._heard.get(note)
                said[note] = before if before is not None and before[0] == text else (text, now)
            if note in said and now - said[note][1] > FORGOTTEN:
                erase(note)
        self._heard = said
        found = [json.loads(text) for text, since in said.values() if now - since < SILENT]
        return [(int(wanted), int(had)) for wanted, had, _ in found]

    def close(self) -> None:
        """Take this job's note back."""
        erase(self._note)
