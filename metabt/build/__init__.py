"""Build: what a run has to compute, the keys of its blocks, and which of them are known.

1. `plan` finds the distinct sleeves of a forest of trees, children first; `flat_baseline` makes a tree without its
   recursion; `cost_estimate` says what a plan costs before it runs, `memory_estimate` what memory it takes.
2. `inputs` makes what a block is computed from: cut out of prices for a leaf, the children's blocks for a meta sleeve;
   `dated/` has what tables beside prices give: cash, costs, currencies and hedges, days to decide on.
3. `step_checks` sees to it that no step between prices and returns looks ahead; `keys` names each block by the digest
   of its code, settings, start state and inputs; `sleeve_code` says which code that is.
4. `cache/` remembers blocks under their keys; `known_blocks` follows keys without computing anything; `known_columns`
   leaves out of blocks what nobody knew of yet.
5. `cached_walk` takes sleeves over one partition after another, computing only what is unknown; `walked_ahead` takes
   leaves of which nothing is known over many partitions at once, `cold_walk` whole trees of such sleeves over all of
   them; `foreign_warnings` counts what estimators of other packages warn of; `walk_result` is a forest after its walk
   and the interface of the executors that walk one, `shard` the sleeves that one process walks for others.
6. `ports` are the interfaces that caches and progress bars implement.

Imports: `walk` and the rooms beneath it. It knows neither Ray nor DuckDB.
Offers: `plan_forest`, `Plan`, `node_key`, `CachedWalk`, `WalkResult`, `Executor`, `Cache`, `MemoryCache`, `DiskCache`.
"""
