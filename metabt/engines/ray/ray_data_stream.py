"""Ray Data stream: partitions come in the order in which they are wanted, read before they are taken.

1. A read knows what to read and is small; it travels to a worker, which runs it and keeps the table it returns.
2. Ray Data schedules the reads, a task each, and hands out references in order: the driver sees no prices.
3. At most `ahead` reads have begun that nobody has taken, so memory does not grow with history.
4. Reads ask for no CPU of their own: actors that hold all of them cannot keep them from running.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import pyarrow as pa
import ray
from ray.data import DataContext, Datasource, read_datasource
from ray.data._internal.execution.backpressure_policy import (
    ENABLED_BACKPRESSURE_POLICIES_CONFIG_KEY,
    BackpressurePolicy,
)
from ray.data.block import BlockMetadata
from ray.data.datasource import ReadTask

from metabt.data.prices import Prices
from metabt.engines.ray.price_blocks import to_table
from metabt.errors import MetabtError

if TYPE_CHECKING:
    from ray.data import Dataset
    from ray.data._internal.execution.interfaces import PhysicalOperator

REST = 0.02
"""Seconds between two questions whether a read may begin, while none runs."""
AHEAD = "metabt.ahead"
"""Key, in Ray Data's settings, of how many reads may have begun that nobody has taken."""

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
    if not reads:
        return
    references = _references(_dataset(reads, ahead))
    try:
        yield from zip(reads, references, strict=True)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, MetabtError):
            # Ray Data appends advice on settings of its own, which are not the user's
            raise type(error.cause)(str(error.cause).partition(RETRIES)[0]) from None
        raise
    finally:
        references.close()


def _references(dataset: Dataset) -> Generator[ray.ObjectRef, None, None]:
    """Yield a reference to each read's table; the only place that knows how Ray Data hands them out."""
    with _quiet():
        bundles = dataset.iter_internal_ref_bundles()
    for bundle in bundles:
        (reference,) = bundle.block_refs
        yield reference


def _dataset(reads: Sequence[Read], ahead: int) -> Dataset:
    with _quiet():
        settings = DataContext.get_current().copy()
        settings.enable_progress_bars = False
        settings.print_on_execution_start = False
        settings.execution_options.preserve_order = True
        settings.target_max_block_size = None  # a partition is one block, however large
        settings.execution_no_progress_timeout_s = -1  # a consumer may take its time
        settings.set_config(ENABLED_BACKPRESSURE_POLICIES_CONFIG_KEY, [_Window])
        settings.set_config(AHEAD, ahead)
        with DataContext.current(settings):
            return read_datasource(_Reads(reads), num_cpus=0, override_num_blocks=len(reads))


class _Reads(Datasource):
    """A task for every read."""

    def __init__(self, reads: Sequence[Read]) -> None:
        super().__init__()
        self._reads = tuple(reads)

    def get_name(self) -> str:
        return "Partitions"

    def estimate_inmemory_data_size(self) -> None:
        return None

    def get_read_tasks(self, *_: object, **__: object) -> list[ReadTask]:
        unknown = BlockMetadata(num_rows=1, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(_Task(read), unknown) for read in self._reads]


@dataclass(frozen=True)
class _Task:
    """What a worker runs."""

    read: Read
    __name__ = "read"  # Ray Data names it in its messages

    def __call__(self) -> list[pa.Table]:
        return [self.read.table()]


class _Window(BackpressurePolicy):
    """No read begins while as many as are wanted ahead have begun and wait to be taken."""

    def can_add_input(self, op: PhysicalOperator) -> bool:
        counts = op.metrics
        waiting = counts.num_tasks_submitted - counts.num_outputs_taken + len(self._topology[op].output_queue)
        free: bool = waiting < self._data_context.get_config(AHEAD)
        if not free and not op.num_active_tasks():
            time.sleep(REST)  # with nothing to wait for, Ray Data asks again at once: a processor is lost to that
        return free


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what Ray Data says of its settings, and of executions that end or fail: errors are raised."""
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"ray\.data\.context")
        yield
