"""Made elsewhere: what differs between this process and what made the newest run of a lakehouse, told before it walks.

Bits depend on code, on the versions of libraries, on Python and on the processor, so that blocks that others made are
not found here. All of them would be computed again: that is right, and it should surprise nobody who has started a job
on a cluster with another image, or of other machines, than the last one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from metabt.build.keys import basis
from metabt.build.sleeve_code import code_of_kind
from metabt.errors import MetabtError
from metabt.numerics.platform import numeric_platform
from metabt.runs.input_differences import changed_settings

if TYPE_CHECKING:
    import duckdb

NEWEST = "SELECT run_id, versions FROM runs WHERE status = 'ok' ORDER BY started_at DESC, run_id DESC LIMIT 1"


def made_elsewhere(con: duckdb.DuckDBPyConnection) -> str | None:
    """Return a sentence that says why this process does not find the blocks of the newest run; None where it may.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        A connection to the lakehouse.

    Returns
    -------
    str or None
        What differs, what that means and the cure; None where nothing does, or there is no run.
    """
    found = con.execute(NEWEST).fetchone()
    if found is None:
        return None
    run_id, versions = found[0], json.loads(found[1])
    differing = _differing(versions)
    if not differing:
        return None
    return (
        f"the newest run of this lakehouse, {run_id[:12]}, was made with other {', '.join(differing)}: its blocks are "
        "not found here, and what is needed of them is computed again. Run on machines of one kind from one image; "
        "after an upgrade, `metabt cache adopt` keeps blocks that a sample proves to be the same"
    )


def _differing(versions: dict[str, Any]) -> list[str]:
    """Return what differs from the versions that a run has recorded, of which the keys of its blocks were made."""
    kinds = {tuple(kind.split(" ")): found for kind, found in versions.get("keys", {}).items()}
    try:
        if all(basis(kind) == found for kind, found in kinds.items()):
            return []
        libraries = {name: text for kind in kinds for name, text in code_of_kind(kind).libraries.items()}
    except (MetabtError, LookupError, ImportError):  # an estimator that is not there any more: its code has changed
        libraries = {}
    before = versions.get("libraries", {})
    both = {name: text for name, text in libraries.items() if name in before}
    lines = [
        *changed_settings(versions.get("platform", {}), json.loads(json.dumps(numeric_platform()))),
        *changed_settings({name: before[name] for name in both}, both),
    ]
    return [_short(line) for line in lines] or ["code of metabt"]


def _short(line: str) -> str:
    """Return a line that is not longer than a name and two versions: lists of a processor's features are."""
    name, _, values = line.partition(": ")
    return line if len(values) < 60 else name
