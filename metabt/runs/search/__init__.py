"""Search over backtests: each batch of points is a forest, and all batches together are one sweep.

1. `search_identity` names a search, and records it with the version of the library that asks.
2. `objective` takes from each run what the sampler is told.
3. `searching` runs a search batch by batch, in a lakehouse; `in_memory` runs configurations over prices in memory.

Imports: `search`, `runs`, `lakehouse` and the rooms beneath them. Offers: `run_search`.
"""
