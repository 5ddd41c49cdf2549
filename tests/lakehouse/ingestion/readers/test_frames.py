"""Frames of every kind give the observations of the pandas frame that holds the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import metabt
from metabt.errors import DataError
from metabt.lakehouse.ingestion.column_layout import read_observations
from metabt.lakehouse.ingestion.observations import Observations
from metabt.lakehouse.ingestion.options import Options
from tests.lakehouse.conftest import wide

FRAME = wide(30).mask(np.arange(90).reshape(30, 3) % 7 == 3)
LONG = FRAME.reset_index().melt("Date", var_name="ticker", value_name="close").dropna()


class Capsule:
    """A table that offers the Arrow stream and nothing else, as other libraries' frames do."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


class Interchange:
    """A table that offers the interchange protocol and nothing else."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> object:
        return self._table.__dataframe__(nan_as_null, allow_copy)


def polars(frame: pd.DataFrame) -> Any:
    return pytest.importorskip("polars").from_arrow(arrow(frame))


def arrow(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def views(frame: pd.DataFrame) -> Capsule:
    """Return a table whose texts are of the kind that polars hands over."""
    table = arrow(frame)
    kinds = [
        pa.string_view() if pa.types.is_large_string(f.type) or pa.types.is_string(f.type) else f.type
        for f in table.schema
    ]
    return Capsule(pa.table([c.cast(k) for c, k in zip(table.columns, kinds, strict=True)], names=table.column_names))


KINDS = {
    "arrow": arrow,
    "capsule": lambda frame: Capsule(arrow(frame)),
    "interchange": lambda frame: Interchange(arrow(frame)),
    "views": views,
    "polars": polars,
    "pandas": lambda frame: frame,
}


def rows(found: Observations) -> set[tuple[object, ...]]:
    symbols = [found.symbols.values[code] for code in found.symbols.codes]
    return set(zip(found.dates.tolist(), symbols, found.fields["close"].tolist(), strict=True))


EXPECTED = {(day.date(), symbol, close) for (day, symbol), close in FRAME.stack().dropna().items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frame", [FRAME.reset_index(), LONG], ids=["wide", "long"])
def test_a_table_of_any_kind_is_read(kind: str, frame: pd.DataFrame) -> None:
    assert rows(read_observations(KINDS[kind](frame), Options())) == EXPECTED


def test_a_table_of_another_library_is_backtested() -> None:
    tree = {"name": "t", "universe": "all", "lookback": 5, "optimizer": "equal"}
    whole = wide(30)
    one, other = (metabt.backtest(tree, prices).weights for prices in (whole, Capsule(arrow(whole.reset_index()))))
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize("freq", ["D", "B"])
@pytest.mark.filterwarnings("ignore:.*Period with BDay freq:FutureWarning")
@pytest.mark.filterwarnings("ignore:PeriodDtype:FutureWarning")
def test_periods_of_a_day_are_its_date(freq: str) -> None:
    found = read_observations(FRAME.to_period(freq), Options())
    assert rows(found) == EXPECTED and found.notes == ()


def test_longer_periods_are_dated_at_their_last_day() -> None:
    monthly = pd.DataFrame({"AA": [1.0, 2.0]}, pd.period_range("2024-01", periods=2, freq="M"))
    found = read_observations(monthly, Options())
    assert [str(day) for day in found.dates] == ["2024-01-31", "2024-02-29"]
    assert found.notes == ("periods are dated at their last day",)


def test_a_series_is_the_column_of_its_name() -> None:
    assert rows(read_observations(FRAME["BB"], Options())) == {row for row in EXPECTED if row[1] == "BB"}
    with pytest.raises(DataError, match="bars of one asset"):
        read_observations(FRAME["BB"].rename(None), Options())


def test_what_memory_cannot_be_told_names_metabt_ingest() -> None:
    text = FRAME.set_axis(FRAME.index.strftime("%d/%m/%Y"))[:5]
    with pytest.raises(DataError, match=r"prices 'prices': .*metabt\.ingest\(\.\.\., date_format='%d/%m/%Y'\)"):
        metabt.backtest({"name": "t", "universe": "all", "lookback": 5}, text)


def test_an_index_of_whole_numbers_may_be_dates() -> None:
    numbered = FRAME.set_axis([int(day.strftime("%Y%m%d")) for day in FRAME.index])
    assert rows(read_observations(numbered, Options())) == EXPECTED


def test_categories_of_texts_that_are_views_are_symbols() -> None:
    views = pa.array(LONG["ticker"], pa.string_view())
    coded = pa.DictionaryArray.from_arrays(pa.array(range(len(views)), pa.uint32()), views)
    table = pa.table({"Date": pa.array(LONG["Date"]), "ticker": coded, "close": pa.array(LONG["close"])})
    assert rows(read_observations(Capsule(table), Options())) == EXPECTED


class Broken:
    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        raise AttributeError("no stream after all")


def test_a_protocol_that_fails_is_said() -> None:
    with pytest.raises(DataError, match="the Broken cannot be read as Arrow: no stream after all; convert it"):
        read_observations(Broken(), Options())
