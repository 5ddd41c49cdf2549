"""Progress: a bar over blocks, files or rows on a terminal, lines in a log, and a notice when kernels are compiled."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from metabt.cli.progress_lines import ProgressLines
from metabt.cli.streams import escaped, say


class Bar:
    """A progress bar on standard error, drawn from the first finished unit on; lines where that is no terminal."""

    def __init__(self, *, shown: bool, unit: str = "block", scaled: bool = False) -> None:
        self._shown = shown
        self._unit = unit
        self._scaled = scaled
        self._bar: Any = None
        self._lines = None if sys.stderr is None or sys.stderr.isatty() else ProgressLines(unit)

    def __call__(self, done: int, total: int, label: str) -> None:
        """Show that `done` of `total` units are finished, the last one being `label`."""
        if not self._shown:
            return
        if self._lines is not None:
            self._lines(done, total, label)
            return
        if self._bar is None:
            from tqdm import tqdm

            units = {"unit": self._unit, "unit_scale": self._scaled}
            self._bar = tqdm(total=total, **units, file=sys.stderr, disable=None, leave=False)
        self._bar.set_postfix_str(escaped(label), refresh=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def progress_bar(*, shown: bool, unit: str = "block", scaled: bool = False) -> Iterator[Bar]:
    """Yield a bar over units, which is silent unless `shown`; it is taken off the screen in the end.

    With `scaled` it counts in thousands or millions of units, whichever fits.
    """
    bar = Bar(shown=shown, unit=unit, scaled=scaled)
    try:
        yield bar
    finally:
        bar.close()


@contextmanager
def compilation_notice(*, shown: bool) -> Iterator[None]:
    """Within the block, print to standard error when kernels begin to be compiled, and after it how long that took."""
    if not shown:
        yield
        return
    from metabt.numerics.compilation import compilation

    with compilation(lambda: say("compiling kernels for first use ...")) as compiled:
        yield
    if compiled.seconds:
        say(f"compiled kernels for first use in {compiled.seconds:.1f} s; later runs start at once")
