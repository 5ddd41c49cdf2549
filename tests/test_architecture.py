"""Imports point down (DESIGN section 8), heavy ones are lazy, and every public command is documented."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "metabt"
MODULES = sorted(PACKAGE.rglob("*.py"))

ORDER = (
    "values",
    "numerics",
    "data",
    "estimators",
    "portfolio",
    "walk",
    "build",
    "analysis",
    "luck",
    "lakehouse",
    "search",
    "config",
    "engines",
    "runs",
    "report",
    "api",
    "demo_market",
    "cli",
)
"""The rooms from the ground up. A module imports from its own room and from those before it, also inside functions."""

TOP = ("__init__", "__main__", "errors")
"""The only modules beside the rooms; every room may import `errors`."""

LIBRARIES = {
    "duckdb": ("metabt.lakehouse",),
    "pyarrow": (
        "metabt.lakehouse",
        "metabt.engines.ray",
        "metabt.build.cache.codec",
        "metabt.build.cache.sealing",
        "metabt.values.buffers",
    ),
    "threadpoolctl": ("metabt.numerics.platform",),
    "llvmlite": (
        "metabt.numerics.kernels",
        "metabt.numerics.platform",
        "metabt.numerics.reductions",
        "metabt.numerics.vectors",
    ),
    "botocore": ("metabt.build.cache.bucket.client", "metabt.build.cache.bucket.connection"),
    "hydra": ("metabt.config",),
    "omegaconf": ("metabt.config",),
    "yaml": ("metabt.config",),
    "ray": ("metabt.engines.ray",),
    "exchange_calendars": ("metabt.data.exchange_days",),
    "packaging": ("metabt.estimators.registry",),
    "skfolio": ("metabt.estimators.plugins",),
    "sklearn": ("metabt.estimators.plugins",),
    "pandas": ("metabt.values.frames", "metabt.api.result"),
    "plotly": ("metabt.report",),
    "matplotlib": ("metabt.report.drawing", "metabt.report.figures"),
    "optuna": ("metabt.search.model_based",),
    "tqdm": ("metabt.cli.progress_bar",),
}
"""Library -> the only modules that may import it, at run time, anywhere in a file."""

DOMAIN = ORDER[: ORDER.index("lakehouse")]
"""Rooms that compute: beyond LIBRARIES they import numpy, scipy and numba only."""

BYTES = (
    "ages_and_sizes",
    "bucket.client",
    "bucket.connection",
    "bucket.probe",
    "bucket.shelf",
    "compaction",
    "folder.publishing",
    "folder.reading",
    "folder.shelf",
    "folder.syscalls",
    "folder.times",
    "last_use",
    "object_store",
    "pack_format",
    "pack_index",
    "pack_writer",
    "pruning",
    "shared.signature",
    "shared.signed_shelf",
    "shelf",
    "single_flight",
    "upkeep",
    "verified_reading",
)
"""Modules of `metabt.build.cache` that know bytes alone."""

FILES_IN_A_ROOM = 20
"""Modules that a folder may hold before it has to have rooms of its own; `__init__` is not counted."""


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def for_types_only(tree: ast.AST) -> set[ast.AST]:
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    return {inner for block in blocks for inner in ast.walk(block)}


def imports(path: Path, *, top_level: bool = False, with_types: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_bytes())
    skipped = set() if with_types else for_types_only(tree)
    for node in tree.body if top_level else ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            if node.module.split(".")[0] == "metabt":
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def wrong_imports(module: str, imported: Iterable[str]) -> list[str]:
    """Return what a module of a room may not import of metabt: what stands above it, or the top that exports it all."""
    place = ORDER.index(room_of(module))
    inside = {name for name in imported if name.split(".")[0] == "metabt" and not within(name, ("metabt.errors",))}
    return sorted(name for name in inside if room_of(name) not in ORDER[: place + 1] and name != "metabt")


def test_the_rooms_are_those_of_the_list() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(ORDER), "a room is missing from ORDER, or has gone"
    assert {path.stem for path in PACKAGE.glob("*.py")} == set(TOP), "a module belongs in a room"


def test_imports_point_down() -> None:
    inside = {name_of(path): path for path in MODULES if room_of(name_of(path)) in ORDER}
    found = {module: wrong_imports(module, imports(path, with_types=True)) for module, path in inside.items()}
    assert not {module: names for module, names in found.items() if names}


@pytest.mark.parametrize(
    ("module", "imported", "wrong"),
    [
        ("metabt.walk.leaf", ["metabt.values.tables", "metabt.errors", "metabt.walk.block", "numpy"], []),
        ("metabt.walk.leaf", ["metabt.build.keys"], ["metabt.build.keys"]),
        ("metabt.walk.leaf", ["metabt.newroom.thing"], ["metabt.newroom.thing"]),
        ("metabt.lakehouse.runs.commits", ["metabt.runs.request"], ["metabt.runs.request"]),
        ("metabt.api.result", ["metabt.backtest"], ["metabt.backtest"]),
    ],
)
def test_an_import_against_the_order_is_seen(module: str, imported: list[str], wrong: list[str]) -> None:
    assert wrong_imports(module, imported) == wrong


def test_rooms_within_a_room_do_not_import_each_other() -> None:
    """`lakehouse.prices` may import `lakehouse.catalog`, and then not the other way round."""
    folders = {name_of(path) for path in MODULES if path.name == "__init__.py"} - {"metabt"}
    between: dict[str, set[str]] = {folder: set() for folder in folders}
    for path in MODULES:
        module = name_of(path)
        here = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for imported in imports(path):
            there = next(
                (folder for folder in sorted(folders, key=len, reverse=True) if within(imported, (folder,))), here
            )
            if not within(here, (there,)) and not within(there, (here,)):
                between[here].add(there)
    pairs = {(one, other) for one, others in between.items() for other in others if one in between[other]}
    assert not pairs


def test_no_room_is_crowded() -> None:
    counts: dict[str, int] = {}
    for path in MODULES:
        if path.name != "__init__.py":
            counts[name_of(path.parent)] = counts.get(name_of(path.parent), 0) + 1
    crowded = {room: count for room, count in counts.items() if count > FILES_IN_A_ROOM}
    assert not crowded, f"give {crowded} rooms of their own"


def test_a_library_is_imported_in_its_room_only() -> None:
    wrong = {
        f"{name_of(path)} imports {imported}"
        for path in MODULES
        for imported in imports(path)
        if not within(name_of(path), LIBRARIES.get(imported.split(".")[0], (name_of(path),)))
    }
    assert not wrong


def test_the_domain_imports_libraries_of_numbers_only() -> None:
    known = {"numpy", "scipy", "numba", "metabt", *LIBRARIES, *sys.stdlib_module_names}
    domain = [path for path in MODULES if room_of(name_of(path)) in DOMAIN]
    foreign = {(name_of(path), name) for path in domain for name in imports(path) if name.split(".")[0] not in known}
    assert len(domain) > 100 and not foreign


@pytest.mark.parametrize("name", BYTES)
def test_the_store_knows_bytes_alone(name: str) -> None:
    plain = {"metabt.errors", "metabt.values.bucket_address"}
    known = plain | {f"metabt.build.cache.{other}" for other in BYTES}
    packages = {"metabt.build.cache", *(module.rpartition(".")[0] for module in known)}
    for imported in imports(PACKAGE.joinpath("build", "cache", *name.split(".")).with_suffix(".py")):
        library = imported.split(".")[0]
        inside = library == "metabt" and any(within(imported, (module,)) for module in known)
        standard = library in sys.stdlib_module_names or f"metabt.build.cache.{name}" in LIBRARIES.get(library, ())
        assert inside or standard or imported in packages, f"{name} imports {imported}"


def test_no_modules_import_each_other_in_a_loop() -> None:
    """Not for types either, nor when a function is called; what a package hands on is passed through."""
    files = {name_of(path): path for path in MODULES if path.name != "__init__.py"}
    graph = {
        module: {name for name in imports(path, with_types=True) if name in files and name != module}
        for module, path in files.items()
    }
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))
    assert len(order) == len(files) and order.index("metabt.walk.holdings") < order.index("metabt.api.functions")


def test_every_module_is_seen() -> None:
    assert {"metabt.cli.main", "metabt.api.functions", "metabt.walk.walk_forward", "metabt.build.cache.disk"} <= {
        name_of(path) for path in MODULES
    }
    assert len(MODULES) > 40


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from metabt.cli.main import build_parser; build_parser().format_help(); "
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'numpy', 'numba', 'pandas', 'duckdb', 'hydra', 'omegaconf', 'pyarrow', 'scipy', 'plotly', 'matplotlib', "
        "'ray', 'skfolio'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_and_make_target_is_documented() -> None:
    from metabt.cli.main import build_parser

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = readme + "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    (commands,) = [a.choices for a in build_parser()._actions if hasattr(a, "choices") and isinstance(a.choices, dict)]
    for command in commands:
        assert re.search(rf"metabt {command}\b", pages), f"neither README.md nor docs/ mentions `metabt {command}`"
    for target in ("demo", "test", "install", "help"):
        assert f"make {target}" in readme


def test_every_command_of_the_line_has_a_function_and_examples() -> None:
    from metabt.cli import commands
    from metabt.cli.main import build_parser

    (choices,) = [a.choices for a in build_parser()._actions if isinstance(getattr(a, "choices", None), dict)]
    for name, parser in choices.items():
        assert callable(getattr(commands, name.replace("-", "_")))
        assert f"metabt {name}" in (parser.epilog or ""), f"`metabt {name} --help` shows no example"


FOLDERS = sorted(path.parent for path in MODULES if path.name == "__init__.py" and path.parent != PACKAGE)


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_a_door_names_every_module_and_room_behind_it(folder: Path) -> None:
    door = ast.get_docstring(ast.parse((folder / "__init__.py").read_bytes())) or ""
    modules = {path.stem for path in folder.glob("*.py") if path.name != "__init__.py"}
    rooms = {f"{path.name}/" for path in folder.iterdir() if (path / "__init__.py").exists()}
    missing = {name for name in modules | rooms if not re.search(rf"`{re.escape(name)}`", door)}
    assert not missing, f"{folder.relative_to(ROOT)}/__init__.py says nothing of {sorted(missing)}"


@pytest.mark.parametrize("room", ORDER)
def test_a_door_says_what_its_room_imports_and_offers(room: str) -> None:
    door = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_bytes())) or ""
    assert "Imports:" in door and "Offers:" in door or room == "cli"
    imported = {room_of(name) for path in (PACKAGE / room).rglob("*.py") for name in imports(path)} & set(ORDER)
    assert imported <= set(ORDER[: ORDER.index(room) + 1])


def test_no_folder_of_tests_is_left_out(pytestconfig: pytest.Config) -> None:
    """What pytest does not look into by itself, such as `build`, may be the name of a room."""
    folders = {path.parent for path in Path(__file__).parent.rglob("test_*.py")}
    parts = {part for folder in folders for part in folder.relative_to(Path(__file__).parent).parts}
    left_out = {part for part in parts for pattern in pytestconfig.getini("norecursedirs") if fnmatch(part, pattern)}
    assert "build" in parts and not left_out
