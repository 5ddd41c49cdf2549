"""Caches: where blocks are remembered. `memory` is for one process, `disk` for a lakehouse."""

from metabt.build.cache.memory import MemoryCache, NoCache

__all__ = ["MemoryCache", "NoCache"]
