"""Compared: any number of stored runs beside each other, as a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metabt.values.arguments import location
from metabt.values.frames import frame_of_rows

if TYPE_CHECKING:
    import pandas as pd

    from metabt.report.several.beside import Beside


@dataclass(frozen=True, repr=False)
class Compared:
    """Two or more stored runs, next to each other."""

    beside: Beside
    """What they were set to, how they did, and the curves of their roots."""

    def __repr__(self) -> str:
        return f"Compared({', '.join(self.beside.labels)})"

    def _repr_html_(self) -> str:
        """Return the frame, transposed: a column for each run."""
        return str(self.frame().T.to_html())

    def frame(self) -> pd.DataFrame:
        """Return a row for each run.

        Returns
        -------
        DataFrame
            Index `run_id`. Columns `portfolio`, `first_date` and `last_date` of the root's returns, a column of text
            for each setting in which they differ, and a column of floats for each metric of the root (NaN where it has
            none).
        """
        several = self.beside.several
        return frame_of_rows(several.columns, several.rows()).set_index("run_id")

    def remarks(self) -> list[str]:
        """Return what must be known of metrics that stand beside each other.

        Returns
        -------
        list of str
            Empty where nothing must.
        """
        return self.beside.several.remarks()

    def report(self, path: str | Path) -> Path:
        """Write it as one HTML page, with the growth of each, and return where.

        Parameters
        ----------
        path : str or Path
            The file; its folder must exist.

        Returns
        -------
        Path

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        from metabt.report import write_page

        return write_page(path, self.beside)


def compare(runs: Sequence[str], *, lakehouse: str | Path) -> Compared:
    """Return any number of stored runs beside each other: what differs between them, and how they did.

    Parameters
    ----------
    runs : sequence of str
        Two or more: names of portfolios, or beginnings of run ids, as `load` takes them.
    lakehouse : str or Path
        Directory of the lakehouse.

    Returns
    -------
    Compared
        `frame()` has a row for each, `report(path)` writes a page.

    Raises
    ------
    ConfigError
        For a name that means no run or several, fewer than two runs, or one that is named twice.
    StoreError
        For a run that failed, or a lakehouse that cannot be read.
    """
    from metabt.lakehouse import attach, resolve_run
    from metabt.report.root_curves import root_curves
    from metabt.report.several.beside import Beside
    from metabt.runs.beside.several import several

    with attach(location("lakehouse", lakehouse), read_only=True) as connection:
        run_ids = [resolve_run(connection, name) for name in ([runs] if isinstance(runs, str) else runs)]
        return Compared(Beside(several(connection, run_ids), root_curves(connection, run_ids)))
