"""Docstrings say what signatures say: parameters, what is returned, what is raised; and their examples run.

1. `CALLABLES` are the functions, methods and properties that users call, `CLASSES` what they construct.
2. `sections` cuts a docstring at its underlined headings (numpydoc).
3. Parameters are those of the signature, errors those that the body raises, examples what Python prints.
"""

from __future__ import annotations

import ast
import builtins
import doctest
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import metabt
import metabt.lakehouse
from metabt import errors
from metabt.api.result import Baselines
from metabt.data.panel.panel import Choice
from metabt.estimators.moments.covariance import COVARIANCES
from metabt.estimators.moments.mean import MEANS
from metabt.estimators.registry import OPTIMIZERS, SELECTORS

PACKAGE = Path(metabt.__file__).parent
MAIN = ("backtest", "open_panel", "Panel.map_overlap", "Result.returns", "Sleeve")
"""What has an example."""
PHRASES = ("to be had", "behind the caller's back", "stand before")
"""Phrases that name neither an argument nor an effect."""


@dataclass(frozen=True)
class Documented:
    """A public callable, and the docstrings that speak of it."""

    name: str
    """As users write it."""
    function: Callable[..., Any]
    """What is called; of a property, what is behind it."""
    docs: tuple[str, ...]
    """Its own docstring, then those of the methods that it overrides."""
    is_property: bool = False
    """It is read, not called."""

    @cached_property
    def sections(self) -> dict[str, str]:
        """Heading -> text, of the first docstring that has it."""
        found: dict[str, str] = {}
        for doc in reversed(self.docs):
            found |= sections(doc)
        return found

    @property
    def returned(self) -> str:
        """The annotation of what it returns."""
        return str(inspect.signature(self.function).return_annotation)


def sections(doc: str) -> dict[str, str]:
    """Return heading -> text of a docstring; what stands before the first heading is under ''."""
    lines = inspect.cleandoc(doc).splitlines()
    found, heading = {"": ""}, ""
    for number, line in enumerate(lines):
        below = lines[number + 1] if number + 1 < len(lines) else ""
        if line and below == "-" * len(line):
            heading = line
            found[heading] = ""
        elif not (line and line == "-" * len(line) and lines[number - 1] == heading):
            found[heading] += f"{line}\n"
    return found


def entries(text: str) -> dict[str, str]:
    """Return name -> description of a section of parameters or errors; `a, b : float` describes two."""
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", text.strip("\n")):
        names, _, description = entry.partition("\n") if " : " not in entry.split("\n")[0] else entry.partition(" : ")
        found |= {name.strip().lstrip("*"): description.strip() for name in names.split(",") if name.strip()}
    return found


def parameters(function: Callable[..., Any]) -> list[str]:
    """Return the names of a signature, without the object or class that the call is made on."""
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]


def raised(function: Callable[..., Any]) -> set[str]:
    """Return metabt's errors that a body raises by itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    names = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
    return {name for name in names if hasattr(errors, name)}


def exception(name: str) -> bool:
    found = getattr(errors, name, None) or getattr(builtins, name, None)
    return inspect.isclass(found) and issubclass(found, Exception)


def of_metabt(cls: type) -> list[type]:
    return [base for base in cls.__mro__ if base.__module__.startswith("metabt")]


def behind(member: object) -> Callable[..., Any] | None:
    """Return the function behind a member of a class, or None for another kind of member."""
    if isinstance(member, property):
        return member.fget
    for attribute in ("func", "__func__"):  # of a cached property, of a class method
        member = getattr(member, attribute, member)
    return member if inspect.isfunction(member) else None


def members(cls: type) -> Iterator[Documented]:
    """Yield the public methods and properties of a class, each with what its bases say of it."""
    names = {name: None for base in of_metabt(cls) for name in vars(base)}
    for name in names:
        if name.startswith("_") and name not in ("__call__", "__getitem__"):
            continue
        defined = [vars(base)[name] for base in of_metabt(cls) if name in vars(base)]
        function = behind(defined[0])
        if function is not None:
            docs = tuple(found.__doc__ or "" for member in defined if (found := behind(member)))
            is_property = isinstance(defined[0], property) or hasattr(defined[0], "attrname")
            yield Documented(f"{cls.__name__}.{name}", function, docs, is_property)


def exported(module: Any) -> list[Any]:
    return [getattr(module, name) for name in module.__all__]


def registered(kinds: Mapping[str, str]) -> list[type]:
    places = [place.partition(":") for place in kinds.values()]
    return [getattr(import_module(module), name) for module, _, name in places]


def moments() -> Iterator[Documented]:
    """Yield the builders that have parameters, and what the others build."""
    for family in (COVARIANCES, MEANS):
        for name, builder in family.builders.items():
            function = builder if inspect.signature(builder).parameters else builder()
            yield Documented(f"{family.kind} {name}", function, (function.__doc__ or "",))


PUBLIC = [*exported(metabt), *exported(metabt.lakehouse), Baselines, Choice]
CLASSES = list(dict.fromkeys([*filter(inspect.isclass, PUBLIC), *registered(OPTIMIZERS), *registered(SELECTORS)]))
FUNCTIONS = [
    Documented(found.__name__, found, (found.__doc__ or "",)) for found in PUBLIC if not inspect.isclass(found)
]
CALLABLES = [*FUNCTIONS, *(member for cls in CLASSES for member in members(cls)), *moments()]
METHODS = [it for it in CALLABLES if not it.is_property]
PROPERTIES = [it for it in CALLABLES if it.is_property]


def constructor(cls: type) -> Documented:
    """Return a class as what constructs it: its own docstring and those of `initialisers`, then those of its bases."""
    docs = [text for base in of_metabt(cls) for text in (base.__doc__, *(it.__doc__ for it in initialisers(base)))]
    return Documented(cls.__name__, cls, tuple(text or "" for text in docs))


def initialisers(cls: type) -> list[Callable[..., Any]]:
    """Return what a class itself runs when it is constructed; what `dataclass` writes is nobody's text."""
    written = ("__post_init__",) if is_dataclass(cls) else ("__init__",)
    return [vars(cls)[name] for name in written if name in vars(cls)]


def described_fields(cls: type) -> set[str]:
    """Return the fields of a dataclass that a text stands beneath."""
    found = set()
    for base in of_metabt(cls):
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                found.add(field.target.id)
    return found


def wrong_parameters(it: Documented) -> str | None:
    """Return how a Parameters section differs from the signature; None where it does not."""
    described = entries(it.sections.get("Parameters", ""))
    if list(described) != parameters(it.function):
        return f"{it.name}: Parameters names {list(described)}, the signature {parameters(it.function)}"
    silent = [name for name, text in described.items() if not text]
    return f"{it.name}: nothing is said of {silent}" if silent else None


def wrong_errors(it: Documented, functions: list[Callable[..., Any]]) -> str | None:
    """Return what a Raises section lacks of what the functions raise, or names that is no error."""
    named = set(entries(it.sections.get("Raises", "")))
    missing = set().union(*(raised(function) for function in functions)) - named
    unknown = {name for name in named if not exception(name)}
    return f"{it.name}: Raises lacks {missing}, and names {unknown}" if missing or unknown else None


def lacking(it: Documented, text: str) -> str | None:
    """Return what a text does not say of the frame or the array that is returned."""
    if "DataFrame" in it.returned and not (re.search(r"\b(index|rows?)\b", text.lower()) and "column" in text.lower()):
        return f"{it.name}: says neither index nor columns of the frame"
    if it.returned.startswith("np.ndarray") and not re.search(r"\(n_\w+", text):
        return f"{it.name}: does not say the shape of the array, such as (n_sessions, n_assets)"
    return None


def properties(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the docstring of every property in the text of a module."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            marks = {ast.unparse(mark).rpartition(".")[2] for mark in node.decorator_list}
            if marks & {"property", "cached_property"}:
                yield node.name, ast.get_docstring(node) or ""


def faults(found: Iterable[str | None]) -> list[str]:
    return [fault for fault in found if fault]


def test_there_is_something_to_read() -> None:
    names = {it.name for it in CALLABLES}
    assert {"backtest", "Panel.partitions", "Sheet.__getitem__", "Equal.weigh", "covariance estimator ewma"} <= names
    assert len(METHODS) > 90 and len(PROPERTIES) > 20 and len(CLASSES) > 25


def test_parameters_are_those_of_the_signature() -> None:
    assert faults(wrong_parameters(it) for it in METHODS) == []


def test_constructors_describe_their_parameters() -> None:
    plain = [cls for cls in CLASSES if not is_dataclass(cls) and not issubclass(cls, Exception)]
    assert faults(wrong_parameters(constructor(cls)) for cls in plain) == []
    fields = {cls: set(parameters(cls)) - described_fields(cls) for cls in CLASSES if is_dataclass(cls)}
    assert {cls.__name__: silent for cls, silent in fields.items() if silent} == {}


def test_what_is_returned_is_described() -> None:
    returning = [it for it in METHODS if it.returned not in ("None", "NoReturn")]
    headings = {it.name: {"Returns", "Yields"} & it.sections.keys() for it in returning}
    assert [name for name, found in headings.items() if not found] == []
    texts = ((it, it.sections.get("Returns", "") + it.sections.get("Yields", "")) for it in returning)
    assert faults(lacking(it, text) for it, text in texts) == []


def test_errors_are_named() -> None:
    assert faults(wrong_errors(it, [it.function]) for it in CALLABLES) == []
    made = {cls: [function for base in of_metabt(cls) for function in initialisers(base)] for cls in CLASSES}
    assert faults(wrong_errors(constructor(cls), functions) for cls, functions in made.items()) == []


def test_properties_name_the_thing() -> None:
    assert [it.name for it in PROPERTIES if re.match(r"(Return|Yield)", it.docs[0]) or not it.docs[0]] == []
    assert faults(lacking(it, it.docs[0]) for it in PROPERTIES) == []


def test_no_property_says_return() -> None:
    files = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    found = {(path, name): doc for path, text in files.items() for name, doc in properties(text)}
    assert len(found) > 150
    assert [place for place, doc in found.items() if re.match(r"(Return|Yield)\b", doc)] == []


def test_the_main_ones_have_examples() -> None:
    having = {it.name for it in [*CALLABLES, *map(constructor, CLASSES)] if "Examples" in it.sections}
    assert set(MAIN) <= having


@pytest.mark.parametrize(
    "it",
    [it for it in [*CALLABLES, *map(constructor, CLASSES)] if "Examples" in it.sections],
    ids=lambda it: it.name,
)
def test_examples_run(it: Documented) -> None:
    example = doctest.DocTestParser().get_doctest(it.sections["Examples"], {}, it.name, None, None)
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=said.append)
    assert result.attempted > 0 and result.failed == 0, "".join(said)


def test_worn_phrases_do_not_come_back() -> None:
    texts = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    assert [(path, phrase) for path, text in texts.items() for phrase in PHRASES if phrase in text.lower()] == []


def sample(path: str, *others: str, whole: bool = False, **more: float) -> Path:
    """Do something.

    Parameters
    ----------
    path : str
        The folder.
    *others, **more
        Whatever is left.
    whole : all of it, in
        two lines

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    StoreError, OSError
        If it cannot be done.
    """
    raise errors.StoreError(path)


def test_sections_and_entries_are_read() -> None:
    found = sections(inspect.getdoc(sample) or "")
    assert list(found) == ["", "Parameters", "Returns", "Raises"]
    assert entries(found["Parameters"]) == {
        "path": "str\n    The folder.",
        "others": "Whatever is left.",
        "more": "Whatever is left.",
        "whole": "all of it, in\n    two lines",
    }
    assert set(entries(found["Raises"])) == {"StoreError", "OSError"}


def test_faults_are_seen() -> None:
    def renamed(folder: str) -> Any:
        """Do something.

        Parameters
        ----------
        path : str
            The folder.

        Raises
        ------
        Mistake
            Always.
        """
        raise StoreError(folder)

    StoreError = errors.StoreError
    it = Documented("renamed", renamed, (renamed.__doc__ or "",))
    assert wrong_parameters(it) == "renamed: Parameters names ['path'], the signature ['folder']"
    assert wrong_errors(it, [renamed]) == "renamed: Raises lacks {'StoreError'}, and names {'Mistake'}"
