"""Frames: matrices as pandas frames. pandas is imported when a frame is made: most commands need none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def wide_frame(dates: np.ndarray, symbols: Sequence[str], matrix: np.ndarray) -> pd.DataFrame:
    """Return a matrix, (n_dates, n_symbols), as a frame with index `date` and columns `symbol`."""
    import pandas as pd

    index = pd.DatetimeIndex(dates.astype("datetime64[ns]"), name="date")
    return pd.DataFrame(matrix, index=index, columns=pd.Index(symbols, name="symbol"))


def frame_of_rows(columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> pd.DataFrame:
    """Return rows with named columns as a frame with an index from 0."""
    import pandas as pd

    return pd.DataFrame([*rows], columns=list(columns))
