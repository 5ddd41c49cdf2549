"""Side by side: which sleeves may be walked at the same time, and walking them on threads.

1. Waves come one after another: leaves first, then meta sleeves by how far they stand above the leaves.
2. In a wave, groups share nothing that one of them writes. Leaves that read the same prices share windows, and so are
   one group; meta sleeves are one where they share anything beneath them, whose books they look through.
3. Sleeves with foreign estimators, plug-ins or objects that were handed over are a wave of their own, walked on the
   caller's thread: Python's warnings are of the whole process, and what others write need not be made for threads.
4. `walk_groups` hands each thread the next group of a wave; a group's sleeves are walked one after another.

What a sleeve comes to depends on its inputs alone, so bits are the same for any number of threads. What threads share
is read only, or guarded: readings of prices by a lock (metabt.data.dataset), a store of blocks by its own
(metabt.build.cache); a walk notes what came out under each sleeve's own digest. Kernels run without Python's lock, and
so does BLAS, which is held to one thread for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Event
from typing import Generic, TypeVar

from metabt.build.foreign_warnings import is_foreign
from metabt.build.inputs import reading
from metabt.build.keys import plugin_versions
from metabt.build.plan import Node, Plan
from metabt.numerics.platform import one_thread
from metabt.portfolio.handed_over import is_handed_over
from metabt.portfolio.sleeve import Leaf, Meta
from metabt.values.freed_memory import share

Wave = list[list[Node]]
"""Groups of sleeves that may be walked at the same time, those of a group one after another."""
Found = TypeVar("Found")


def waves_of(plan: Plan) -> list[Wave]:
    """Return the sleeves of a plan in waves, each once, but for fleeting roots."""
    height: dict[str, int] = {}
    levels: dict[int, list[Node]] = {}
    for key, node in plan.nodes.items():  # children first
        height[key] = 1 + max((height[child] for child in node.children), default=-1)
        if key not in plan.fleeting:
            levels.setdefault(height[key], []).append(node)
    return [wave for _, level in sorted(levels.items()) for wave in _parted(plan, level)]


def _parted(plan: Plan, level: Sequence[Node]) -> list[Wave]:
    """Return the waves of sleeves none of which stands above another."""
    alone = [node for node in level if _keeps_to_itself(node.spec)]
    apart = {node.spec.digest for node in alone}
    groups = _joined([(node, _touched(plan, node)) for node in level if node.spec.digest not in apart])
    return [wave for wave in (groups, [alone]) if any(wave)]


def _keeps_to_itself(spec: Leaf | Meta) -> bool:
    return is_foreign(spec) or is_handed_over(spec) or bool(plugin_versions(spec))


def _touched(plan: Plan, node: Node) -> list[object]:
    """Return what walking a sleeve makes, or forgets, for others as well.

    A meta sleeve's book is looked through to what is beneath its children, which may stand beneath others too.
    """
    if isinstance(node.spec, Leaf):
        return [reading(node.spec)]
    found: dict[object, None] = {}
    pending = list(node.children)
    while pending:
        key = pending.pop()
        if key not in found:
            found[key] = None
            pending += plan.nodes[key].children
    return list(found)


def _joined(touched: Sequence[tuple[Node, Sequence[object]]]) -> Wave:
    """Return sleeves in groups that touch nothing in common, both in the order in which they are given."""
    above: dict[object, object] = {}
    for _, things in touched:
        for it in things:
            above[_top(above, it)] = _top(above, things[0])
    groups: dict[object, list[Node]] = {}
    for node, things in touched:
        groups.setdefault(_top(above, things[0]), []).append(node)
    return list(groups.values())


def _top(above: dict[object, object], it: object) -> object:
    """Return what stands for the set that a thing is in, and make the way there shorter (Tarjan and van Leeuwen)."""
    while (over := above.setdefault(it, it)) != it:
        above[it] = it = above[over]
    return it


def walk_groups(
    groups: Iterable[Sequence[Node]],
    work: Callable[[Node], Found],
    done: Callable[[Node, Found], None],
    n_threads: int,
) -> None:
    """Call `work` for every sleeve of a wave, on at most so many threads, and `done` on this one as results come in.

    Whatever a call raises ends the others after the sleeve that they are at, and is raised here.
    """
    groups = [group for group in groups if group]
    if n_threads == 1 or len(groups) <= 1:
        for node in (node for group in groups for node in group):
            done(node, work(node))
        return
    _Pool(groups, work).run(done, min(n_threads, len(groups)))


class _Pool(Generic[Found]):
    """Threads that take one group after another."""

    def __init__(self, groups: Sequence[Sequence[Node]], work: Callable[[Node], Found]) -> None:
        self._work, self._stopped = work, Event()
        self._waiting: SimpleQueue[Sequence[Node]] = SimpleQueue()
        self._found: SimpleQueue[tuple[Node, Found] | None] = SimpleQueue()
        for group in groups:
            self._waiting.put(group)

    def run(self, done: Callable[[Node, Found], None], n_threads: int) -> None:
        """Work all groups off; `done` is called on this thread."""
        share()
        with ThreadPoolExecutor(n_threads, "metabt-walk") as pool:
            ends = [pool.submit(copy_context().run, self._take_turns) for _ in range(n_threads)]
            try:
                at_work = n_threads
                while at_work:
                    item = self._found.get()
                    if item is None:
                        at_work -= 1
                    else:
                        done(*item)
            finally:
                self._stopped.set()
        for end in ends:
            end.result()

    def _take_turns(self) -> None:
        try:
            with one_thread():
                while True:
                    for node in self._waiting.get_nowait():
                        if self._stopped.is_set():
                            return
                        self._found.put((node, self._work(node)))
        except Empty:
            pass
        except BaseException:
            self._stopped.set()
            raise
        finally:
            self._found.put(None)
