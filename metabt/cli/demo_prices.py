"""The demo's prices: daily closes that come with skfolio's wheel, read where they lie, without importing skfolio."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from metabt.errors import DataError

FILES = {"sp500": "sp500_dataset.csv.gz", "factor_etfs": "factors_dataset.csv.gz"}
"""Dataset -> file: 20 S&P 500 stocks, 1990-2022, and five factor ETFs, 2014-2022, adjusted."""


def price_files() -> dict[str, Path]:
    """Return the file of each demo dataset.

    Raises
    ------
    DataError
        If skfolio is not installed, or its wheel no longer has the files.
    """
    spec = find_spec("skfolio")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("the demo prices come with skfolio; pip install 'metabt[demo]', or make demo")
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "data"
    files = {dataset: folder / name for dataset, name in FILES.items()}
    for file in files.values():
        if not file.is_file():
            raise DataError(f"this version of skfolio has no {file.name}; install the one in constraints.txt")
    return files
