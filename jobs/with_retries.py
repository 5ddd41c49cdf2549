"""Run a job again where a retry can cure what ended it: `python jobs/with_retries.py jobs/backtest.py portfolio=demo`.

A scheduler that starts jobs from a manifest may see that one failed and not why: KubeRay would start another cluster to
hear once more that a setting is misspelt.

1. Run the script with the arguments that follow it.
2. Where it is done, its exit code says that it would be refused again, or somebody has ended it: end with its code.
3. Otherwise wait, and run it again: it goes on from what is stored.

SIGTERM is passed on, and what it ends is not run again.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

from metabt.cli.exit_codes import DONE, ENDED, FINAL, STOPPED

WAITS = (10.0, 60.0)
"""Seconds before each further attempt."""


def main(words: Sequence[str], waits: Sequence[float] = WAITS) -> int:
    """Run a script with its arguments, again where that may help, and return its exit code."""
    if not words:
        print("usage: python jobs/with_retries.py SCRIPT [ARGUMENT ...]", file=sys.stderr)
        return 2
    stopped = False
    running: subprocess.Popen[bytes] | None = None

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        if running is not None:
            running.send_signal(number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        for wait in (*waits, None):
            running = subprocess.Popen([sys.executable, *words])
            code = running.wait()
            code = code if code >= 0 else 128 - code  # what a signal ended, as a shell says it
            if stopped or wait is None or code in (DONE, *FINAL, *ENDED):
                return code
            print(f"exit code {code}: tried again in {wait:.0f} s", file=sys.stderr, flush=True)
            end = time.monotonic() + wait
            while not stopped and time.monotonic() < end:
                time.sleep(0.2)
            if stopped:
                return STOPPED
    finally:
        signal.signal(signal.SIGTERM, before)
    raise AssertionError("unreachable: the last attempt returns")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
