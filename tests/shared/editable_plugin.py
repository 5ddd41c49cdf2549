"""An optimizer of two modules that is installed for editing, and runs of it in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUN = """
import json, sys
from pathlib import Path
import numpy as np
from metabt import BacktestEngine
from metabt.build.cache.disk import DiskCache
from metabt.data.prices import Prices
from metabt.engines.local import Local
from metabt.engines.ray import Ray
from metabt.errors import MetabtError
from metabt.portfolio.resolve import resolve

if __name__ == "__main__":
    executor = {"local": Local, "ray": lambda: Ray(workers=1)}[sys.argv[1]]()
    dates = np.arange("2019-06-03", "2020-06-03", dtype="M8[D]")
    close = 100 * np.exp(np.random.default_rng(0).normal(0, 0.01, (len(dates), 3)).cumsum(0))
    tree = {"universe": ["A", "B", "C"], "dataset": "d", "lookback": 20, "optimizer": "theirs"}
    for cache in sys.argv[2:]:
        engine = BacktestEngine([resolve(tree)], {"d": Prices("d", dates, ("A", "B", "C"), close)}, executor=executor,
                                cache=DiskCache(Path(cache)))
        try:
            walked = engine.run()
            weights = engine.assemble(walked, 0)["decisions"]["weight"][-3:]
            print(json.dumps([weights.tolist(), walked.computed]), flush=True)
        except MetabtError as error:
            print(json.dumps(str(error)), flush=True)
        input()
"""

RULE = """
from helper import weigh

class Rule:
    def fit(self, X):
        self.weights_ = weigh(X)
        return self
"""


@dataclass(frozen=True)
class EditablePlugin:
    """The plug-in `theirs`, whose weights stand in a module beside that of its entry point."""

    folder: Path
    """Where it lies."""

    def install(self, *weights: float) -> None:
        """Write it as an editable installation does: metadata that name modules elsewhere on the path."""
        metadata = self.folder / "site" / "theirs-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
        (metadata / "RECORD").write_text("__editable__.theirs-1.0.pth,,\ntheirs-1.0.dist-info/RECORD,,\n")
        (metadata / "entry_points.txt").write_text("[metabt.optimizers]\ntheirs = rule:Rule\n")
        (metadata / "direct_url.json").write_text(json.dumps({"url": "file:///x", "dir_info": {"editable": True}}))
        (self.folder / "src").mkdir()
        (self.folder / "src" / "rule.py").write_text(RULE)
        self.edit(*weights)

    def edit(self, *weights: float) -> None:
        """Let it give other weights to three assets."""
        text = f"import numpy\n\ndef weigh(X):\n    return numpy.array({list(weights)})\n"
        (self.folder / "src" / "helper.py").write_text(text)

    def process(self, executor: str, *caches: str) -> subprocess.Popen[str]:
        """Start a process that makes a run with each of some caches in turn, and waits for a line after each."""
        places = [str(self.folder / "site"), str(self.folder / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
        return subprocess.Popen(
            [sys.executable, "-c", RUN, executor, *(str(self.folder / cache) for cache in caches)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, executor: str, cache: str) -> Any:
        """Return the newest weights and the number of blocks computed, or the error's text, of a new process."""
        with self.process(executor, cache) as process:
            return json.loads(process.communicate("\n", timeout=300)[0])
