"""Selectors: one a file; names resolve in `metabt.estimators.registry`."""
