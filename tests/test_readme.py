"""README and docs: the commands and the Python of every page run as a reader would type them, and every link leads on.

1. A page is run in a folder of its own, in which the demo has been run: its ```bash blocks in order, then its ```python
   blocks as one program.
2. ```sh blocks are for a cluster or a database, and ```text blocks are output: neither is run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *DOCS]
LINKED = [
    *PAGES,
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "k8s").glob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]
"""Pages whose links are followed."""
SET_UP = ("make ", "git ", "cd ", "pip ", "source ", "python3")
"""Commands that set up what this test already runs in."""
WIDTH = 120
"""Characters of a line of prose, at most."""
README_SIZE = 12_000
"""Bytes of the README, at most: it is for a first reader, the rest is in docs/."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def scripts(text: str) -> list[str]:
    """Return the ```bash blocks without the lines that set up the environment."""
    kept = [[line.removeprefix("$ ") for line in block.splitlines()] for block in blocks(text, "bash")]
    return ["\n".join(line for line in lines if not line.startswith(SET_UP)) for lines in kept]


def prose(text: str) -> str:
    """Return a page without its fenced blocks, tables and pictures."""
    unfenced = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join(line for line in unfenced.splitlines() if not line.startswith(("|", "![")))


def anchors(text: str) -> set[str]:
    """Return what GitHub calls the headings of a page: in lower case, without punctuation, hyphens for spaces."""
    unfenced = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", unfenced, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(text: str) -> list[str]:
    """Return the targets of a page's links that lead to files of this repository or to its own headings."""
    unfenced = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [to for to in re.findall(r"\]\(([^)\s]+)\)", unfenced) if "://" not in to]


def missing(page: Path, link: str) -> str | None:
    """Return why a link leads nowhere, or None."""
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return f"{name_of(page)}: {link}: no such file"
    if anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
        return f"{name_of(page)}: {link}: no such heading"
    return None


def sentences(text: str) -> set[str]:
    """Return the sentences of a page's prose that are long enough to be somebody's thought."""
    return {part for part in re.split(r"(?<=[.:;])\s+", " ".join(prose(text).split())) if len(part) > 40}


def test_blocks_become_scripts() -> None:
    text = "x\n```bash\n$ make demo  # first\ncat > a <<E\nb\nE\n```\n```python\nno\n```\n```sh\nno\n```\n"
    assert scripts(text) == ["cat > a <<E\nb\nE"]


def test_a_link_that_leads_nowhere_is_found() -> None:
    text = "[a](docs/none.md) [b](#no-such) [c](https://x.y/z) [d](docs/sql.md#metrics)\n```text\n[e](nothing)\n```\n"
    assert links(text) == ["docs/none.md", "#no-such", "docs/sql.md#metrics"]
    found = [missing(README, link) for link in links(text)]
    assert found == ["README.md: docs/none.md: no such file", "README.md: #no-such: no such heading", None]


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    found = [missing(page, link) for link in links(page.read_text(encoding="utf-8"))]
    assert not [why for why in found if why]


def test_the_readme_leads_to_every_page() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(DOCS) >= 8 and not [name_of(page) for page in DOCS if f"({name_of(page)})" not in text]


def test_the_readme_is_short() -> None:
    size = README.stat().st_size
    assert size <= README_SIZE, f"README.md has {size:,} bytes; move what a first reader does not need to docs/"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=name_of)
def test_prose_is_wrapped(page: Path) -> None:
    long = [line for line in prose(page.read_text(encoding="utf-8")).splitlines() if len(line) > WIDTH]
    assert not long, f"{name_of(page)}: {len(long)} lines of more than {WIDTH} characters, the first: {long[0]}"


def test_no_sentence_is_on_two_pages() -> None:
    found = Counter(sentence for page in PAGES for sentence in sentences(page.read_text(encoding="utf-8")))
    assert found.total() > 100 and not [sentence for sentence, n_pages in found.items() if n_pages > 1]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of somebody who has activated the one that `make install` makes."""
    bin_dir = tmp_path_factory.mktemp("bin")
    (bin_dir / "metabt").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m metabt "$@"\n')
    (bin_dir / "metabt").chmod(0o755)
    path = os.pathsep.join([str(bin_dir), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


def run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Run what a reader typed; it must succeed."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, reader: dict[str, str]) -> Path:
    """Make the folder that `make demo` leaves behind."""
    folder = tmp_path_factory.mktemp("demo")
    run(["metabt", "demo", "--quiet"], folder, reader)
    return folder


def test_pages_have_commands_and_python() -> None:
    texts = {name_of(page): page.read_text(encoding="utf-8") for page in PAGES}
    to_type = {"README.md", *(f"docs/{name}.md" for name in ("cluster", "concepts", "configuration", "panels", "sql"))}
    assert {name for name, text in texts.items() if "metabt" in "".join(scripts(text))} >= to_type
    assert {name for name, text in texts.items() if blocks(text, "python")} >= {"README.md", "docs/concepts.md"}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_says_runs(page: Path, tmp_path: Path, demo: Path, reader: dict[str, str]) -> None:
    text = page.read_text(encoding="utf-8")
    folder = shutil.copytree(demo, tmp_path / "reader")
    for script in scripts(text):
        run(["bash", "-euo", "pipefail", "-c", script], folder, reader)
    run([sys.executable, "-c", "\n".join(blocks(text, "python"))], folder, reader)
