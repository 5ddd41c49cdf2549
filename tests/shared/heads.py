"""A Ray head on this machine that is started as a pod's is, with a token, and ended alone.

`ray stop` would end every Ray process of the machine, so what belongs to the head is found by its own temporary folder.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PORTS = ("port", "dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port")
"""Ports of a head that two heads on one machine would both take."""
PATIENCE = 90
"""Seconds for a head to answer, and for a job's nodes to end."""


@dataclass(frozen=True)
class Head:
    """A head that runs."""

    address: str
    """Where its jobs are submitted."""
    gcs: str
    """Where drivers attach."""
    settings: dict[str, str]
    """An environment that knows its token."""

    def job(self, command: str, *args: str, cwd: Path | None = None, **environment: str) -> tuple[int, str]:
        """Run `ray job COMMAND` and return its exit code and what it printed."""
        line = [str(Path(sys.executable).parent / "ray"), "job", command, "--address", self.address, *args]
        env = {**self.settings, **environment}
        done = subprocess.run(line, env=env, cwd=cwd, capture_output=True, text=True, timeout=600)
        return done.returncode, done.stdout + done.stderr

    def ask(self, path: str, token: str | None = None, data: bytes | None = None) -> Any:
        """Return what its API answers; `token` is the right one by default, none where it is empty."""
        token = self.settings["RAY_AUTH_TOKEN"] if token is None else token
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        with urllib.request.urlopen(urllib.request.Request(self.address + path, data, headers), timeout=60) as answer:
            return json.load(answer)

    @contextmanager
    def joined(self, n_cpus: int) -> Iterator[None]:
        """Have another machine join it, as far as it can tell; it ends with the head at the latest."""
        line = [str(Path(sys.executable).parent / "ray"), "start", f"--address={self.gcs}", "--block"]
        sizes = [f"--num-cpus={n_cpus}", "--object-store-memory=200000000"]
        with open(Path(self.settings["HOME"]) / "log-of-worker", "wb") as log:
            worker = subprocess.Popen(
                [*line, *sizes], env=self.settings, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield
        finally:
            worker.send_signal(signal.SIGTERM)
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    def nodes(self) -> list[dict[str, Any]]:
        """Return its nodes, once it knows of one: it answers before its own has joined."""
        end = time.monotonic() + PATIENCE
        while not (found := self.ask("/api/v0/nodes")["data"]["result"]["result"]):
            assert time.monotonic() < end, "the head has no node"
            time.sleep(0.2)
        return list(found)


@contextmanager
def local_head(folder: Path, environment: Mapping[str, str], n_cpus: int = 2) -> Iterator[Head]:
    """Run a head whose jobs start in `folder`, in an environment that has the right Python first."""
    place = Path(tempfile.mkdtemp(prefix="metabt-", dir="/tmp"))  # short: sockets in it have at most 107 characters
    bin_dir = str(Path(sys.executable).parent)
    settings = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
        **environment,
        "PATH": os.pathsep.join([bin_dir, os.environ["PATH"]]),
        "HOME": str(place),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    ports = _free_ports(len(PORTS))
    flags = [f"--{name}={port}" for name, port in zip(PORTS, ports, strict=True)]
    sizes = [
        f"--num-cpus={n_cpus}",
        "--object-store-memory=200000000",
        "--dashboard-host=127.0.0.1",
        f"--temp-dir={place}/ray",
    ]
    with open(place / "log", "wb") as log:
        head = subprocess.Popen(
            [f"{bin_dir}/ray", "start", "--head", "--block", *flags, *sizes],
            cwd=folder,
            env=settings,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        agent = ports[PORTS.index("dashboard-agent-listen-port")]  # it takes jobs, and may come later
        for url in (
            f"http://127.0.0.1:{ports[1]}/api/gcs_healthz",
            f"http://127.0.0.1:{agent}/api/local_raylet_healthz",
        ):
            _await(url, head, place / "log")
        yield Head(f"http://127.0.0.1:{ports[1]}", f"127.0.0.1:{ports[0]}", settings)
    finally:
        _end(head, place)
        shutil.rmtree(place, ignore_errors=True)


def _free_ports(n: int) -> list[int]:
    """Return ports below those that Ray gives to its workers."""
    found: list[int] = []
    for port in range(7000 + os.getpid() % 2000, 9999):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
        if len(found) == n:
            return found
    raise RuntimeError(f"no {n} free ports")


def _await(url: str, head: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and head.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if b"success" in answer.read():
                    return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"the head does not answer at {url}:\n{log.read_text(errors='replace')}")


def _end(head: subprocess.Popen[bytes], place: Path) -> None:
    head.send_signal(signal.SIGTERM)
    try:
        head.wait(30)
    except subprocess.TimeoutExpired:
        head.kill()
        head.wait()
    end = time.monotonic() + PATIENCE
    while (left := _processes_of(place)) and time.monotonic() < end:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.2)


def _processes_of(place: Path) -> list[int]:
    """Return the processes that have the folder in their command line or as their home."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if os.fsencode(place) in told:
                found.append(int(entry.name))
    return found
