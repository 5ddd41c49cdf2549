"""Selectors: one a file; names resolve in `metabt.registry`."""
