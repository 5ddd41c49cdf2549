"""Reads on Ray: in order, no further ahead than asked for, and no longer than wanted."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from metabt.data.prices import Prices, partitions
from metabt.errors import DataError
from tests.shared.panels import stocks

N_ASSETS = 50


def partition(year: int, folder: Path | None = None, seconds: float = 0.0, bad: int | None = None) -> Prices:
    """Return a year of prices, and leave a file that says when the reading began."""
    if folder is not None:
        (folder / str(year)).touch()
    time.sleep(seconds)
    if year == bad:
        raise DataError(f"dataset 'stocks': {year} cannot be read; mend it")
    dates = np.arange(f"{year}-01-01", f"{year + 1}-01-01", dtype="datetime64[D]")
    close = np.random.default_rng(year).uniform(1, 2, (len(dates), N_ASSETS))
    close[5, 3] = np.nan
    return Prices("stocks", dates, tuple(f"S{i:02}" for i in range(N_ASSETS)), close)


@dataclass(frozen=True)
class Years:
    """Reads of consecutive years that leave traces in a folder."""

    folder: Path

    def reads(self, n: int, seconds: float = 0.0, bad: int | None = None) -> list:
        from metabt.engines.ray.ray_data_stream import PriceRead

        return [
            PriceRead("stocks", str(year), partial(partition, year, self.folder, seconds, bad))
            for year in range(2000, 2000 + n)
        ]

    @property
    def begun(self) -> int:
        return len(os.listdir(self.folder))

    def settled(self, wanted: int) -> int:
        """Return how many reads have begun, once as many as wanted have and others had time to follow."""
        patience = time.monotonic() + 60
        while self.begun < wanted and time.monotonic() < patience:
            time.sleep(0.02)
        time.sleep(0.5)
        return self.begun


@pytest.fixture
def years(cluster: None, tmp_path: Path) -> Iterator[Years]:
    yield Years(tmp_path)


def test_partitions_come_in_order_as_the_bits_they_are(years: Years) -> None:
    import ray

    from metabt.engines.ray.price_blocks import from_table
    from metabt.engines.ray.ray_data_stream import stream

    last = None
    for i, (read, ref) in enumerate(stream(years.reads(8), ahead=3)):
        prices = from_table(ray.get(ref), after=last)
        wanted = partition(2000 + i)
        assert (read.dataset, read.label) == ("stocks", str(2000 + i))
        assert prices.close.tobytes() == wanted.close.tobytes() and prices.dates.tobytes() == wanted.dates.tobytes()
        last = prices.dates[-1]
    assert last == np.datetime64("2007-12-31")


def test_a_lakehouse_streams_what_it_has(cluster: None, tmp_path: Path) -> None:
    import ray

    from metabt.engines.ray.price_blocks import from_table
    from metabt.engines.ray.ray_data_stream import PriceRead, stream
    from metabt.lakehouse import ingest
    from metabt.lakehouse.price_source import Lakehouse

    ingest(tmp_path / "lake", "stocks", stocks(3, 700, gaps=True))
    reader = Lakehouse(tmp_path / "lake").reader("stocks")
    whole = reader(slice(0, 700))
    parts = partitions(whole.dates)
    reads = [PriceRead("stocks", label, reader.part(rows, ("AA", "DD"), volume=False)) for label, rows in parts]
    assert len(parts) == 3 and max(len(ray.cloudpickle.dumps(read)) for read in reads) < 5000
    found = [from_table(ray.get(ref)) for _, ref in stream(reads)]
    assert np.concatenate([part.close for part in found]).tobytes() == whole.select(("AA", "DD")).close.tobytes()
    assert np.concatenate([part.returns for part in found]).tobytes() == whole.select(("AA", "DD")).returns.tobytes()


def test_the_slowest_read_does_not_lose_its_place(years: Years) -> None:
    from metabt.engines.ray.ray_data_stream import PriceRead, stream

    slow_first = [
        PriceRead("d", str(y), partial(partition, y, None, 0.6 if y == 2000 else 0.0)) for y in range(2000, 2004)
    ]
    assert [read.label for read, _ in stream(slow_first, ahead=4)] == ["2000", "2001", "2002", "2003"]


def test_processes_share_what_was_read(years: Years) -> None:
    import ray

    from metabt.engines.ray.price_blocks import from_table
    from metabt.engines.ray.ray_data_stream import stream

    ((_, ref),) = stream(years.reads(1))

    def look(table: object) -> tuple[bool, bool, float]:
        prices = from_table(table)
        buffer = np.frombuffer(table["close"].chunk(0).values.buffers()[1], np.uint8)  # type: ignore[index]
        return prices.close.flags.writeable, np.shares_memory(prices.close, buffer), float(np.nansum(prices.close))

    wanted = float(np.nansum(partition(2000).close))
    assert ray.get(ray.remote(num_cpus=0)(look).remote(ref)) == (False, True, wanted)
    first, again = from_table(ray.get(ref)), from_table(ray.get(ref))
    assert first.close.ctypes.data == again.close.ctypes.data  # one matrix in the object store, however often it is got
    assert first.close.flags.aligned


@pytest.mark.parametrize("ahead", [1, 3])
def test_no_more_reads_begin_than_are_wanted_ahead(years: Years, ahead: int) -> None:
    from metabt.engines.ray.ray_data_stream import stream

    taken = 0
    assert years.begun == 0
    for _ in stream(years.reads(12), ahead):
        taken += 1
        if taken <= 4:
            assert years.settled(taken + ahead) == taken + ahead  # as many as allowed, and none beyond
        assert years.begun <= taken + ahead
    assert years.begun == taken == 12


def test_closing_ends_the_reading(years: Years) -> None:
    from metabt.engines.ray.ray_data_stream import stream

    reading = stream(years.reads(30, seconds=1.0), ahead=2)
    for _ in range(3):
        next(reading)
    assert reading_threads()
    reading.close()
    patience = time.monotonic() + 60
    while reading_threads() and time.monotonic() < patience:
        time.sleep(0.02)
    assert not reading_threads()
    assert years.settled(3) <= 5
    assert len(list(stream(years.reads(2)))) == 2  # and another can begin


def reading_threads() -> list[threading.Thread]:
    """Return the threads that wait for reads."""
    return [thread for thread in threading.enumerate() if thread.name == "metabt-read"]


def test_what_was_taken_and_let_go_of_leaves_the_store(years: Years) -> None:

    from metabt.engines.ray.ray_data_stream import stream

    freed = 0
    for _, ref in stream(years.reads(6), ahead=2):
        name = ref.hex()
        assert name in held()
        del ref
        patience = time.monotonic() + 30
        while name in held() and time.monotonic() < patience:
            time.sleep(0.1)
        freed += name not in held()
    assert freed == 6


def held() -> str:
    """Return what Ray says of the objects that are referred to."""
    import ray

    return str(ray._private.internal_api.memory_summary(ray.get_runtime_context().gcs_address)).lower()


def test_actors_that_hold_every_cpu_do_not_starve_it(years: Years) -> None:
    import ray

    from metabt.engines.ray.price_blocks import from_table
    from metabt.engines.ray.ray_data_stream import stream

    class Consumer:
        def __init__(self) -> None:
            self.last: np.datetime64 | None = None

        def take(self, table: object) -> str:
            self.last = from_table(table, self.last).dates[-1]
            return str(self.last)

    consumers = [ray.remote(num_cpus=1)(Consumer).remote() for _ in range(2)]
    ends = [[actor.take.remote(ref) for actor in consumers] for _, ref in stream(years.reads(5), ahead=2)]
    assert [ray.get(pair) for pair in ends] == [[f"{year}-12-31"] * 2 for year in range(2000, 2005)]
    for actor in consumers:
        ray.kill(actor)


def test_memory_is_that_of_what_is_in_flight(years: Years) -> None:
    import ray

    from metabt.engines.ray.ray_data_stream import stream

    before = spilled()
    sizes = [ray.get(ref)["close"].nbytes for _, ref in stream([_large(k) for k in range(24)], ahead=2)]
    assert len(sizes) == 24 and sum(sizes) > 350_000_000  # through a store of 200 MB
    assert spilled() == before


def spilled() -> list[str]:
    """Return what the object store says that it had to write to disk so far."""
    import ray

    report = ray._private.internal_api.memory_summary(ray.get_runtime_context().gcs_address, stats_only=True)
    return [line for line in report.splitlines() if "Spilled" in line]


def _large(k: int) -> object:
    from metabt.engines.ray.ray_data_stream import PriceRead

    return PriceRead("large", str(k), partial(_ones, k))


def _ones(k: int) -> Prices:
    dates = np.datetime64("1900-01-01") + np.arange(k * 400, (k + 1) * 400)
    return Prices("large", dates, tuple(f"S{i:05}" for i in range(5000)), np.ones((400, 5000)))


def test_what_a_read_raises_is_raised_here(years: Years, capfd: pytest.CaptureFixture[str]) -> None:
    from metabt.engines.ray.ray_data_stream import stream

    with pytest.raises(DataError, match="^dataset 'stocks': 2002 cannot be read; mend it$"):
        list(stream(years.reads(5, bad=2002), ahead=2))
    assert capfd.readouterr() == ("", "")


def test_it_is_quiet(years: Years, capfd: pytest.CaptureFixture[str]) -> None:
    from metabt.engines.ray.ray_data_stream import stream

    assert len(list(stream(years.reads(4), ahead=2))) == 4
    assert capfd.readouterr() == ("", "")


def test_nothing_to_read_and_nothing_ahead() -> None:
    from metabt.engines.ray.ray_data_stream import stream

    assert list(stream([])) == []
    with pytest.raises(ValueError, match="ahead is 0; wanted at least 1"):
        next(stream([], 0))
