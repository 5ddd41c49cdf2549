"""Optimizers: one a file, its kernels beside it; names resolve in `metabt.estimators.registry`."""
