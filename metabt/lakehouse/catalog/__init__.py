"""Catalog: which catalogue a lakehouse has, and how it is attached.

1. `catalog_location` reads where the catalogue is from the folder: `sqlite` in it, or `postgres` by a
   `connection_string`. `job_folder` refuses a folder that a Ray job deletes, `local_paths` an address. `catalog_copy`
   is for folders in which nothing can be written.
2. `connections` opens DuckDB with the `extensions` it needs; `attachment` attaches the lakehouse and makes its tables.
3. `schema` has the tables: columns, types, and how columns become Arrow and come back. A new column begins there.
   `views` has the views over them: the runs that bare names mean, of which
   kinds an `asking` is, what sweeps varied.
4. `statements` writes values into SQL as literals; `transaction` commits whole or not at all, again where others were
   first; `connection_loss` recognises in an error that a server is gone.
5. `file_records` has the SHA-256 of every data file; `damage` says what is not as it was written, in which file, and
   the cure; `retirement` takes damaged files out of the catalogue. `added_files` makes files that DuckLake did not
   write part of a table.
"""
