"""Storage: where the files of a lakehouse lie, a folder or a prefix of an object store, behind one port.

1. `port` says what both can do; `place` which of them a path or an address is.
2. `local_folder` is the twin for a folder, `object_store` the one for a prefix.
3. `presence` tells who is in a folder; `credentials` lets DuckDB into a prefix, with what AWS' own
   chain finds, for as long as a connection lives.
"""
