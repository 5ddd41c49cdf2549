"""`python -m metabt` is `metabt`."""

import sys

from metabt.cli import main

if __name__ == "__main__":
    sys.exit(main())
