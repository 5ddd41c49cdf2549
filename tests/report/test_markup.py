"""Whatever a name holds, a page has it as text: in elements, in attributes and in the figures that scripts read."""

from __future__ import annotations

import json
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metabt.report.lines import label
from metabt.report.markup import markup
from metabt.report.page import _document, _embedded
from metabt.report.section import Branch, Chart, Facts, Folded, Section

HOSTILE = {
    "a script": "<script>document.title=1</script>",
    "the end of a script": "</script><script>document.title=1</script><!--",
    "an image": "<img src=x onerror=document.title=1>",
    "the end of a title": "</title></head><body onload=document.title=1>",
    "quotes": "\"' onfocus=document.title=1 autofocus x=\"'`",
    "entities": "&lt;b&gt; &amp;#60; &#x3c;svg&#x3e;",
    "a template": "%{customdata} {{7*7}} ${7*7} <%= 7 %>",
    "a steering sign": "a\x1b[31mred\x1b[0m",
    "turned round": "a\u202egnp.exe\u2066",
    "no width": "a\u200bb\u200d\ufeffc",
    "an address": "javascript:document.title=1//",
    "a comment": "--><!--[if IE]><![CDATA[ ]]>",
    "very long": "<i>" * 20_000,
}


class Seen(HTMLParser):
    """The elements of a page with their attributes' names, and its texts and attributes' values."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.values: list[str | None] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.values += [value for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.elements.append(("comment", ()))

    def unknown_decl(self, data: str) -> None:
        self.elements.append(("declaration", ()))


def section(name: str) -> Section:
    """Return a section that has a name wherever it can have one."""
    chart = Chart("chart", f"caption {name}", [{"name": label(name), "x": [label(name)]}], {"title": label(name)})
    rows = Facts(("heading", name), [(name, name)], name, name, paths=[name], sparks=["0,0 1,1"])
    tree = Folded((name, name), Branch((name, name), [Branch((name, name))]), name, name)
    return Section("section", name, [chart], [rows, tree], name)


def assert_text(name: str) -> None:
    plain, seen = Seen(markup(section("name"))), Seen(markup(section(name)))
    assert seen.elements == plain.elements
    assert [text.replace("name", name) for text in plain.texts] == seen.texts
    assert [value and value.replace("name", name) for value in plain.values] == seen.values
    assert seen.texts.count(name) > 10 and name in seen.values
    figures = _embedded([section(name)])
    assert "<" not in figures
    (trace,) = json.loads(figures)["chart"]["data"]
    assert "<" not in trace["name"] and "%" not in trace["name"] and unescape(trace["name"]) == unescape(label(name))
    assert unescape(label(name)) == name


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_name_is_text(case: str) -> None:
    assert_text(HOSTILE[case])


SIGNS = st.sampled_from(["<", ">", "&", '"', "'", "`", "%", "{", "}", "/", "-", "!", "script", "a", ";", "#", "\u202e"])


@settings(max_examples=60)
@given(st.lists(SIGNS, min_size=1, max_size=12).map("".join))
def test_any_name_is_text(name: str) -> None:
    assert_text(name)


def test_headings_and_titles_are_text() -> None:
    every = " ".join(HOSTILE.values())
    pages = [_document(text, text, [text], [section("name")]) for text in ("name", every)]
    plain, seen = (Seen(page[: page.index('<script type="application/json" id="palettes"')]) for page in pages)
    assert seen.elements == plain.elements
    assert seen.texts[0] == every and seen.texts.count(every) == 3
