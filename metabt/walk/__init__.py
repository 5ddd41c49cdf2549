"""Walk: one sleeve over one partition, `advance(spec, state, inputs) -> (state, block)`, a pure function.

1. `walk_forward` is that function: a leaf goes to `leaf`, a meta sleeve to `meta/`.
2. `timing` says which sessions decide and when a decision is traded; `candidates` are what each estimator
   is given, `decision` turns them into weights and a status, `path_dependent` where weights depend on what is held.
3. `holdings` trades what is due, as kernels, with `drift` in between, and `trading/` has rules of it; `costs` charges
   for it; `leaf_holdings` applies both to a leaf's assets, `leaf_partitions` over several partitions at once.
4. `block` is what a sleeve leaves behind, and the state it takes into the next partition; `around` has its holdings
   before and after trades, `earned` what they earned, `book` looks them through to assets; `asset_risk` shares a root's
   risk out among them.
5. `concatenation` puts blocks end to end over `stacked_arrays`; `followed_rows` keeps holdings of trades alone and
   follows those in between when they are read; `stopwatch` times the stages.

Imports: `portfolio` and the rooms beneath it; NumPy, SciPy, numba and the standard library only.
Offers: `advance`, `Block`, `State`, `Decisions`, `Book`.
"""
