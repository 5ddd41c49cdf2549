"""Cache: where blocks are remembered, for one process (`memory`), in a lakehouse (`disk`) or in an object store.

A cache around another one is in `memory` too.

1. `codec` turns blocks and states into Arrow and back, without pickle; `sealing` takes the digests that later keys
   build on.
2. `object_store` keeps bytes under a key, many objects in a pack: laid out by `pack_format`, written on a thread by
   `pack_writer`, found by `pack_index`, verified before every use by `verified_reading`. Packs lie on a `shelf`, which
   is a port: `folder/` is its twin for a directory, `bucket/` the one for an object store.
3. `single_flight` lets one of several processes compute what all of them want.
4. `upkeep` counts and verifies, `pruning` removes what is not used since `last_use` says so, `compaction` writes what
   stays of packs into new ones, `ages_and_sizes` reads `30d` and `10G`.
5. `adoptions` are proofs that blocks which other code has computed are those of this one.

6. `shared/` puts a team's store behind a cache: packs are signed, and a share of what is taken is computed again.

From `object_store` down nothing knows more than bytes.
"""

from metabt.build.cache.memory import Around, MemoryCache, NoCache

__all__ = ["Around", "MemoryCache", "NoCache"]
