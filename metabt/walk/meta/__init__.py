"""Meta: what a meta sleeve does beyond what a leaf does.

1. `aggregation` lays its children's blocks on one calendar, and their net streams on its common sessions (stage
   `meta.aggregation`).
2. `optimize_meta` decides: warm-up, late starters, weights of eligible children (stage `risk.optimize_meta`).
3. `meta_holdings` lets shares in children drift and trades them; `flattening` looks them through to physical assets,
   netted (stage `meta.flattening`), `book` has the holdings that result.
4. `meta_sleeve` does these in turn over one partition, or over several at once, which `meta_partitions` cuts into the
   blocks and states of each.
"""
