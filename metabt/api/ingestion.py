"""Ingestion from Python: prices of a file, a folder or a frame into a lakehouse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metabt.lakehouse import IngestReport
    from metabt.lakehouse.ingestion.tables.table_ingestion import TableReport


def ingest(
    source: Any,
    *,
    dataset: str,
    lakehouse: str | Path,
    date: str | None = None,
    symbol: str | None = None,
    symbol_name: str | None = None,
    close: str | None = None,
    volume: str | None = None,
    date_format: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    skip_rows: int = 0,
    columns: Sequence[str] | None = None,
    sheet: str | None = None,
    returns: bool = False,
    percent: bool = False,
    wide: bool = False,
    table: str | None = None,
    universe: str | None = None,
    name: str | None = None,
    adjusted: bool | None = None,
    closed: bool | None = None,
    panel: Any = None,
    replace: bool = False,
    rescale: bool = False,
    catalog: str | None = None,
) -> IngestReport | TableReport:
    """Store prices in a dataset of a lakehouse, which is made where there is none; only what is new is written.

    Parameters
    ----------
    source : str, Path, list of these, or frame
        A CSV, Parquet or Excel file, wide (a column per symbol) or long (a row per symbol and date); a folder of files,
        each of which may be one symbol's, named as it is; or a frame of pandas (with yfinance's two levels too), of
        polars, of Arrow, or whatever has ``__arrow_c_stream__`` or ``__dataframe__``.
    dataset : str
        Its name: letters, digits, ``_ . -``, at most 64.
    lakehouse : str or Path
        Directory of the lakehouse.
    date, symbol : str, optional
        Columns that hold the dates and, in a long table, the symbols; found by their names by default.
    symbol_name : str, optional
        Symbol of the one asset that the source is about.
    close, volume : str, optional
        Columns, or fields of two-level columns, that are price and volume.
    date_format : str, optional
        How dates are written, as for strptime; asked for where the dates themselves do not prove it.
    decimal, thousands : str, optional
        Signs of numbers in text; asked for where the numbers do not prove them.
    skip_rows : int
        Lines above the header.
    columns : sequence of str, optional
        Names of the columns of a file without a header.
    sheet : str, optional
        Sheet of a workbook.
    returns : bool
        The numbers are simple returns, which are compounded.
    percent : bool
        They are in percent.
    wide : bool
        Every column beside the dates is a symbol, whatever it is called.
    table : str, optional
        The source holds no prices, but what is dated beside them (docs/point_in_time.md): assets, actions, members,
        delistings, rates, costs, schedules or signals. Options of prices are refused then.
    universe : str, optional
        Universe that a table of members is of, where it has no column that names it.
    name : str, optional
        Signal that a table of signals is of, where it has no column that names it: a wide one never has.
    adjusted : bool, optional
        Whether prices are adjusted for splits and dividends, as they are unless False is stated with the first source;
        of those that are not, actions make the returns. Dividends and splits beside them are stored as such.
    closed : bool, optional
        True when no more data will come; None leaves it as it was.
    panel : str, mapping or sequence of these, optional
        The registered steps between the dataset's prices and its returns (docs/panels.md): a name, a mapping with
        `name`, `before`, `over` and the step's parameters, or several; "none" takes them away, None leaves them.
    replace : bool
        The source is the whole truth for its symbols: stored prices between a symbol's first and last date that it does
        not have are deleted. Of a table it is all that there is.
    rescale : bool
        Multiply stored closes that would stay at an old scale by the factor that the dates in common tell.
    catalog : str, optional
        Where a new lakehouse keeps its catalogue, ``postgres:host=HOST dbname=NAME``.

    Returns
    -------
    IngestReport or TableReport
        What was read, added and changed, and notes; as text it is a paragraph. The latter where a `table` is named.

    Raises
    ------
    ConfigError
        For a name or an option that cannot be meant.
    DataError
        For data that must not be stored; the lakehouse is as it was.
    StoreError
        For a lakehouse that cannot be written.

    Examples
    --------
    >>> import tempfile, pandas as pd, metabt
    >>> lake = tempfile.mkdtemp()
    >>> bars = pd.DataFrame({"Close": [10.0, 11.0], "Volume": [5, 6]}, pd.to_datetime(["2020-01-02", "2020-01-03"]))
    >>> report = metabt.ingest(bars, dataset="mine", lakehouse=lake, symbol_name="AAPL")
    >>> report.added, report.symbols, report.sessions
    (2, 1, 2)
    >>> ends = pd.DataFrame({"asset": ["AAPL"], "date": ["2020-01-03"], "return": [-0.55]})
    >>> metabt.ingest(ends, dataset="mine", lakehouse=lake, table="delistings").rows
    1
    """
    from metabt.lakehouse import ingest as store
    from metabt.lakehouse.ingestion.options import Options

    options = Options.of(
        {
            **{"date": date, "symbol": symbol, "symbol_name": symbol_name, "close": close, "volume": volume},
            **{"date_format": date_format, "decimal": decimal, "thousands": thousands, "skip_rows": skip_rows},
            **{"columns": columns, "sheet": sheet, "returns": returns, "percent": percent, "wide": wide},
            **{"universe": universe, "name": name, "adjusted": adjusted},
        }
    )
    if table is not None:
        from metabt.lakehouse.ingestion.tables.table_ingestion import ingest_table

        stated: dict[str, Any] = {"closed": closed, "panel": panel, "rescale": rescale, "catalog": catalog}
        return ingest_table(lakehouse, dataset, source, table, options, replace=replace, **stated)
    facts: dict[str, Any] = {"closed": closed, "panel": panel}
    return store(lakehouse, dataset, source, options, **facts, replace=replace, rescale=rescale, catalog=catalog)
