"""Evidence of a sweep: what its configurations are worth beside everything that was tried."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from metabt.lakehouse import attach
from metabt.lakehouse.evidence import Evidence, evidence


class Member(Protocol):
    """What is asked of a configuration of a sweep."""

    @property
    def run_id(self) -> str:
        """Identity of its run."""

    @property
    def error(self) -> str | None:
        """Message of the error that ended it."""

    @property
    def study(self) -> str | None:
        """What it was said to be part of."""


def sweep_evidence(lakehouse: str | Path, members: Sequence[Member]) -> Evidence:
    """Return what the configurations of a sweep are worth, once they are stored; a study that all state narrows it."""
    done = [member for member in members if member.error is None]
    studies = {member.study for member in done}
    with attach(lakehouse, read_only=True) as connection:
        study = next(iter(studies)) if len(studies) == 1 else None
        return evidence(connection, list(dict.fromkeys(member.run_id for member in done)), study)
