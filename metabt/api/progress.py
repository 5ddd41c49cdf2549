"""Progress in a notebook: a bar under the cell while blocks are walked, without being asked for.

1. A notebook is an IPython kernel: what shows rich output and has no terminal. Scripts and terminals see nothing.
2. The bar is HTML that replaces itself, with the same as text beside it for a front end that shows no HTML.
3. It comes once a walk has taken a moment, at most ten times a second, and goes when the walk ends.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from time import monotonic
from typing import Any

from metabt.build.ports import Progress

PATIENCE = 0.5
"""Seconds before a bar is shown: what is quicker needs none."""
EVERY = 0.1
"""Seconds between two states of the bar."""
WIDTH = 30
"""Characters of the bar as text."""


@contextmanager
def in_notebook(progress: Progress | None) -> Iterator[Progress | None]:
    """Yield what to report progress to: what was given, else a bar in a notebook, else None."""
    if progress is not None or not is_notebook():
        yield progress
        return
    bar = NotebookBar()
    try:
        yield bar
    finally:
        bar.close()


def is_notebook() -> bool:
    """Return whether this process is an IPython kernel; IPython is not imported for it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return getattr(shell, "kernel", None) is not None


class NotebookBar:
    """A bar that shows itself through IPython's display."""

    def __init__(self) -> None:
        self._began = self._shown = monotonic()
        self._handle: Any = None
        self._state = (0, 0, "")

    def __call__(self, done: int, total: int, label: str) -> None:
        """Show that `done` of `total` blocks are finished, the last one being `label`."""
        self._state, now = (done, total, label), monotonic()
        if now - self._began < PATIENCE or now - self._shown < EVERY and done < total:
            return
        self._shown = now
        if self._handle is None:
            from IPython.display import display

            self._handle = display(self, display_id=True)
        else:
            self._handle.update(self)

    def close(self) -> None:
        """Take the bar away."""
        if self._handle is not None:
            self._handle.update(Gone())

    def __repr__(self) -> str:
        done, total, label = self._state
        filled = WIDTH * done // max(total, 1)
        return f"[{'#' * filled}{'.' * (WIDTH - filled)}] {done:,} of {total:,} blocks  {label}"

    def _repr_html_(self) -> str:
        done, total, label = self._state
        return (
            f'<progress value="{done}" max="{max(total, 1)}" style="width: 20em; vertical-align: middle"></progress> '
            f"{done:,} of {total:,} blocks <small>{escape(label)}</small>"
        )


class Gone:
    """What is left of a bar: nothing."""

    def __repr__(self) -> str:
        return ""

    def _repr_html_(self) -> str:
        return ""
