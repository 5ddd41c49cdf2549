"""Head notes: short texts kept by the head of the cluster, beyond the end of the process that wrote them.

An actor would do, but one that holds nothing is what Ray ends first when memory runs out. The head's store of keys has
no public name in Ray; where it is gone nothing is written and every note is empty: a message then lacks its session.
"""

from __future__ import annotations

import logging
from typing import Any
from uuid import uuid4

from ray.experimental import internal_kv

LOG = logging.getLogger("metabt.cluster")


def new_note(prefix: str = "metabt") -> str:
    """Return a name for a note that no other process uses."""
    return f"{prefix}-{uuid4().hex}"


def named(prefix: str) -> list[str]:
    """Return the names of all notes that begin so, in order."""
    return sorted(name.decode() for name in _ask("_internal_kv_list", f"{prefix}-") or [])


def write_down(note: str, text: str) -> None:
    """Replace what is written under a name."""
    _ask("_internal_kv_put", note, text or " ", overwrite=True)


def read(note: str) -> str:
    """Return what is written under a name, empty where nothing is."""
    return (_ask("_internal_kv_get", note) or b"").decode().strip()


def erase(note: str) -> None:
    """Remove what is written under a name."""
    _ask("_internal_kv_del", note)


def _ask(name: str, *arguments: str, **options: bool) -> Any:
    """Return what one of the functions of the head's store returns; None where Ray has it no more."""
    if not hasattr(internal_kv, name):
        LOG.debug("this Ray has no internal_kv.%s: nothing is noted down", name)
        return None
    return getattr(internal_kv, name)(*arguments, **options)
