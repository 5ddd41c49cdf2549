"""Values: the plain things that everything else is made of. Nothing here knows what a backtest is.

1. `digests` addresses a value or an array by its SHA-256. `reached_code` does so with the modules that some code is
   made of, by what each says without comments and docstrings (`source_facts`); `source_files` finds all files that a
   kernel's machine code may be made of. `syntax_trees` are parsed by one thread at a time.
2. `tables` are named columns of one length, texts as codes; `buffers` turns them into Arrow arrays and back, `frames` a
   matrix into a pandas frame.
3. `scalars` takes numbers as people hand them over, NumPy's too, for Python's own; `arguments` takes what else callers
   of public functions state, or refuses it; `overrides` sets those of many configurations side by side.
4. `held_folders` are temporary, and removed by the next process where their owner was killed; `freed_memory` is given
   back to the system, or shared by threads.
5. `lazy_property` keeps what an object computes when it is first asked for, without a lock.
6. `chances` writes a probability, `ranges` says which partitions, and how many of a thing, in words; `markup` writes a
   small table as HTML; `limits` says how many of a thing a configuration may ask for.
7. `bucket_address` reads and checks `s3://bucket/prefix`; another kind of address is refused by name.

Imports: no other room. Beyond NumPy: pyarrow in `buffers`, pandas in `frames`.
Offers: `digest`, `array_digest`, `reached`; `Table`, `Column`, `Coded`; `wide_frame`; `whole`, `number`.
"""
