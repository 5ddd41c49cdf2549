"""Search: points of a space of configurations, asked for in batches by a sampler that is told what each was worth.

1. `space` says what each key may be set to: one of some values, or a number of an interval.
2. `settings` are those of a search: its sampler, its objective, how many points; `objectives` knows the metrics that
   can be one, and which way each is better.
3. Samplers answer to `sampler`: `unit_cube` draws at random, or by Sobol's sequence; `model_based` lets Optuna learn
   from what it was told. The only module that imports Optuna.
4. `loop` asks, has a batch of points evaluated, tells, and goes on.

Nothing here knows what a backtest is: whoever searches hands over what evaluates points.

Imports: `values`. Offers: `interval`, spaces, settings, `search`.
"""
