"""A PostgreSQL server of the tests' own, from Debian's package: on loopback alone, with a password, gone afterwards.

1. Find the server's programs; without them tests are skipped, unless METABT_NEED_POSTGRES says that they must run.
2. Make a data directory in a temporary folder. The server refuses to run as root, so there it runs as user `postgres`.
3. Start it on a free port of 127.0.0.1, without a Unix socket, and wait until it answers.
4. Stop the process that was started, and remove its folder. It stops by itself where the tests are killed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

NEEDED = "METABT_NEED_POSTGRES"
"""Environment variable that makes a missing server an error."""
ACCOUNT = "postgres"
"""Debian's account of the server."""
DATABASE = "metabt"
OWNER = "quant"


@dataclass
class Server:
    """A running server."""

    programs: Path
    folder: Path
    port: int
    password: str
    process: subprocess.Popen[bytes]

    @property
    def catalog(self) -> str:
        """What names its database, without a password."""
        return f"postgres:host=127.0.0.1 port={self.port} dbname={DATABASE} user={OWNER}"

    def sql(self, statement: str, database: str = DATABASE) -> list[str]:
        """Run statements as the owner, over a client of the server's own; return the rows as text."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", OWNER, "-d", database]
        command = [self.programs / "psql", *where, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement]
        environment = {**os.environ, "PGPASSWORD": self.password}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def hang_up(self, condition: str = "true") -> int:
        """End the server's connections of metabt that meet a condition on pg_stat_activity; return how many."""
        ended = self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE application_name = 'metabt' AND pid <> pg_backend_pid() AND {condition}"
        )
        return len(ended)

    def start(self) -> None:
        """Start the process, on the data that there are."""
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        settings = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        command = [*_account(), self.programs / "postgres", "-D", self.folder / "data", "-p", str(self.port), *settings]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        ready = [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + 60
        while subprocess.run(ready, check=False).returncode:
            assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the process at once; connections are broken, and what was committed stays."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)


@contextmanager
def running_server() -> Iterator[Server]:
    """Run a server for as long as the block lasts."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="metabt-postgres-"))
    server = None
    try:
        (folder / "password").write_text(secrets.token_hex(12))
        if os.geteuid() == 0:
            for place in (folder, folder / "password"):
                shutil.chown(place, ACCOUNT, ACCOUNT)
        options = ["-U", OWNER, "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"]
        command = [*_account(), programs / "initdb", "-D", folder / "data", *options, f"--pwfile={folder / 'password'}"]
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        server = Server(programs, folder, _free_port(), (folder / "password").read_text(), None)  # type: ignore[arg-type]
        server.start()
        server.sql(f"CREATE DATABASE {DATABASE}", database="postgres")
        yield server
    finally:
        if server is not None and server.process is not None and server.process.poll() is None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    found = shutil.which("initdb")
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    if found is None and not versions:
        why = "no PostgreSQL server on this machine (apt-get install postgresql)"
        if os.environ.get(NEEDED):
            pytest.fail(f"{why}, and {NEEDED} is set")
        pytest.skip(why)
    return Path(found).resolve().parent if found else versions[-1].parent


def _account() -> list[str]:
    """Return what goes before a program so that it runs as nobody who is root, and ends when this process does."""
    account = [f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", "--pdeathsig=INT", *account]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
