"""Run a backtest where a scheduler starts jobs: `python jobs/backtest.py portfolio=demo lakehouse=/data/lake`.

It is `metabt backtest --quiet`: the same configuration, the same function, the same exit codes.
"""

import sys

from metabt.cli import main

if __name__ == "__main__":
    sys.exit(main(["backtest", "--quiet", *sys.argv[1:]]))
