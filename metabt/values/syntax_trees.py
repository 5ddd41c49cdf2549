"""Syntax trees: Python source parsed by one thread at a time.

CPython 3.11 counts the depth of a tree under construction once for all threads. Where the collector runs in between and
a hook of somebody's (`gc.callbacks`) lets another thread parse, both trees end in a `SystemError`.
"""

from __future__ import annotations

import ast
from threading import Lock

_PARSING = Lock()


def syntax_tree(source: bytes | str) -> ast.Module:
    """Return the tree of a module's source; a SyntaxError or ValueError says that it is none."""
    with _PARSING:
        return ast.parse(source)
