"""Ray Data stream: partitions come in the order in which they are wanted, read before they are taken.

1. A read knows what to read and is small; it travels to a worker, which runs it and keeps the table it returns.
2. Each read is a Ray Data dataset of one block, which a thread executes; the driver takes references, in order, and
   sees no prices.
3. A read begins when an earlier one is taken: at most `ahead` have begun that nobody has taken, so memory does not grow
   with history. Ray Data bounds bytes, and only within one dataset.
4. Reads ask for no CPU of their own: actors that hold all of them cannot keep them from running. None runs on a
   machine without a CPU, such as a head that is to do nothing.
"""

from __future__ import annotations

import logging
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from threading import Thread
from typing import Protocol, TypeVar

import pyarrow as pa
import ray
from ray.data import DataContext, Dataset, Datasource, read_datasource
from ray.data.block import BlockMetadata
from ray.data.datasource import ReadTask

from metabt.data.prices import Prices
from metabt.engines.ray.price_blocks import to_table
from metabt.errors import MetabtError

NODE = "ray.io/node-id"
"""Label that Ray gives each machine."""
RETRIES = "\nFailed to "
"""How Ray Data goes on after the message of an error."""


class Read(Protocol):
    """What is to be read: small, and fit to travel to another process."""

    def table(self) -> pa.Table:
        """Return what was read as a table of one row."""


AnyRead = TypeVar("AnyRead", bound=Read)


@dataclass(frozen=True)
class PriceRead:
    """One partition of a dataset's prices."""

    dataset: str
    """The dataset's name."""
    label: str
    """The partition's label."""
    read: Callable[[], Prices]
    """Returns its prices, in whichever process; it is pickled."""

    @property
    def name(self) -> str:
        """Its dataset and partition, which Ray shows as the name of its task."""
        return f"prices of {self.dataset} in {self.label}"

    def table(self) -> pa.Table:
        """Return the prices as `price_blocks.from_table` takes them."""
        return to_table(self.read())


def stream(reads: Sequence[AnyRead], ahead: int = 2) -> Generator[tuple[AnyRead, ray.ObjectRef], None, None]:
    """Yield each read with a reference to its table, in order; closing the iterator ends the reading.

    Parameters
    ----------
    reads : sequence
        In the order in which they are wanted: for prices, that of time.
    ahead : int
        Largest number of reads that have begun and are not taken yet; at least 1.

    Raises
    ------
    MetabtError
        What a read raised.
    """
    if ahead < 1:
        raise ValueError(f"ahead is {ahead}; wanted at least 1: nothing is read that may not begin")
    settings, rest = _settings(), iter(reads)
    begun = deque(_begin(read, settings) for read in islice(rest, ahead))
    try:
        while begun:
            begun[0].result()
            begun.extend(_begin(read, settings) for read in islice(rest, 1))
            yield begun.popleft().result()  # nothing here keeps the table any longer
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, MetabtError):
            # Ray Data appends advice on settings of its own, which are not the user's
            raise type(error.cause)(str(error.cause).partition(RETRIES)[0]) from None
        raise


def _begin(read: AnyRead, settings: DataContext) -> Future[tuple[AnyRead, ray.ObjectRef]]:
    """Return what is a read with the reference to its table once the read has ended."""
    with _quiet(), DataContext.current(settings):
        dataset = read_datasource(_One(read), num_cpus=0, override_num_blocks=1, label_selector=_elsewhere())
    ended: Future[tuple[AnyRead, ray.ObjectRef]] = Future()
    # a daemon: a read that nobody waits for does not keep the process from ending
    Thread(target=_execute, args=(read, dataset, ended), name="metabt-read", daemon=True).start()
    return ended


def _elsewhere() -> dict[str, str] | None:
    """Return what a machine that reads must be by its labels: none of those without a CPU; None where all have one."""
    bare = [node["NodeID"] for node in ray.nodes() if node["Alive"] and not node["Resources"].get("CPU", 0)]
    return {NODE: f"!in({','.join(bare)})"} if bare else None


def _execute(read: AnyRead, dataset: Dataset, ended: Future[tuple[AnyRead, ray.ObjectRef]]) -> None:
    try:
        (table,) = dataset.to_arrow_refs()
        ended.set_result((read, table))
    except BaseException as error:  # it is raised where the read is taken
        ended.set_exception(error)


def _settings() -> DataContext:
    with _quiet():
        settings = DataContext.get_current().copy()
        settings.enable_progress_bars = False
        settings.print_on_execution_start = False
        settings.target_max_block_size = None  # a partition is one block, however large
        settings.execution_no_progress_timeout_s = -1  # a read may take its time
        return settings


class _One(Datasource):
    """One read."""

    def __init__(self, read: Read) -> None:
        super().__init__()
        self._read = read

    def get_name(self) -> str:
        return f" {getattr(self._read, 'name', 'partition')}"  # Ray shows its task as `Read NAME`

    def estimate_inmemory_data_size(self) -> None:
        return None

    def get_read_tasks(self, *_: object, **__: object) -> list[ReadTask]:
        unknown = BlockMetadata(num_rows=1, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(_Task(self._read), unknown)]


@dataclass(frozen=True)
class _Task:
    """What a worker runs."""

    read: Read
    __name__ = "read"  # Ray Data names it in its messages

    def __call__(self) -> list[pa.Table]:
        return [self.read.table()]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what Ray Data says of its settings, and of executions that end or fail: errors are raised."""
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"ray\.data\.context")
        yield
