"""A few lines of configuration that ask for a great deal are refused before any of it is made, with the count."""

from __future__ import annotations

import re

import pytest

from tests.shared.attacked import Attack, Outcome, carried_out
from tests.shared.payloads import LEAF, PRIMARY, portfolio

LARGEST = 450_000_000
"""Bytes that a child may have had at most: its imports, and 300 MB."""


def levels(n: int, width: int, line: str, join: str) -> str:
    """Return `n` anchors, each of which repeats the one before `width` times."""
    texts = [f"a0: &a0 {line}\n"]
    texts += [f"a{i}: &a{i} {join.format(', '.join([f'*a{i - 1}'] * width))}\n" for i in range(1, n)]
    return "".join(texts)


def keyed(n: int, width: int) -> str:
    """Return `n` anchored mappings, each of which has the one before under `width` keys."""
    texts = ["a0: &a0 {x: 1}\n"]
    for i in range(1, n):
        texts.append(f"a{i}: &a{i} {{{', '.join(f'k{k}: *a{i - 1}' for k in range(width))}}}\n")
    return "".join(texts)


def doubling(n: int) -> str:
    """Return settings of which each refers to the next one ten times."""
    ten = ["', '".join([f"${{..a{i + 1}}}"] * 10) for i in range(n)]
    texts = [f"a{i}: ['{refers}']\n" for i, refers in enumerate(ten)]
    return "".join([*texts, f"a{n}: [1, 2, 3]\n"])


def wordy(n: int) -> str:
    """Return texts of which each repeats the next one ten times."""
    return "".join([*(f"a{i}: '{f'${{.a{i + 1}}}' * 10}'\n" for i in range(n)), f"a{n}: long\n"])


def including(n: int) -> dict[str, str]:
    """Return sleeve files of which each includes the next one ten times."""
    files = {
        f"sleeve__s{i}": "defaults:\n" + "".join(f"  - s{i + 1}@sleeves.x{k}\n" for k in range(10)) for i in range(n)
    }
    return {**files, f"sleeve__s{n}": LEAF}


def tree(depth: int) -> str:
    """Return a tree of one sleeve in another."""
    return "{sleeves: {a: " * (depth - 1) + "{dataset: px, universe: all}" + "}}" * (depth - 1)


BOMBS = [
    portfolio(
        "aliases of lists",
        "1,234,567,890 values by repeating others.*METABT_MAX_REPEATED=",
        LEAF + levels(10, 10, "x", "[{}]"),
    ),
    portfolio(
        "aliases of mappings", r"p.yaml, line \d+: a7.k\d: '\*a6' makes .* values by repeating", LEAF + keyed(8, 10)
    ),
    portfolio(
        "merge keys",
        "METABT_MAX_REPEATED=",
        LEAF
        + "a0: &a0 {x: {y: 1}}\n"
        + "".join(
            f"a{i}: &a{i} {{k{i}: {{<<: [{', '.join([f'*a{i - 1}'] * 10)}], z: [{', '.join([f'*a{i - 1}'] * 10)}]}}}}\n"
            for i in range(1, 10)
        ),
    ),
    portfolio(
        "a wide mapping, merged often",
        r"line \d+: b3.<< makes 20,004 values by repeating others",
        LEAF
        + f"a: &a {{{', '.join(f'k{k}: 1' for k in range(5_000))}}}\n"
        + "".join(f"b{i}: {{<<: *a}}\n" for i in range(2_000)),
    ),
    portfolio(
        "many values", "more than 250,000 values.*METABT_MAX_VALUES=", f"dataset: px\nuniverse: [{'A, ' * 300_000}A]\n"
    ),
    portfolio(
        "includes",
        "portfolio/p makes 1,111,111 includes, the limit is 500.*METABT_MAX_FILES=",
        f"defaults:\n  - /sleeve@sleeves.x: s0\n  - _self_\n{LEAF}",
        **including(6),
    ),
    portfolio(
        "interpolated lists",
        "portfolio.a., its interpolations resolved, makes .* values.*METABT_MAX_VALUES=",
        LEAF + doubling(9),
    ),
    portfolio(
        "interpolated texts", "interpolations make more than 1,000,000 characters; state the values", LEAF + wordy(9)
    ),
    portfolio(
        "a range",
        "the sweep makes 1,000,000 configurations, the limit is 20,000.*METABT_MAX_JOBS=",
        LEAF,
        "portfolio.lookback=range(60,1000060)",
    ),
    portfolio(
        "a product",
        "the sweep makes 8,000,000 configurations",
        LEAF,
        *(f"portfolio.{key}=range(0,200)" for key in ("lookback", "lag", "stale_after")),
    ),
    portfolio(
        "a range of Hydra's sweeper",
        "the sweep makes 1,000,000 configurations",
        LEAF,
        "portfolio.lookback=range(60,1000060)",
        "hydra/sweeper=basic",
        "hydra/launcher=basic",
    ),
    Attack(
        "swept by config.yaml",
        "the sweep makes 1,000,000 configurations",
        (),
        {"config.yaml": PRIMARY + "  sweeper: {params: {portfolio.lookback: 'range(60,1000060)'}}\n"},
    ),
    portfolio(
        "many references",
        "configuration makes more than 5,000 references, .*METABT_MAX_REFERENCES=50000",
        "dataset: px\nlookback: 5\nuniverse:\n" + "".join(f"  - A{i}${{..lookback}}\n" for i in range(20_000)),
    ),
    portfolio(
        "a long text with a reference",
        "interpolations make more than 1,000,000 characters",
        f"{LEAF}name: '${{.dataset}}{'a b [ { , : = ' * 200_000}'\n",
    ),
    portfolio(
        "a large file, included often",
        "portfolio/p makes 4.,...,... bytes of included files, .*METABT_MAX_INCLUDED=",
        "defaults:\n" + "".join(f"  - /sleeve@sleeves.x{i}: wide\n" for i in range(300)) + "  - _self_\n",
        sleeve__wide=f"dataset: px\nuniverse: [{', '.join(f'S{i:05}' for i in range(20_000))}]\n",
    ),
    *(
        portfolio(
            f"a number that is read for long: {long[:4]}", "lag is 010: .*", f"{LEAF}lookback: {long}\nlag: 010\n"
        )
        for long in ("1_" + "1" * 20_000 + "x", "1__" * 20_000 + "e", "1_" * 20_000 + ":1" * 20_000 + "x")
    ),
    portfolio("an alias of itself", r"line 3: .*contains itself through '\*a'", LEAF + "a: &a {b: *a}\n"),
    portfolio("an interpolation of itself", "refers to itself", LEAF + "a: ${.b}\nb: ${.a}\n"),
    portfolio("a mapping that holds itself", "refers to itself", LEAF + "a: {b: '${..a}'}\n"),
    portfolio(
        "a long chain", "too deeply", LEAF + "".join(f"a{i}: ${{.a{i + 1}}}\n" for i in range(5000)) + "a5000: 1\n"
    ),
    portfolio("a tree of 50 levels", "nests 81 levels deep, the limit is 80; flatten the tree", tree(50)),
    portfolio("a list of 100,000 levels", "nests 81 levels deep", LEAF + "a: " + "[" * 100_000 + "]" * 100_000),
    Attack("a deep override", "too deeply|nests", (f"portfolio.x={'[' * 3000}{']' * 3000}",)),
    Attack("a number of 5,000 digits", "override 'portfolio.lag=9999", (f"portfolio.lag={'9' * 5000}",)),
]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """Return what every bomb has done, in one child."""
    return carried_out(BOMBS)


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.name)
def test_a_bomb_is_counted_and_not_set_off(bomb: Attack, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[bomb.name]
    assert not outcome.raised
    assert re.search(bomb.says, outcome.printed), outcome.printed[:2000]
    assert (outcome.code, outcome.traces) == (1, [])
    assert outcome.peak < LARGEST


def test_a_limit_is_raised_as_the_message_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from metabt.errors import ConfigError
    from metabt.values.limits import SLEEVES

    with pytest.raises(ConfigError, match=r"x makes 60,000 sleeves, .*METABT_MAX_SLEEVES=60000 in the environment"):
        SLEEVES.check("x", 60_000)
    monkeypatch.setenv("METABT_MAX_SLEEVES", "60000")
    SLEEVES.check("x", 60_000)
    for wrong in ("many", "-1", "0", "", "²", "9" * 20):
        monkeypatch.setenv("METABT_MAX_SLEEVES", wrong)
        with pytest.raises(ConfigError, match="METABT_MAX_SLEEVES is .*wanted a whole number such as 50000"):
            SLEEVES.check("x", 1)
