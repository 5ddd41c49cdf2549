"""Narrow keys: whatever module is mutated, a sleeve whose bytes move has another key; and no key moves for nothing.

Every mutant runs in a process of its own, over a copy of the package (tests/shared/mutants.py).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from metabt.build.sleeve_code import ADDRESSES, walked_modules
from metabt.values.source_files import module_files
from tests.shared.mutants import Farm, Seen, compiled_modules
from tests.shared.mutations import KERNELS, WAYS, mutated

STORED = ("metabt.build.cache", "metabt.values.buffers")
"""Modules that lay blocks out as bytes: the version of their schema speaks for them."""
ROOMS = ("values", "numerics", "data", "estimators", "portfolio", "walk", "build", "errors")
"""Rooms of what blocks are computed by, and of what names them."""
MODULES = sorted(
    name
    for name, path in module_files().items()
    if name.split(".")[1] in ROOMS and not name.startswith(STORED) and path.name != "__init__.py"
)
REACHED = sorted({name.partition(":")[0] for name in walked_modules()} & set(MODULES) - ADDRESSES)


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Farm, Seen]]:
    with Farm(tmp_path_factory.mktemp("farm")) as started:
        assert started.run() is not None  # what is beneath meta sleeves is remembered
        found = started.run()
        assert found is not None
        yield started, found


def moved(before: Seen, after: Seen) -> tuple[set[str], set[str]]:
    """Return the blocks whose bytes are others, and those whose keys are."""
    both = before.keys() & after.keys()
    return {it for it in both if before[it][1] != after[it][1]}, {it for it in both if before[it][0] != after[it][0]}


def told(before: Seen, farm: Farm, module: str, seed: int) -> tuple[set[str], set[str]]:
    """Return how many blocks the first mutation moves that moves any, and those of which the key stayed."""
    ways = [KERNELS] if module in compiled_modules() else []
    for way in (*ways, *(WAYS if module in REACHED else WAYS[:1])):
        if way == KERNELS or mutated(module, way, seed):
            after = farm.run(module, way, seed)
            if after is not None:
                other, named = moved(before, after)
                if other:
                    return other, other - named
    return set(), set()


def test_every_kind_of_sleeve_is_walked(farm: tuple[Farm, Seen]) -> None:
    kinds = {place.split(", ")[0] for place in farm[1]}
    assert len(kinds) > 30 and len({key for key, _ in farm[1].values()}) == len(farm[1])


@pytest.mark.parametrize("module", random.Random(17).sample(REACHED, 6))
def test_a_sleeve_whose_bytes_move_has_another_key(module: str, farm: tuple[Farm, Seen]) -> None:
    started, before = farm
    _, stayed = told(before, started, module, 0)
    assert not stayed


OWN: dict[str, Callable[[str], bool]] = {
    "metabt.estimators.optimizers.erc": lambda name: "erc" in name or name in ("leaf short", "leaf patchy"),
    "metabt.estimators.moments.denoising": lambda name: name == "leaf erc on denoised",
    "metabt.estimators.selectors.log_mps": lambda name: name == "leaf clusters",
    "metabt.walk.leaf": lambda name: name.startswith("leaf"),
}
"""Module -> which of the sleeves reach it."""


@pytest.mark.parametrize("module", OWN)
def test_a_change_moves_the_keys_of_those_that_reach_it_and_of_no_others(module: str, farm: tuple[Farm, Seen]) -> None:
    started, before = farm
    after = started.run(module, KERNELS)
    assert after is not None
    _, named = moved(before, after)
    own = {place for place in before if OWN[module](place.split(", ")[0])}
    assert own and named >= own
    # above a sleeve that has moved are others: the trees' roots over erc
    assert not {place for place in named - own if place.startswith("leaf")}


@pytest.mark.slow
def test_a_sleeve_whose_bytes_move_has_another_key_whatever_module_is_mutated(tmp_path: Path) -> None:
    """METABT_MODULES is how many are mutated; all of them take most of an hour, since mutated kernels are compiled."""
    chosen = random.Random(18).sample(MODULES, min(int(os.environ.get("METABT_MODULES", 10)), len(MODULES)))
    queue, effects, stayed = list(chosen), dict[str, int](), dict[str, set[str]]()

    def work(number: int) -> None:
        with Farm(tmp_path / str(number)) as started:
            started.run()
            before = started.run()
            assert before is not None
            while queue:
                module = queue.pop()
                other, kept = told(before, started, module, 0)
                effects[module] = len(other)
                stayed.update({module: kept} if kept else {})

    for number in range(2):
        (tmp_path / str(number)).mkdir()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, range(2)))
    assert not stayed
    assert effects.keys() == set(chosen)
    reached = effects.keys() & set(REACHED)
    # the others say, refuse, or lay out what is looked up elsewhere
    assert sum(effects[module] > 0 for module in reached) > len(reached) / 3, effects
