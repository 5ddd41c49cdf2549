"""Effects: why the portfolio did better or worse than the same tree in which nothing is chosen.

Brinson's effects against the tree of equal weights (metabt.analysis.attribution.brinson): what was allocated between
the sleeves of each level, and selected within the leaves; and sleeve by sleeve, where what a sleeve did better itself,
its selection, is opened into its own allocation, selection and interaction one level below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metabt.report.attribution_rows import EFFECTS, by_effect, closing, listed, most_assets
from metabt.report.lines import percent
from metabt.report.run import Run
from metabt.report.section import Branch, Facts, Folded

if TYPE_CHECKING:
    from metabt.runs.replay import Attributed

Effects = dict[str, dict[tuple[str, str], dict[str, float]]]


def by_level(run: Run, found: Attributed) -> Facts:
    """Return effects by level: what was allocated between the sleeves of each, and selected within the last."""
    made = by_effect(found.effects)
    levels: dict[int, dict[str, float]] = {}
    costs = assets = 0.0
    for path, items in made.items():
        for (kind, _), effect in items.items():
            if kind == "child" or "allocation" in effect:  # of the cash beside children, too
                level = levels.setdefault(path.count("/"), dict.fromkeys(EFFECTS, 0.0))
                for name in ("allocation", "interaction"):
                    level[name] += effect.get(name, 0.0)
            else:
                assets += effect.get("selection", 0.0)
                costs += effect.get("costs", 0.0)
    rows = []
    for depth in sorted(levels):
        allocation, interaction = (levels[depth][name] for name in ("allocation", "interaction"))
        rows.append(
            (f"level {depth + 1}", percent(allocation), percent(interaction), "", percent(allocation + interaction))
        )
    rows.append(("assets", "", "", percent(assets), percent(assets)))
    rows.append(("costs", "", "", "", percent(costs)))
    total = assets + costs + sum(sum(level.values()) for level in levels.values())
    one, other = found.totals
    rows.append(("total", "", "", "", percent(total)))
    note = (
        f"The portfolio returned {percent(one)}, the tree of equal weights {percent(other)}: the same sleeves, "
        "schedules and rates of costs, in which nothing is chosen. Level 1 is between the sleeves of the portfolio, "
        "each next level between those within them, and assets are within leaves. Allocation is what was earned by "
        "giving some more and others less, selection by choosing and weighting assets, interaction by both at once. "
        f"{closing(abs(one - other - total))}"
    )
    columns = ("Level", "Allocation", "Interaction", "Selection", "Together")
    return Facts(columns, rows, note, "Against equal weights, by level")


def effects(run: Run, found: Attributed) -> Folded:
    """Return the effects of everything, asset within sleeve within parent."""
    made, most = by_effect(found.effects), most_assets(run.specs)

    def beneath(path: str) -> list[Branch]:
        items = made.get(path, {})
        beside = {f"{path}/{item}": effect for (kind, item), effect in items.items() if kind == "child"}
        rows = [
            Branch(_cells(run.label(child), beside[child]), beneath(child))
            for child in sorted(beside, key=run.paths.index)
        ]
        assets = [(item, effect["selection"]) for (kind, item), effect in items.items() if kind == "asset"]
        one_by_one, rest = listed([value for _, value in assets], most)
        rows += [Branch(_cells(assets[i][0], {"selection": assets[i][1]})) for i in one_by_one]
        if rest:
            rows.append(Branch(_cells(f"{len(rest):,} others", {"selection": sum(assets[i][1] for i in rest)})))
        return rows + [Branch(_cells("cash", effect)) for (kind, _), effect in items.items() if kind == "cash"]

    whole = made[run.root]
    costs = {"costs": sum(effect.get("costs", 0.0) for effect in whole.values())}
    sums = {name: sum(effect.get(name, 0.0) for effect in whole.values()) for name in EFFECTS}
    rows = [*beneath(run.root), Branch(_cells("costs", costs))]
    note = (
        "What is folded into a sleeve adds up to its selection, at the weights that the tree of equal weights gives "
        "it. " + closing(_gap(made, found.totals[0] - found.totals[1], run.root))
    )
    columns = ("Item", *(name.capitalize() for name in EFFECTS), "Together")
    root = Branch(_cells(run.label(run.root), {**sums, **costs}), rows)
    return Folded(columns, root, note, "Against equal weights, sleeve by sleeve")


def _cells(item: str, effect: dict[str, float]) -> tuple[str, ...]:
    return (item, *(percent(effect[name]) if name in effect else "" for name in EFFECTS), percent(_sum_of(effect)))


def _sum_of(effect: dict[str, float]) -> float:
    return sum(effect.values())


def _gap(made: Effects, active: float, root: str) -> float:
    """Return the largest distance between a sleeve's selection and what is beneath it."""
    gaps = [abs(sum(map(_sum_of, made[root].values())) - active)]
    for path, items in made.items():
        for (kind, item), effect in items.items():
            if kind == "child":
                gaps.append(abs(sum(map(_sum_of, made[f"{path}/{item}"].values())) - effect["selection"]))
    return max(gaps)
