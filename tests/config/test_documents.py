"""A file is read as it can only be meant: UTF-8, numbers with one reading, words that are words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from metabt.config import compose
from metabt.config.documents import read
from metabt.errors import ConfigError


def said(tmp_path: Path, text: str | bytes) -> Any:
    file = tmp_path / "p.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(file)


MANY_READINGS = (
    "0077 010 08 00 -012 +01 0x1F 0xff 0o17 0b101 1_000 1_0.5 0_1 1:30 190:20:30 1:30.5 007.5 01e3 1_".split()
)


@pytest.mark.parametrize("text", MANY_READINGS)
def test_a_number_of_several_readings_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"p.yaml, line 2: a.lookback is {re.escape(text)}: .*without leading zeros"):
        said(tmp_path, f"a:\n  lookback: {text}\n")
    assert said(tmp_path, f"a: '{text}'\nb: [\"{text}\"]\n") == {"a": text, "b": [text]}  # the cure
    with pytest.raises(ConfigError, match=r"b\.1 is"):
        said(tmp_path, f"b: [1, {text}]\n")


@pytest.mark.parametrize("text", [text for text in MANY_READINGS if text not in ("1_000", "1_0.5", "01e3")])
def test_so_it_is_on_the_command_line(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for value in (text, f"[1,{text}]", f"{{a: {text}}}", f"'x',{text}"):
        with pytest.raises(ConfigError, match="without leading zeros, or in quotes"):
            compose([f"portfolio.lookback={value}"])
    assert compose([f"portfolio.note='{text}'"])["portfolio"]["note"] == text


@pytest.mark.parametrize("word", "NO No no ON on OFF Y y n YES yes".split())
def test_a_ticker_is_no_truth_value(word: str, tmp_path: Path) -> None:
    assert said(tmp_path, f"universe: [{word}, AAPL]\n{word}: 1\n") == {"universe": [word, "AAPL"], word: 1}


def test_types_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    text = "[0, -7, 63, 1.0, .5, 5., 1e3, 1.5e-3, true, False, null, ~, '', 2000-01-31, 1.2.3, a:b, 10bp, -, e5]"
    values = said(tmp_path, f"a: {text}")["a"]
    assert list(map(repr, values)) == list(
        map(
            repr,
            [0, -7, 63, 1.0, 0.5, 5.0, 1000.0, 0.0015, True, False, None, None, "", "2000-01-31", "1.2.3", "a:b"]
            + ["10bp", "-", "e5"],
        )
    )


@given(text=st.text("0123456789_.:xobeEfF+-", min_size=1, max_size=7))
def test_no_number_is_read_that_is_not_its_decimal_reading(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is taken for a number is what Python reads in the text, and YAML 1.1 reads no other number in it."""
    file = tmp_path_factory.getbasetemp() / "law.yaml"
    file.write_text(f"a: {text}\n")
    try:
        value = read(file)["a"]
    except (ConfigError, TypeError):
        return
    old = yaml.safe_load(f"a: {text}\n")["a"]
    if isinstance(value, int | float):
        assert value == float(text) and (old == value or isinstance(old, str))
    elif isinstance(value, str):
        assert not isinstance(old, int | float)


def test_anchors_and_merge_keys_still_work(tmp_path: Path) -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [*a, {x: 9, z: 4}]}\nd: *a\n"
    assert said(tmp_path, text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("lookback: 63\n".encode("utf-16"), "looks like UTF-16; save it as UTF-8"),
        ("lookback: 63\n".encode("utf-16-le"), "looks like UTF-16"),
        ("# Portefeuille\nname: é\n".encode("latin-1"), "byte 0xE9 in line 2, as in Latin-1 or Windows-1252; save"),
        ('name: "a\\0b"\n', "name has the character U\\+0000"),
        ('name: "a\\x1b[31m"\n', "name has the character U\\+001B"),
        ('name: "\\uD800"\n', "U\\+D800|not valid YAML"),
        ("name: [\n", "not valid YAML: .*p.yaml"),
        ("a: 1\na: 2\n", "line 2: a found duplicate key a"),
        ("- a\n", "p.yaml holds a list, wanted the keys of a sleeve"),
        ("a\n", "p.yaml holds 'a', wanted the keys"),
        ("a: 1\n---\nb: 1\n", "several documents"),
        ("? [a]\n: 1\n", "has a list for a key"),
        ("a: *b\n", "'\\*b', which nothing above is called|undefined alias"),
        ("a: {<<: 3}\n", "merges '3' by '<<', wanted a mapping"),
        ("a: 100000000000000000000\n", "at most 15 digits, this one 21"),
        ("a: !!python/object/apply:os.system [ls]\n", "cannot call code"),
        ("a: !!binary aGk=\n", "cannot call code"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_file_and_cure(content: str | bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        said(tmp_path, content)


def test_a_byte_order_mark_and_an_empty_file_are_no_harm(tmp_path: Path) -> None:
    assert said(tmp_path, b"\xef\xbb\xbfa: 1\n") == {"a": 1}
    assert said(tmp_path, "") == said(tmp_path, "# nothing\n") == {}


def test_a_file_is_read_anew_when_it_has_changed(tmp_path: Path) -> None:
    assert [said(tmp_path, f"a: {n}\n")["a"] for n in (1, 2, 1)] == [1, 2, 1]


def test_a_universe_of_100_000_symbols_is_composed_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "portfolio").mkdir(parents=True)
    symbols = [f"S{i}" for i in range(100_000)]
    (tmp_path / "conf" / "portfolio" / "p.yaml").write_text(f"dataset: px\nuniverse: [{', '.join(symbols)}]\n")
    assert compose(["portfolio=p", "portfolio.universe.1=T"])["portfolio"]["universe"] == ["S0", "T", *symbols[2:]]


def test_32_levels_of_sleeves_are_composed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "portfolio").mkdir(parents=True)
    text = "{sleeves: {a: " * 31 + "{dataset: px, universe: all}" + "}}" * 31
    (tmp_path / "conf" / "portfolio" / "p.yaml").write_text(text)
    node = compose(["portfolio=p"])["portfolio"]
    for _ in range(31):
        node = node["sleeves"]["a"]
    assert node == {"dataset": "px", "universe": "all"}


@pytest.mark.parametrize("overrides", [[f"portfolio={'x' * 300}"], [f"sleeve@portfolio.sleeves.hedge={'x' * 300}"]])
def test_a_name_longer_than_any_file_has_is_no_traceback(overrides: list[str]) -> None:
    with pytest.raises(ConfigError, match="no (portfolio|sleeve) 'xxx|File name too long"):
        compose(overrides)
    with pytest.raises(ConfigError, match="is not a folder|File name too long"):
        compose(config_dir="x" * 300)
