"""Folder: the shelf that is a directory of one machine, or of a file system that several have mounted.

1. `shelf` is the twin of the port.
2. `publishing` makes packs visible whole; `syscalls` are the calls that change a disk, so that tests can refuse one.
3. `reading` trusts nothing that is in a pack's place; `times` says when objects were last used.
"""
