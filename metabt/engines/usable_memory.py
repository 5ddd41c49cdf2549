"""Usable memory: how much of a machine's this process may take, and refusing a plan that needs more.

1. The machine's memory, or the limit of the process's control group, or of any group above, where that is less: what
   `docker --memory` and a pod's limit set.
2. A plan is refused before it starts if its estimate (metabt.build.memory_estimate) is more than that. What other
   processes take is not looked at: it may be gone by then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from metabt.build.memory_estimate import LIBRARIES, PRICES, READING, SLEEVES, TABLES, MemoryEstimate
from metabt.engines.usable_cpus import own_groups, words
from metabt.errors import ConfigError

CURES = {
    PRICES: "take a dataset of fewer symbols or years",
    SLEEVES: "take fewer or smaller sleeves, or decide less often (schedule)",
    READING: "put its children beneath nodes of fewer sleeves each",
    TABLES: "run fewer configurations at once, decide less often (schedule), or keep summaries alone",
    LIBRARIES: "use a larger machine",
}
"""What takes the memory -> how to need less of it."""
GIB = 2**30


def usable_memory(root: Path = Path("/")) -> int:
    """Return the bytes that this process may take; `root` is where `proc` and `sys` lie."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *(limit for group, name in own_groups(root, "memory") for limit in _limit(group, name))])


def _limit(group: Path, is_second: bool) -> Iterator[int]:
    found = words(group / ("memory.max" if is_second else "memory.limit_in_bytes"))
    if len(found) == 1 and found[0].isdigit() and int(found[0]):
        yield int(found[0])


def check_memory(who: str, estimate: MemoryEstimate, most: int | None = None) -> None:
    """Raise ConfigError if a plan is estimated to take more than `most` bytes; None is what this process may take.

    `who` is the subject of the message.
    """
    most = usable_memory() if most is None else most
    if estimate.total <= most:
        return
    name, size = estimate.largest
    needed, there, part = (f"{it / GIB:,.1f} GiB" for it in (estimate.total, most, size))
    raise ConfigError(
        f"{who} would take about {needed} of memory, this process may use {there}; {part} are {name}: {CURES[name]}; "
        "--force runs it all the same (in Python force=True)"
    )
