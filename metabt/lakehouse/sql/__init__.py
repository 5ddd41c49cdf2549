"""SQL: questions to a lakehouse, and answers in many forms.

`admission` says which statements are let in; `read_only` connects and asks; `reading_connection` is what a user of
Python gets, with the methods of `fetching`. `answering` asks on a thread within `limits` and gives rows in pieces,
which `result_set` prints and `exports` writes to a file.
"""
