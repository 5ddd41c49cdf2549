"""Imports point down (DESIGN section 8), heavy ones are lazy, and every public command is documented."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "metabt"
MODULES = sorted(PACKAGE.rglob("*.py"))

ROOMS = {
    "duckdb": ("metabt.lakehouse",),
    "pyarrow": (
        "metabt.lakehouse",
        "metabt.cluster",
        "metabt.cache.codec",
        "metabt.cache.sealing",
        "metabt.buffers",
    ),
    "threadpoolctl": ("metabt.platform",),
    "llvmlite": ("metabt.platform", "metabt.kernels", "metabt.vectors", "metabt.reductions"),
    "hydra": ("metabt.config",),
    "omegaconf": ("metabt.config",),
    "yaml": ("metabt.config",),
    "ray": ("metabt.cluster",),
    "skfolio": ("metabt.plugins",),
    "sklearn": ("metabt.plugins",),
    "pandas": ("metabt.result",),
    "plotly": ("metabt.report",),
    "matplotlib": ("metabt.report.drawing", "metabt.report.figures"),
    "tqdm": ("metabt.progress",),
}
"""Library -> the only modules that may import it, at run time, anywhere in a file."""

EDGE = (
    "cli",
    "commands",
    "printing",
    "report_command",
    "sweep_command",
    "upkeep_commands",
    "weights_command",
    "audit",
    "comparison",
    "differing",
    "earlier",
    "explain",
    "explanation",
    "price_changes",
    "record",
    "reproduce",
    "progress",
    "trades",
    "demo",
    "report",
    "config",
    "cluster",
    "lakehouse",
    "result",
    "__main__",
)
"""What stands above the domain."""
DOORS = ("api", "engines", "panel", "request", "sources", "sweep", "__init__")
"""Where the domain is handed to the edge: these may import the edge, lazily."""
FRONT = (
    "cli",
    "commands",
    "printing",
    "report_command",
    "sweep_command",
    "upkeep_commands",
    "weights_command",
    "__main__",
)
"""What nothing else may import."""


STORE = (
    "amounts",
    "background",
    "claims",
    "layout",
    "objects",
    "pruning",
    "publishing",
    "reading",
    "syscalls",
    "upkeep",
)
"""Modules of `metabt.cache` that know bytes alone."""


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def modules_outside(*rooms: str) -> list[Path]:
    return [path for path in MODULES if room_of(name_of(path)) not in rooms]


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


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_library_is_imported_in_its_room_only(path: Path) -> None:
    module = name_of(path)
    for imported in imports(path):
        rooms = ROOMS.get(imported.split(".")[0])
        assert rooms is None or within(module, rooms), f"{module} imports {imported}, which belongs in {rooms}"


@pytest.mark.parametrize("path", modules_outside(*EDGE, "plugins"), ids=name_of)
def test_the_domain_imports_libraries_of_numbers_only(path: Path) -> None:
    module = name_of(path)
    lodgers = {library for library, rooms in ROOMS.items() if within(module, rooms)}
    allowed = {"numpy", "scipy", "numba", "metabt", *lodgers, *sys.stdlib_module_names}
    foreign = {imported.split(".")[0] for imported in imports(path)} - allowed
    assert not foreign, f"{module} imports {foreign}"


@pytest.mark.parametrize("name", STORE)
def test_the_store_knows_bytes_alone(name: str) -> None:
    known = {"metabt.errors", *(f"metabt.cache.{other}" for other in STORE)}
    for imported in imports(PACKAGE / "cache" / f"{name}.py"):
        library = imported.split(".")[0]
        inside = library == "metabt" and any(within(imported, (module,)) for module in known)
        assert inside or library in sys.stdlib_module_names or imported == "metabt.cache", f"{name} imports {imported}"


@pytest.mark.parametrize("path", modules_outside(*EDGE), ids=name_of)
def test_imports_point_down(path: Path) -> None:
    module = name_of(path)
    doors = room_of(module) in DOORS
    for imported in imports(path, top_level=doors):
        if imported.startswith("metabt."):
            room = room_of(imported)
            allowed = room not in EDGE or (doors and room == "result")
            assert allowed, f"{module} imports {imported}, which stands above it"


@pytest.mark.parametrize("path", modules_outside(*FRONT), ids=name_of)
def test_nothing_imports_the_front(path: Path) -> None:
    into_front = [name for name in imports(path) if name.startswith("metabt.") and room_of(name) in FRONT]
    assert not into_front, f"{name_of(path)} imports {into_front}"


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
    assert len(order) == len(files) and order.index("metabt.holdings") < order.index("metabt.api")


def test_every_module_is_seen() -> None:
    assert {"metabt.cli", "metabt.api", "metabt.walk_forward", "metabt.cache.disk"} <= {
        name_of(path) for path in MODULES
    }
    assert len(MODULES) > 40


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from metabt.cli import build_parser; build_parser().format_help(); "
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'numpy', 'numba', 'pandas', 'duckdb', 'hydra', 'omegaconf', 'pyarrow', 'scipy', 'plotly', 'matplotlib', "
        "'ray', 'skfolio'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_and_make_target_is_documented() -> None:
    from metabt.cli import build_parser

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = readme + "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    (commands,) = [a.choices for a in build_parser()._actions if hasattr(a, "choices") and isinstance(a.choices, dict)]
    for command in commands:
        assert re.search(rf"metabt {command}\b", pages), f"neither README.md nor docs/ mentions `metabt {command}`"
    for target in ("demo", "test", "install", "help"):
        assert f"make {target}" in readme


def test_every_command_of_the_line_has_a_function_and_examples() -> None:
    from metabt import commands
    from metabt.cli import build_parser

    (choices,) = [a.choices for a in build_parser()._actions if isinstance(getattr(a, "choices", None), dict)]
    for name, parser in choices.items():
        assert callable(getattr(commands, name))
        assert f"metabt {name}" in (parser.epilog or ""), f"`metabt {name} --help` shows no example"
