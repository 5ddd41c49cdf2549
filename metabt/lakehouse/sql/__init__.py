"""SQL: questions to a lakehouse, and answers in many forms.

`admission` says which statements are let in; `read_only` connects and asks; `reading_connection` is what a user of
Python gets, with the methods of `fetching`; `result_set` is an answer and prints it; `exports` writes it to a file.
"""
