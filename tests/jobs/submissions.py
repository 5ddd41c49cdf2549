"""Jobs that are submitted to a head as a user does it, and what became of them."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.shared.heads import Head

ENDED = {"SUCCEEDED", "FAILED", "STOPPED"}
PATIENCE = 600
"""Seconds for a job, on a machine that has much else to do."""


@dataclass(frozen=True)
class Submission:
    """A job of a head."""

    head: Head
    name: str

    @classmethod
    def of(cls, head: Head, entrypoint: str, folder: Path) -> Submission:
        """Submit a job from a folder, and do not wait; a head that has just started may have no agent for it yet."""
        end = time.monotonic() + PATIENCE
        while True:
            name = f"test-{secrets.token_hex(4)}"
            line = ["submit", "--working-dir", ".", "--no-wait", "--submission-id", name, "--", *entrypoint.split()]
            code, said = head.job(*line, cwd=folder)
            if code == 0:
                return cls(head, name)
            assert "No available agent" in said and time.monotonic() < end, said
            time.sleep(1)

    @property
    def facts(self) -> dict[str, Any]:
        """What the head knows of it."""
        facts: dict[str, Any] = self.head.ask(f"/api/jobs/{self.name}")
        return facts

    @property
    def log(self) -> str:
        """What it has printed."""
        return str(self.head.ask(f"/api/jobs/{self.name}/logs")["logs"])

    def wait(self) -> tuple[str, int | None]:
        """Return its status and its exit code at the end."""
        self.until(lambda: False)
        return self.facts["status"], self.facts["driver_exit_code"]

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait until something has come true, or the job has ended."""
        end = time.monotonic() + PATIENCE
        while not reached() and self.facts["status"] not in ENDED:
            assert time.monotonic() < end, self.log
            time.sleep(0.1)


def driver_of(head: Head, word: str) -> int:
    """Return the process of a head's job that has a word among its arguments."""
    token = f"RAY_AUTH_TOKEN={head.settings['RAY_AUTH_TOKEN']}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            except OSError:
                continue
            if token in environment and line.split(b"\0")[1:2] == [b"jobs/backtest.py"] and word.encode() in line:
                return int(entry.name)
    raise LookupError(f"no job with '{word}' among its arguments")


def actors(head: Head) -> list[str]:
    """Return the classes of metabt's actors that live."""
    found = head.ask("/api/v0/actors?limit=10000")["data"]["result"]["result"]
    return sorted(
        actor["class_name"]
        for actor in found
        if actor["state"] != "DEAD" and actor["class_name"] in ("SleeveActor", "MetaActor", "Witness")
    )


def assert_gone(head: Head) -> None:
    """Assert that none of metabt's actors is left; the head hears of a driver's end a moment after it."""
    end = time.monotonic() + 60
    while left := actors(head):
        assert time.monotonic() < end, left
        time.sleep(0.2)
