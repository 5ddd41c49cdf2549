"""The local executor: every block in this process, one after another. It is the reference for all others."""

from __future__ import annotations

from metabt.forest import Plan
from metabt.inputs import initial_state
from metabt.ports import Cache, Progress, Walk
from metabt.walked import Walked
from metabt.walker import Walker


class Local:
    """In this process, one block after another: the reference."""

    name = "local"

    def walk(self, plan: Plan, cache: Cache, progress: Progress | None) -> Walked:
        """Walk every node over every partition, but for roots that are walked when they are assembled."""
        walker = Walker(plan, cache)
        walks = {key: Walk(initial_state(node)) for key, node in plan.nodes.items()}
        done = known = 0
        for label in plan.labels:
            walker.enter(label)
            for key, node in plan.nodes.items():
                if label in node.partitions and key not in plan.fleeting:
                    step = walker.step(node)
                    walks[key].add(step)
                    known += step.found
                    done += 1
                    if progress:
                        progress(done, plan.n_blocks, f"{label} {node.label}, {known} known")
        cache.flush()
        return Walked(plan, walks)
