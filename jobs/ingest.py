"""Store prices where a scheduler starts jobs: `python jobs/ingest.py prices.parquet --dataset mine --lakehouse LAKE`.

It is `metabt ingest`: the same arguments, the same function, the same exit codes.
"""

import sys

from metabt.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["ingest", *sys.argv[1:]]))
