"""Connection to a Ray cluster, or to one that is started on this machine and ends with this process.

1. A process that is connected already stays connected as it is.
2. An address, given or in RAY_ADDRESS, is attached to; what was not started here is never shut down.
3. Otherwise a private instance is started: quiet, without usage statistics, without a dashboard unless asked. It
   listens on this machine's loopback address alone, and takes only clients with its token, which lies in a file that
   only this user can read.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metabt.errors import ConfigError, passing
from metabt.values.held_folders import RAY, hold, release

LOG = logging.getLogger("metabt.cluster")

KEPT = 60_000
"""Milliseconds for which a private instance keeps a process that has nothing to do. Ray's own, one second, is less than
the time between two reads of prices in a long run: each would wait for a new process and its imports."""
TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
"""Where Ray looks for the token of a cluster, ahead of the user's own file."""
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray's switch, of every system in spite of its name: without clusters an instance listens on 127.0.0.1 alone."""
ANSWER = 10.0
"""Seconds that the head of a cluster may take to answer."""
OWN_TOKEN = Path(".ray") / "auth_token"
"""The user's own file, in the home directory."""


_names: list[str] = []
"""Address by which this process has connected to its cluster; one machine has several addresses."""


def connect(address: str | None = None, *, n_cpus: int | None = None, dashboard: bool = False) -> str:
    """Connect this process to a cluster and return where it is: an address, or `local`.

    Parameters
    ----------
    address : of the cluster; None is what RAY_ADDRESS says, or a private instance on this machine
    n_cpus : processors of a private instance; all by default
    dashboard : start the web page of a private instance

    Raises
    ------
    ConfigError
        If Ray cannot be imported, no cluster answers at the address, or the process is connected to another one.
    """
    # Ray reads these once, when it is first imported
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # of calls that were given up with their actor
    wanted = address or os.environ.get("RAY_ADDRESS") or "local"
    if wanted == "local":
        _bring_token()
        os.environ.setdefault(LOOPBACK, "0")
        os.environ.setdefault("RAY_idle_worker_killing_time_threshold_ms", str(KEPT))
    elif any(name in os.environ for name in TOKENS) or (Path.home() / OWN_TOKEN).exists():
        # an explicit address never turns the token on by itself, and a driver without it is not let in
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    ray = _imported()
    if ray.is_initialized():
        return _connected(str(ray.get_runtime_context().gcs_address), address)
    options = {"num_cpus": n_cpus, "include_dashboard": dashboard} if wanted == "local" else {}
    try:
        _probe(wanted)
        with warnings.catch_warnings(), _own_end():
            warnings.simplefilter("ignore")  # of Ray's own making, such as what will change in its next release
            ray.init(address=wanted, log_to_driver=False, logging_level="ERROR", **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise passing(
            ConfigError(
                f"engine ray: no cluster at '{wanted}' ({_reason(error)}); start one with `ray start --head`, "
                "give its address (cluster.address, or RAY_ADDRESS) and its token (RAY_AUTH_TOKEN_PATH), or leave the "
                "address out to start one on this machine"
            )
        ) from error
    _hush()
    _names.append(wanted)
    return wanted


def _connected(here: str, wanted: str | None) -> str:
    """Return where this process is connected already.

    Raises
    ------
    ConfigError
        If another cluster is wanted.
    """
    if wanted not in (None, "auto", here, *_names):
        raise ConfigError(
            f"engine ray: this process is connected to the cluster at {here}, not to {wanted}; a process has one "
            "cluster: leave the address out, call ray.shutdown() first, or use another process"
        )
    _hush()
    return here


def _probe(address: str) -> None:
    """Raise OSError if no process listens at HOST:PORT: Ray itself would try again for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "://" not in address:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".:") if lines else type(error).__name__


@contextmanager
def _own_end() -> Iterator[None]:
    """Restore this process's handler of SIGTERM after the block, in which Ray puts its own in its place."""
    before = signal.getsignal(signal.SIGTERM)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        yield
    except SystemExit as error:
        if error.code == signal.SIGTERM:  # it has come while Ray's handler was there
            before(signal.SIGTERM, None)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _imported() -> Any:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"engine ray: {error}, and it comes with metabt: install metabt again, or choose engine=local"
        ) from error
    return ray


def _hush() -> None:
    """Keep what Ray says of dying workers off standard output, where results go: the run says what matters of it."""
    from ray._private import worker  # there is no public way

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda data, *_, **__: LOG.debug("%s", "\n".join(map(str, data["lines"])))
    else:
        LOG.debug("this Ray has no worker.print_to_stdstream: what it says of dying workers may be on standard output")


def _bring_token() -> None:
    """Set a token for a private instance, unless the environment states one, or Ray has been imported before."""
    if "ray" in sys.modules or any(name in os.environ for name in ("RAY_AUTH_MODE", *TOKENS)):
        return
    folder = hold(RAY)  # 0700
    path = folder / "token"
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32), encoding="ascii")
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(path)
    atexit.register(release, folder)
