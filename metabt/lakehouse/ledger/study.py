"""Study: what somebody says that trials are part of, so that they can be counted apart from all others.

It is recorded in the ledger and is in no key: the same configuration asked for in two studies is one trial of both.
Whoever narrows a family to a study says so, for everything else that was tried has been seen as well.
"""

from __future__ import annotations

import re

from metabt.errors import ConfigError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
"""What studies may be called."""


def study_name(stated: object) -> str | None:
    """Return the name of a study; None where none is stated.

    Raises
    ------
    ConfigError
        For what is no name.
    """
    if stated is None:
        return None
    if isinstance(stated, str) and NAME.fullmatch(stated):
        return stated
    raise ConfigError(
        f"study is {stated!r}, wanted a name such as momentum-2026: at most 100 letters, digits, '_', '.' and '-'"
    )
