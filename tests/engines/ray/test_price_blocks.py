"""Prices as blocks: every bit comes back, nothing is copied, nothing can be written."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from metabt.data.point_in_time.events import Events
from metabt.data.prices import Prices
from metabt.engines.ray.price_blocks import from_table, to_table
from metabt.errors import DataError
from tests.shared.panels import stocks

PAYLOAD = np.array([0x7FF8_0000_DEAD_BEEF, 0xFFF8_0000_0000_0001], np.uint64).view(np.float64)
"""Two kinds of NaN that arithmetic does not tell apart."""


def prices(sessions: int = 40, assets: int = 5, **fields: object) -> Prices:
    rng = np.random.default_rng(sessions * assets)
    close = np.exp(rng.normal(size=(sessions, assets)))
    close[3, :2] = PAYLOAD
    dates = np.datetime64("2019-12-20") + np.arange(sessions)
    symbols = tuple(f"S{i:05}" for i in range(assets))
    return Prices("stocks", dates, symbols, close, **fields)  # type: ignore[arg-type]


def same(one: Prices, other: Prices) -> bool:
    def bits(array: np.ndarray | None) -> object:
        return None if array is None else (array.dtype, array.shape, array.tobytes())

    arrays = all(bits(getattr(one, f)) == bits(getattr(other, f)) for f in ("dates", "close", "volume", "entry"))
    events = [None if it.events is None else bits(it.events.matrix) for it in (one, other)]
    return (
        arrays
        and events[0] == events[1]
        and (one.name, one.symbols, one.closed) == (other.name, other.symbols, other.closed)
    )


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"closed": True, "volume": np.full((40, 5), PAYLOAD[0])},
        {"entry": np.array([1.0, PAYLOAD[1], 3.0, 4.0, 5.0])},
        {"volume": np.ones((40, 5)), "entry": np.full(5, np.nan)},
        {"events": Events.of([3, 3, 9], [4, 1, 0], [-1.0, 0.1, PAYLOAD[0]], [True, False, True], [-1, -1, 2])},
        {"events": Events.none()},
    ],
)
def test_every_bit_comes_back(given: dict[str, object]) -> None:
    before = prices(**given)
    after = from_table(to_table(before))
    assert same(before, after)
    assert after.returns.tobytes() == before.returns.tobytes()


def test_thousands_of_assets_and_a_cut_of_more() -> None:
    whole = prices(300, 4000)
    cut = whole.rows(slice(7, 260))
    assert same(from_table(to_table(cut)), cut)
    assert same(from_table(to_table(whole.select(whole.symbols[5:9]))), whole.select(whole.symbols[5:9]))


def test_nothing_is_copied_and_nothing_can_be_written() -> None:
    before = prices(volume=np.ones((40, 5)), entry=np.ones(5))
    table = to_table(before)
    after = from_table(table)
    for name in ("dates", "close", "volume", "entry"):
        array = getattr(after, name)
        assert np.shares_memory(array, getattr(before, name)), name
        assert np.shares_memory(array, np.frombuffer(table[name].chunk(0).values.buffers()[1], np.uint8)), name
        with pytest.raises(ValueError, match="read-only"):
            array[...] = array


def test_a_table_that_went_through_a_file_is_the_same() -> None:
    before = prices(volume=np.ones((40, 5)))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, to_table(before).schema) as writer:
        writer.write_table(to_table(before))
    buffer = sink.getvalue()
    after = from_table(pa.ipc.open_stream(buffer).read_all())
    assert same(before, after)
    assert np.shares_memory(after.close, np.frombuffer(buffer, np.uint8))


def test_the_schema_is_small_however_many_assets() -> None:
    few, many = to_table(prices(10, 2)), to_table(prices(10, 3000))
    assert few.schema.equals(many.schema, check_metadata=True)
    assert (few.num_rows, many.num_rows) == (1, 1)


def test_what_is_empty_is_refused() -> None:
    whole = prices()
    with pytest.raises(DataError, match=r"dataset 'stocks': 40 sessions of 0 symbols.*select a symbol"):
        to_table(whole.select(()))
    with pytest.raises(DataError, match="0 sessions of 5 symbols"):
        to_table(whole.rows(slice(40, 40)))


def test_time_does_not_run_backwards() -> None:
    table = to_table(prices())
    assert from_table(table, np.datetime64("2019-12-19")).dates[0] == np.datetime64("2019-12-20")
    with pytest.raises(RuntimeError, match="begins on 2019-12-20 arrived after 2019-12-20.*time order"):
        from_table(table, np.datetime64("2019-12-20"))


def test_real_shapes_survive() -> None:
    frame = stocks(3, gaps=True)
    whole = Prices("stocks", frame.index.to_numpy().astype("datetime64[D]"), tuple(frame), frame.to_numpy())
    parts = [from_table(to_table(whole.rows(slice(a, a + 50)))) for a in (0, 50, 100)]
    assert np.concatenate([part.returns for part in parts]).tobytes() == whole.returns.tobytes()
