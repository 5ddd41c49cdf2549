"""`python -m metabt` is `metabt`."""

import sys

from metabt.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
