"""Pages: the commands that set stored runs before a reader, as HTML or beside each other.

`report_command` writes a run, or two; `sweep_page` writes a sweep; `compare_command` prints any number of runs, and
writes them where it is asked to.
"""
