"""Luck of a run: what it is worth beside everything that was tried on its data."""

from __future__ import annotations

from metabt.report.luck.family import family
from metabt.report.run import Run
from metabt.report.section import Section


def luck_of_run(run: Run) -> Section | None:
    """Return the section; None where nothing is known of trials, or too few are there to choose from."""
    table = None if run.evidence is None else family(run.evidence, str(run.row["run_id"]))
    return None if table is None else Section("luck", "How often it was tried", tables=[table])
