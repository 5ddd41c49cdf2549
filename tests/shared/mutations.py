"""Mutations: a module's syntax tree, changed so that what it computes becomes something else.

1. every function returns other numbers
2. every number that is written is another one
3. one comparison, sign or condition is another one, which of them a seed decides

What is compiled stays: kernels are mutated by what they give (tests/shared/mutated_walks.py).
"""

from __future__ import annotations

import ast
import random
from pathlib import Path
from types import CodeType
from typing import Any

from metabt.values.syntax_trees import syntax_tree

PACKAGE = Path(__file__).parents[2] / "metabt"
WAYS, KERNELS = (0, 1, 2, 3), 4
"""Numbers of the ways to mutate what is not compiled, and of the one to mutate what is."""
COMPILED = ("inner", "kernel", "intrinsic", "overload", "njit")
"""Decorators of functions that are compiled."""

MOVED = """
def moved_by_mutation(value):
    import numpy
    if isinstance(value, float):
        return value * 1.01
    if isinstance(value, numpy.ndarray) and value.dtype.kind == "f":
        other = numpy.asarray(value * 1.01)
        other.flags.writeable = value.flags.writeable  # kernels are compiled for either
        return other
    return tuple(map(moved_by_mutation, value)) if type(value) is tuple else value
"""


def mutated(module: str, way: int, seed: int) -> bool:
    """Return whether a module has anything to change in this way, and says something else afterwards."""
    tree = syntax_tree(source_of(module).read_bytes())
    return text_of(module, way, seed) != ast.unparse(tree)


def text_of(module: str, way: int, seed: int) -> str:
    """Return the text of a mutated module."""
    return ast.unparse(_mutated(module, way, seed))


def source_of(module: str) -> Path:
    """Return the file of a module of the package as it is."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _mutated(module: str, way: int, seed: int) -> ast.Module:
    """Return the changed syntax tree of a module; its lines keep their numbers, by which kernels are known."""
    tree = syntax_tree(source_of(module).read_bytes())
    change = (_Returns, _Numbers, _Sites, _Sites, _Says)[way]((seed, way))
    change.visit(tree)
    change.finish()
    imports = [n for n, it in enumerate(tree.body) if isinstance(it, ast.ImportFrom) and it.module == "__future__"]
    place = imports[0] + 1 if imports else 0
    tree.body[place:place] = syntax_tree(MOVED).body if change.count and way == 0 else []
    return ast.fix_missing_locations(tree)


def code_of(module: str, path: str, way: int, seed: int) -> CodeType:
    """Return the code of a mutated module, to be run in place of the file at `path`."""
    return compile(_mutated(module, way, seed), path, "exec", dont_inherit=True)


class _Change(ast.NodeTransformer):
    def __init__(self, seed: tuple[int, int]) -> None:
        self.count, self._rng = 0, random.Random(repr(seed))

    def finish(self) -> None:
        """Make the changes that were only collected."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:  # noqa: N802  # ast calls it so
        return node if is_compiled(node) else self.generic_visit(node)


class _Says(_Change):
    """The module says one thing more; what its kernels give is changed where they run."""

    def visit_Module(self, node: ast.Module) -> ast.AST:  # noqa: N802  # ast calls it so
        node.body += syntax_tree("MUTATED = 1").body
        return node


class _Returns(_Change):
    """Every function returns other numbers."""

    def visit_Return(self, node: ast.Return) -> ast.AST:  # noqa: N802  # ast calls it so
        if node.value is None:
            return node
        self.count += 1
        return ast.Return(ast.Call(ast.Name("moved_by_mutation", ast.Load()), [node.value], []))


class _Numbers(_Change):
    """Every number that is written is another one."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:  # noqa: N802  # ast calls it so
        if type(node.value) is float or (type(node.value) is int and node.value > 1):
            self.count += 1
            return ast.Constant(node.value * 1.01 if type(node.value) is float else node.value + 1)
        return node


class _Sites(_Change):
    """One comparison, sign, flag or condition is another one."""

    def __init__(self, seed: tuple[int, int]) -> None:
        super().__init__(seed)
        self._sites: list[ast.AST] = []

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Compare | ast.BinOp | ast.IfExp):
            self._sites.append(node)
        return super().visit(node)

    def finish(self) -> None:
        self.count = len(self._sites)
        site = self._rng.choice(self._sites) if self._sites else None
        if isinstance(site, ast.Compare):
            other = {ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq}
            site.ops[0] = other.get(type(site.ops[0]), ast.Eq)()
        elif isinstance(site, ast.BinOp):
            signs = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add}
            site.op = signs.get(type(site.op), ast.Add)()
        elif isinstance(site, ast.IfExp):
            site.body, site.orelse = site.orelse, site.body


def is_compiled(node: ast.FunctionDef) -> bool:
    names = {it.id for decorator in node.decorator_list for it in ast.walk(decorator) if isinstance(it, ast.Name)}
    return bool(names & set(COMPILED))
