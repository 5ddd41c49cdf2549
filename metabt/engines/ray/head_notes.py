"""Head notes: short texts kept by the head of the cluster, beyond the end of the process that wrote them.

An actor would do, but one that holds nothing is what Ray ends first when memory runs out.
"""

from __future__ import annotations

from uuid import uuid4

from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_get, _internal_kv_put  # there is no public way


def new_note() -> str:
    """Return a name for a note that no other process uses."""
    return f"metabt-{uuid4().hex}"


def write_down(note: str, text: str) -> None:
    """Replace what is written under a name."""
    _internal_kv_put(note, text or " ", overwrite=True)


def read(note: str) -> str:
    """Return what is written under a name, empty where nothing is."""
    return (_internal_kv_get(note) or b"").decode().strip()


def erase(note: str) -> None:
    """Remove what is written under a name."""
    _internal_kv_del(note)
