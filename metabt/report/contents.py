"""Contents of the page: every section, in the order in which they are read.

A builder takes a run and returns its section, or None where a run has nothing of the kind. A new section is a file in
`sections` and a line here; one of two runs side by side is a file in `comparison`, one of a sweep a file in `sweep`.
"""

from __future__ import annotations

from collections.abc import Callable

from metabt.report.comparison.allocation import allocation as allocations
from metabt.report.comparison.curves import curves as both_curves
from metabt.report.comparison.inputs import inputs
from metabt.report.comparison.measured import measured
from metabt.report.comparison.overview import overview
from metabt.report.comparison.pair import Pair
from metabt.report.luck.of_run import luck_of_run
from metabt.report.luck.of_sweep import luck_of_sweep
from metabt.report.run import Run
from metabt.report.section import Section
from metabt.report.sections.allocation import allocation
from metabt.report.sections.attribution import attribution
from metabt.report.sections.baselines import baselines
from metabt.report.sections.book import book
from metabt.report.sections.correlation import correlation
from metabt.report.sections.costs import costs
from metabt.report.sections.curves import curves
from metabt.report.sections.dated import dated
from metabt.report.sections.drawdowns import drawdowns
from metabt.report.sections.excluded import excluded
from metabt.report.sections.months import months
from metabt.report.sections.newest import newest
from metabt.report.sections.provenance import provenance
from metabt.report.sections.risk import risk
from metabt.report.sections.rolling import rolling
from metabt.report.sections.tails import tails
from metabt.report.sections.tree import tree
from metabt.report.sections.years import years
from metabt.report.several.beside import Beside
from metabt.report.several.curves import curves as each_curve
from metabt.report.several.overview import measured as each_measured
from metabt.report.several.overview import settings
from metabt.report.sweep.best import best
from metabt.report.sweep.curves import curves as best_curves
from metabt.report.sweep.distribution import distribution
from metabt.report.sweep.failures import failures
from metabt.report.sweep.maps import maps
from metabt.report.sweep.optimum import optimum
from metabt.report.sweep.parallel import parallel
from metabt.report.sweep.sensitivity import sensitivity
from metabt.report.sweep.tried import Tried

BUILDERS: tuple[Callable[[Run], Section | None], ...] = (
    tree,
    curves,
    baselines,
    years,
    months,
    drawdowns,
    attribution,
    risk,
    allocation,
    book,
    newest,
    correlation,
    rolling,
    tails,
    costs,
    luck_of_run,
    dated,
    excluded,
    provenance,
)
"""Builders of the page of one run, in reading order."""


OF_PAIRS: tuple[Callable[[Pair], Section], ...] = (overview, both_curves, inputs, measured, allocations)
"""Builders of the page of two runs, in reading order."""


OF_SWEEPS: tuple[Callable[[Tried], Section | None], ...] = (
    best,
    luck_of_sweep,
    distribution,
    best_curves,
    sensitivity,
    maps,
    optimum,
    parallel,
    failures,
)
"""Builders of the page of a sweep, in reading order."""


OF_SEVERAL: tuple[Callable[[Beside], Section], ...] = (settings, each_measured, each_curve)
"""Builders of the page of any number of runs, in reading order."""

Told = Run | Pair | Tried | Beside
"""What a page may be about."""


def sections(run: Told) -> list[Section]:
    """Return the sections of a run, of two, of a sweep, or of any number of runs."""
    if isinstance(run, Beside):
        return [build(run) for build in OF_SEVERAL]
    if isinstance(run, Pair):
        return [build(run) for build in OF_PAIRS]
    if isinstance(run, Tried):
        return [section for section in (build(run) for build in OF_SWEEPS) if section is not None]
    return [section for section in (build(run) for build in BUILDERS) if section is not None]
