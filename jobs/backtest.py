"""Run a backtest where a scheduler starts jobs: `python jobs/backtest.py portfolio=demo lakehouse=/data/lake`.

It is `metabt backtest`: the same configuration, the same function, the same exit codes; with -m a sweep, whose grid is
expanded where the job runs. What it says on standard error is made for logs, too: which engine was chosen and why, and
no progress bar. The last line of a job that succeeds is the identity of its run, or `sweep` and that of its sweep.
"""

import sys

from metabt.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["backtest", "--print-id", *sys.argv[1:]]))
