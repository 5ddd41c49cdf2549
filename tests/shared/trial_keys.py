"""Keys of trials for tests: a tree on prices in memory, resolved as a run of it would be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metabt.analysis.benchmark import Benchmark
from metabt.lakehouse.price_source import source_of
from metabt.runs.request import Request, benchmark_of, request, resolved
from metabt.runs.trials.trial_key import TrialKey, TrialKeys


def asked_of(
    tree: Mapping[str, Any],
    prices: Any,
    *,
    end: str | None = None,
    flat: bool = False,
    benchmark: str | None = None,
    **stated: Any,
) -> Request:
    """Return the request for a tree; `stated` is what `metabt.backtest` takes beside prices in memory."""
    source = source_of(prices, **stated)
    named = {"members": source.members(), "signals": source.signals()}
    found = resolved(tree, source.symbols(), None, None, **named)
    against: Benchmark | None = benchmark_of(benchmark, source, found, source.symbols())
    return request(found, source.datasets([found]), end, False if flat else None, against)


def key_of(tree: Mapping[str, Any], prices: Any, **stated: Any) -> TrialKey:
    """Return the key of a tree on prices in memory."""
    return TrialKeys().of(asked_of(tree, prices, **stated))
