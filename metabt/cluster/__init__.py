"""The cluster: the only room that imports Ray.

1. `blocks` are prices in the object store, read without copying.
2. `streaming` reads partitions ahead of whoever takes them, in order and with a bound.
"""
