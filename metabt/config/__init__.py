"""Config: what the command line and `conf/` say, composed into plain values. The only room that imports Hydra.

1. `files` finds the folders of configuration, `documents` reads a file into plain values, `includes` counts what it
   includes; `search` lets Hydra find a file in the first folder that has it, its values under a `veil`, or not at all
   where `stand_ins` may stand for them.
2. `overrides` sorts what the command line says into what Hydra composes and what edits the composed tree; `composition`
   composes, `edits` edits the tree by path, `interpolation` resolves what refers to other settings.
3. `grid` lists the jobs of a sweep, `jobs` composes the configurations of all of them, `sweeps` runs them: all at once,
   or each by another launcher, whose running job `launched` knows. `searches/` reads what is no grid.
4. `lakehouse` reads which lakehouse is named, for commands that need nothing else.

What a file or an override may ask of Hydra is listed in `hydra_settings` and checked by `guard` before Hydra acts on
it. Nothing else is instantiated: names are resolved by `metabt.estimators.registry`, never by importing a path that a
file states.

Imports: `portfolio`, `lakehouse`, `search` and the rooms beneath them.
Offers: the names below; each is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metabt.config.composition import compose, load_portfolio
    from metabt.config.edits import edited
    from metabt.config.jobs import Job
    from metabt.config.lakehouse import stated_lakehouse
    from metabt.config.launched import job_overrides
    from metabt.config.searches.experiments import read_experiments
    from metabt.config.searches.searched import Searching, read_search, without_search
    from metabt.config.searches.spelling import spelled
    from metabt.config.sweeps import sweep

_EXPORTS = {
    "Job": "metabt.config.jobs",
    "compose": "metabt.config.composition",
    "edited": "metabt.config.edits",
    "job_overrides": "metabt.config.launched",
    "load_portfolio": "metabt.config.composition",
    "Searching": "metabt.config.searches.searched",
    "read_experiments": "metabt.config.searches.experiments",
    "read_search": "metabt.config.searches.searched",
    "spelled": "metabt.config.searches.spelling",
    "without_search": "metabt.config.searches.searched",
    "stated_lakehouse": "metabt.config.lakehouse",
    "sweep": "metabt.config.sweeps",
}
"""Name -> module, imported when the name is first used: Hydra takes long, and most commands do not need it."""

__all__ = [
    "Job",
    "Searching",
    "compose",
    "edited",
    "job_overrides",
    "load_portfolio",
    "read_experiments",
    "read_search",
    "spelled",
    "stated_lakehouse",
    "sweep",
    "without_search",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'metabt.config' has no attribute '{name}'")
    return getattr(import_module(_EXPORTS[name]), name)
