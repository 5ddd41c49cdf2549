"""Edits survive being carried through Hydra, and are sorted from what Hydra composes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from metabt.config.files import conf_dirs
from metabt.config.overrides import decode, encode, is_edit, parse, split

KEY = st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), min_size=1, max_size=4).map(
    lambda steps: ".".join(["portfolio", *steps])
)
VALUE = st.one_of(
    st.integers(-10, 10).map(str),
    st.sampled_from(["erc", "[a,b]", "{name:erc,max_weight:0.3}", "1.0", "null", "true", "a,b", "'x=y'", "${a.b}"]),
)


@given(prefix=st.sampled_from(["", "+", "++"]), key=KEY, value=VALUE)
def test_an_edit_comes_back_as_it_was(prefix: str, key: str, value: str) -> None:
    text = f"{prefix}{key}={value}"
    carried = encode(text)
    assert not is_edit(carried)
    assert decode(carried) == text
    assert parse(carried).is_sweep_override() == parse(text).is_sweep_override()


@given(key=KEY)
def test_a_removal_comes_back_as_it_was(key: str) -> None:
    assert decode(encode(f"~{key}")) == f"~{key}"


def test_edits_are_sorted_from_what_hydra_composes() -> None:
    texts = [
        "portfolio=demo",
        "+portfolio.a=1",
        "start=2000-01-01",
        "sleeve@portfolio.sleeves.x=energy",
        "~portfolio.b",
    ]
    assert split(texts, conf_dirs()) == ([texts[0], texts[2], texts[3]], [texts[1], texts[4]])
