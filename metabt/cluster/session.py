"""Session: connect to a Ray cluster, or start one on this machine that ends with this process.

1. A process that is connected already stays connected as it is.
2. An address, given or in RAY_ADDRESS, is attached to; what was not started here is never shut down.
3. Otherwise a private instance is started: quiet, without usage statistics, without a dashboard unless asked, open to
   nobody who lacks its token, which lies in a file that only this user can read.
"""

from __future__ import annotations

import atexit
import os
import secrets
import sys
import tempfile
import warnings
from pathlib import Path
from shutil import rmtree
from typing import Any

from metabt.errors import ConfigError

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""What numeric libraries read when they load; one thread each in every worker."""
TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
"""Where Ray looks for the token of a cluster, ahead of the user's own file."""
OWN_TOKEN = Path(".ray") / "auth_token"
"""The user's own file, in the home directory."""


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
        If Ray is not installed, or nobody answers at the address.
    """
    # Ray reads these once, when it is first imported
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # of calls that were given up with their actor
    wanted = address or os.environ.get("RAY_ADDRESS") or "local"
    if wanted == "local":
        _bring_token()
    elif any(name in os.environ for name in TOKENS) or (Path.home() / OWN_TOKEN).exists():
        # an explicit address never turns the token on by itself, and a driver without it is not let in
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    ray = _imported()
    if ray.is_initialized():
        _hush()
        return str(ray.get_runtime_context().gcs_address)
    options = {"num_cpus": n_cpus, "include_dashboard": dashboard} if wanted == "local" else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Ray's own making, such as what will change in its next release
            ray.init(address=wanted, log_to_driver=False, logging_level="ERROR", **options)
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        raise ConfigError(
            f"engine ray: no cluster at '{wanted}' ({str(error).splitlines()[0]}); start one with `ray start --head`, "
            "give its address (cluster.address, or RAY_ADDRESS) and its token (RAY_AUTH_TOKEN_PATH), or leave the "
            "address out to start one on this machine"
        ) from error
    _hush()
    return wanted


def _imported() -> Any:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ConfigError('engine ray: Ray is not installed; pip install "metabt[ray]", or engine=local') from error
    return ray


def _hush() -> None:
    """Keep what Ray says of dying workers off standard output, where results go: the run says what matters of it."""
    from ray._private.ray_logging import global_worker_stdstream_dispatcher  # there is no public way

    global_worker_stdstream_dispatcher.remove_handler("ray_print_logs")


def _bring_token() -> None:
    """Give a private instance a token of its own, unless somebody has decided about that already."""
    if "ray" in sys.modules or any(name in os.environ for name in ("RAY_AUTH_MODE", *TOKENS)):
        return
    folder = tempfile.mkdtemp(prefix="metabt-ray-")  # 0700
    path = Path(folder) / "token"
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32), encoding="ascii")
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(path)
    atexit.register(rmtree, folder, ignore_errors=True)
