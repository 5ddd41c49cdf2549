"""The source of plug-ins: whatever their code is made of counts, wherever it lies, and nothing else does."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path, PurePosixPath

import pytest

from metabt.errors import ConfigError
from metabt.estimators.plugins import plugin_source as module
from metabt.estimators.plugins.plugin_source import files_digest, modules_of
from metabt.estimators.registry import optimizer, selector, sources
from tests.shared.editable_plugin import EditablePlugin

CODE = "from numpy import ones\nfrom json import loads\n"


@dataclass(frozen=True)
class Layout:
    """How a plug-in lies on disk."""

    entry: str
    """Module:Class of its entry point."""
    files: Mapping[str, str]
    """Path under `src` -> text."""
    counts: tuple[str, ...]
    """Those of them that are its source."""
    installed: tuple[str, ...] | None = None
    """Paths that its RECORD lists; None where it has no distribution."""
    url: str = ""
    """What `direct_url.json` says."""


PACKAGE = {
    "theirs/__init__.py": "",
    "theirs/rules.py": CODE + "from . import deep\n",
    "theirs/deep/__init__.py": "",
    "theirs/deep/table.csv": "1,2\n",
}
EDITABLE = json.dumps({"url": "file:///home/me/theirs", "dir_info": {"editable": True}}, indent=None)
PTH = ("__editable__.theirs-1.0.pth", "theirs-1.0.dist-info/METADATA", "theirs-1.0.dist-info/RECORD")
NAMESPACE = {
    "ours/theirs/__init__.py": "",
    "ours/theirs/rules.py": "from ours.side import f\nfrom .. import loose\nimport ours.theirs\n",
    "ours/side.py": "f = 1\n",
    "ours/loose.py": "",
    "ours/foreign/__init__.py": "",
}
LAYOUTS = {
    "a package that is installed": Layout("theirs.rules:Rule", PACKAGE, tuple(PACKAGE), (*PACKAGE, *PTH[1:])),
    "a module that is installed": Layout("rule:Rule", {"rule.py": CODE}, ("rule.py",), ("rule.py", "../bin/rule")),
    "a package under editing": Layout("theirs.rules:Rule", PACKAGE, tuple(PACKAGE), PTH, EDITABLE),
    "modules under editing": Layout(
        "rule:Rule",
        {"rule.py": CODE + "import beside, os.path\n", "beside.py": "import rule\n", "unused.py": ""},
        ("rule.py", "beside.py"),
        PTH,
        EDITABLE,
    ),
    "a namespace package": Layout(
        "ours.theirs.rules:Rule", NAMESPACE, tuple(it for it in NAMESPACE if "foreign" not in it), PTH, EDITABLE
    ),
    "a module without a distribution": Layout("rule:Rule", {"rule.py": CODE, "unused.py": ""}, ("rule.py",)),
    "a package without a distribution": Layout("theirs.rules:Rule", PACKAGE, tuple(PACKAGE)),
}


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> Layout:
    return LAYOUTS[request.param]


def laid_out(layout: Layout, site: Path) -> Distribution | None:
    """Write a plug-in below `site` and return what has installed it."""
    for name, text in layout.files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    if layout.installed is None:
        return None
    folder = site / "theirs-1.0.dist-info"
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (folder / "RECORD").write_text("".join(f"{name},,\n" for name in layout.installed))
    (folder / "top_level.txt").write_text("\n".join({name.split("/")[0].removesuffix(".py") for name in layout.files}))
    if layout.url:
        (folder / "direct_url.json").write_text(layout.url)
    return Distribution.at(folder)


def digested(layout: Layout, site: Path) -> str:
    """Return the digest of a plug-in that lies below `site`, as a process that has not imported it finds it."""
    found = Distribution.at(site / "theirs-1.0.dist-info") if layout.installed else None
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        before = set(sys.modules)
        try:
            return files_digest("optimizer 'theirs'", layout.entry, found, [layout.entry.partition(":")[0]])
        finally:
            for name in set(sys.modules) - before:  # parents in a namespace
                if name.split(".")[0] in ("ours", "theirs", "rule"):
                    del sys.modules[name]


def test_the_digest_is_that_of_the_entry_and_of_names_sizes_and_bytes(layout: Layout, tmp_path: Path) -> None:
    """Sizes, so that no text of one file reads like the next file."""
    laid_out(layout, tmp_path)
    total = hashlib.sha256(layout.entry.encode())
    for name in sorted(layout.counts):
        content = layout.files[name].encode()
        total.update(b"\0" + name.encode() + b"\0" + str(len(content)).encode() + b"\0" + content)
    assert digested(layout, tmp_path) == total.hexdigest()


def test_every_file_of_a_plug_in_counts_and_no_other_does(layout: Layout, tmp_path: Path) -> None:
    """Edits that leave length and time as they were among them."""
    laid_out(layout, tmp_path)
    first = digested(layout, tmp_path)
    for name in layout.files:
        path = tmp_path / name
        kept, times = path.read_text(), path.stat()
        path.write_text(kept[:-1] + "#" if kept else "#\n")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert (digested(layout, tmp_path) != first) is (name in layout.counts), name
        path.write_text(kept)
    assert digested(layout, tmp_path) == first


def test_it_does_not_matter_where_a_plug_in_lies_nor_what_python_leaves_beside_it(
    layout: Layout, tmp_path: Path
) -> None:
    for place in ("here", "there"):
        laid_out(layout, tmp_path / place)
    assert digested(layout, tmp_path / "here") == digested(layout, tmp_path / "there")
    for name in layout.counts:
        folder = (tmp_path / "there" / name).parent
        for extra in ("__pycache__/rules.cpython-311.pyc", ".notes", "old.pyc"):
            (folder / extra).parent.mkdir(exist_ok=True)
            (folder / extra).write_text("left")
    assert digested(layout, tmp_path / "here") == digested(layout, tmp_path / "there")


@pytest.mark.parametrize("name", [it for it in LAYOUTS if "package" in it and "namespace" not in it])
def test_files_that_are_added_count(name: str, tmp_path: Path) -> None:
    laid_out(LAYOUTS[name], tmp_path)
    first = digested(LAYOUTS[name], tmp_path)
    (tmp_path / "theirs" / "deep" / "new.py").write_text("")
    assert digested(LAYOUTS[name], tmp_path) != first


def test_another_class_of_the_same_files_is_another_plug_in(tmp_path: Path) -> None:
    laid_out(LAYOUTS["a package under editing"], tmp_path)
    other = Layout("theirs.rules:Other", PACKAGE, tuple(PACKAGE), PTH, EDITABLE)
    assert digested(other, tmp_path) != digested(LAYOUTS["a package under editing"], tmp_path)


NO_KEY = "so no key can tell what it computes; "
AGAIN = NO_KEY + "install it again: pip install --force-reinstall theirs"


@pytest.mark.parametrize(
    ("name", "lost", "says"),
    [
        (
            "a package that is installed",
            "theirs/deep/table.csv",
            f"'theirs/deep/table.csv' is missing, which was installed with it, {AGAIN}",
        ),
        ("a module that is installed", "rule.py", f"'rule.py' is missing, which was installed with it, {AGAIN}"),
        ("modules under editing", "rule.py", f"its module 'rule' is not found, {AGAIN}"),
        (
            "a module without a distribution",
            "rule.py",
            f"its module 'rule' is not found, {NO_KEY}put it on the path, or install it as a package",
        ),
    ],
)
def test_a_file_that_is_missing_is_named_with_a_cure(name: str, lost: str, says: str, tmp_path: Path) -> None:
    laid_out(LAYOUTS[name], tmp_path)
    (tmp_path / lost).unlink()
    with pytest.raises(ConfigError) as caught:
        digested(LAYOUTS[name], tmp_path)
    assert str(caught.value) == f"optimizer 'theirs': {says}"


def test_modules_of_what_is_required_are_followed_where_it_is_under_editing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for name, wanted in (("a package under editing", ["theirs"]), ("a package that is installed", [])):
        found = laid_out(LAYOUTS[name], tmp_path / name)
        monkeypatch.syspath_prepend(tmp_path / name)
        assert found is not None and modules_of(found) == wanted


def test_modules_go_by_what_is_stated_or_else_by_the_name_and_those_with_a_version_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("my_rule.py", "beside.py"):
        (tmp_path / name).write_text("")
    folder = tmp_path / "my_rule-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: my-rule\nVersion: 1.0\n")
    (folder / "direct_url.json").write_text(EDITABLE)
    found = Distribution.at(folder)
    assert modules_of(found) == ["my_rule"]
    for stated, modules in (
        ("", ["my_rule"]),
        ("beside\nmy_rule\n", ["beside", "my_rule"]),
        ("numpy\njson\nbeside\nabsent_of_all\nmetabt\n", ["beside"]),
    ):
        (folder / "top_level.txt").write_text(stated)
        assert modules_of(found) == modules
    for place in ("site-packages", "dist-packages", "my-packages"):
        (tmp_path / place).mkdir()
        (tmp_path / place / f"{place[:2]}_rule.py").write_text("")
        monkeypatch.syspath_prepend(tmp_path / place)
    (folder / "top_level.txt").write_text("si_rule\ndi_rule\nmy_rule\n")
    assert modules_of(found) == ["my_rule"]
    (folder / "direct_url.json").unlink()
    assert modules_of(found) == []


def test_metabt_s_own_estimators_have_no_source_of_a_plug_in_and_skfolio_s_have() -> None:
    assert sources("optimizer", "erc") == sources("selector", "all") == sources("optimizer", "nobody") == {}
    assert [*sources("optimizer", "skfolio.EqualWeighted")] == ["skfolio (files)"]
    assert optimizer("erc") and selector("all")


def test_an_edit_under_an_editable_installation_computes_anew_from_the_next_process_on(tmp_path: Path) -> None:
    """The edited module is not that of the entry point; the process that goes on has old code under the old key."""
    plugin = EditablePlugin(tmp_path)
    plugin.install(0.5, 0.25, 0.25)
    first, blocks = plugin.run("local", "cache")
    assert first == [0.5, 0.25, 0.25] and blocks == 2
    with plugin.process("local", "cache", "other") as process:
        assert process.stdin is not None and process.stdout is not None
        assert json.loads(process.stdout.readline()) == [[0.5, 0.25, 0.25], 0]
        plugin.edit(0.25, 0.25, 0.5)
        process.stdin.write("\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == [[0.5, 0.25, 0.25], 2]
        process.communicate("\n", timeout=60)
    assert plugin.run("local", "other") == plugin.run("local", "cache") == [[0.25, 0.25, 0.5], 2]
    assert plugin.run("local", "cache") == [[0.25, 0.25, 0.5], 0]


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("theirs/rules.py", True),
        ("theirs/table.csv", True),
        ("theirs.pth", False),
        ("theirs/__pycache__/rules.cpython-311.pyc", False),
        ("__editable___theirs_finder.py", False),
        ("__editable__.theirs-1.0.pth", False),
        ("../../bin/theirs", False),
        ("theirs-1.0.dist-info/RECORD", False),
        ("theirs.egg-info/PKG-INFO", False),
        ("theirs/notes.dist-info", True),
    ],
)
def test_which_of_the_recorded_files_count(file: str, counts: bool) -> None:
    assert module._counts(PurePosixPath(file)) is counts
