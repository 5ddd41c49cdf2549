"""Reached code: imports are followed, choices where they are made, and nothing that is closed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from metabt.values import reached_code
from metabt.values.reached_code import reached

SOURCES = {
    "metabt.walk": '"""Walks."""',
    "metabt.walk.entry": "from metabt.walk import table\nimport numba\nfrom metabt.walk.helper import helped\n",
    "metabt.walk.helper": "import numpy as np\nDEFAULT = 'said'\n",
    "metabt.walk.table": (
        "from metabt.walk.one import One\nTABLE = {'one': lambda: One, 'said': 'metabt.walk.two:Two', "
        "'other': 'metabt.walk.three:Three'}\n"
    ),
    "metabt.walk.one": "ONE = 1\n",
    "metabt.walk.two": "from metabt.walk.beneath import LOW\n",
    "metabt.walk.three": "import scipy\nOTHER = 'one'\n",
    "metabt.walk.beneath": "LOW = 0\n",
    "metabt.walk.stated": "DEFAULT = 'other'\n",
}


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Path]]:
    """Return the files of a package that is not this one."""
    files = {name: tmp_path / f"{name}.py" for name in SOURCES}
    for name, path in files.items():
        path.write_text(SOURCES[name])
    monkeypatch.setattr(reached_code, "module_files", lambda: files)
    monkeypatch.setattr(reached_code, "CHOICES", ("metabt.walk.table",))
    monkeypatch.setattr(reached_code, "STATED", ("metabt.walk.stated",))
    forget()
    yield files
    forget()


def forget() -> None:
    for remembered in (reached_code.reached, reached_code.choices, reached_code._facts):
        remembered.cache_clear()


def names(*said: str, closed: str = "", entry: str = "metabt.walk.entry") -> set[str]:
    found = reached((entry,), frozenset(said), frozenset({f"metabt.walk.{closed}"}))
    return {name.removeprefix("metabt.walk.") for name in found.modules} - {"metabt.walk"}


@pytest.mark.usefixtures("code")
def test_imports_are_followed_and_choices_where_they_are_said() -> None:
    always = {"entry", "helper", "table", "two", "beneath", "table:said"}  # `said` is a constant of the helper
    assert names() == always
    assert names("one") == always | {"one", "table:one"}
    assert names("other") == always | {"three", "table:other", "one", "table:one"}  # the third module says `one`
    assert names("nobody") == always
    assert names(closed="helper") == {"entry", "table"}
    assert names(closed="two") == always - {"two", "beneath"}
    everything = reached(("metabt.walk.entry",), None).modules
    assert {"metabt.walk.one", "metabt.walk.three", "metabt.walk.table:other"} <= everything.keys()


@pytest.mark.usefixtures("code")
def test_defaults_that_whoever_asks_has_stated_are_not_said() -> None:
    entries = ("metabt.walk.stated", "metabt.walk.table")
    assert "metabt.walk.three" not in reached(entries).modules


@pytest.mark.usefixtures("code")
def test_libraries_are_those_that_are_used() -> None:
    entry = ("metabt.walk.entry",)
    computing = {name: version(name) for name in ("llvmlite", "numba", "numpy")}
    assert reached(entry).libraries == computing
    assert reached(entry, frozenset({"other"})).libraries == {**computing, "scipy": version("scipy")}
    assert reached(("metabt.walk.helper",)).libraries == {"numpy": version("numpy")}


@pytest.mark.parametrize(
    ("module", "old", "new", "moved"),
    [
        ("helper", "np\n", "np  # numbers\n", set()),
        ("helper", "np\n", "np\nMORE = 1\n", {"", "one", "other"}),
        ("beneath", "0", "1", {"", "one", "other"}),
        ("one", "1", "2", {"one", "other"}),
        ("three", "import scipy", "import scipy, json", {"other"}),
        ("table", "TABLE", "OTHER", {"", "one", "other"}),
        ("table", "'one': lambda: One, ", "", {"one", "other"}),
        ("table", "three:Three", "three:Fourth", {"other"}),
        ("table", "'other'", "'more': 'metabt.walk.four:Four', 'other'", set()),
    ],
)
def test_an_edit_moves_the_code_of_what_reaches_it(
    module: str, old: str, new: str, moved: set[str], code: dict[str, Path]
) -> None:
    entry, path = ("metabt.walk.entry",), code[f"metabt.walk.{module}"]
    before = {said: reached(entry, frozenset({said})).digest for said in ("", "one", "other")}
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    forget()
    assert {said for said in before if reached(entry, frozenset({said})).digest != before[said]} == moved
