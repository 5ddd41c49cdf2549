"""Experiments: a file's entries are jobs, combined with the command line; mistakes name file and entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from metabt.config import Job, compose, read_experiments
from metabt.errors import ConfigError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, *overrides: str) -> list[Job]:
    Path("mine.yaml").write_text(text, encoding="utf-8")
    return read_experiments("mine.yaml", overrides)


PAIRS = """
- [portfolio.lookback=63, portfolio.optimizer=erc]
- {portfolio.lookback: 126, portfolio.optimizer: {name: hrp}, start: 2000-01-01}
"""


def test_an_entry_is_a_job_with_what_compose_gives() -> None:
    one, other = read(PAIRS, "portfolio=one")
    assert one.overrides == ("portfolio.lookback=63", "portfolio.optimizer=erc", "portfolio=one")
    assert other.overrides == (
        *("portfolio.lookback=126", "portfolio.optimizer={name:hrp}", "start=2000-01-01", "portfolio=one"),
    )
    for job in (one, other):
        assert job.config == compose(list(job.overrides)) and job.error is None


def test_the_command_line_decides_and_its_values_are_combined_with_every_entry() -> None:
    jobs = read(PAIRS, "portfolio=one", "portfolio.lookback=21", "portfolio.lag=0,1")
    found = [(job.config or {})["portfolio"] for job in jobs]
    assert [(it["lookback"], it["lag"]) for it in found] == [(21, 0), (21, 1)] * 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "mine.yaml is empty, wanted a list of experiments"),
        ("[]", "mine.yaml is empty"),
        ("portfolio.lag: 1", "mine.yaml holds dict.*wanted a list of experiments"),
        ("- []", "mine.yaml, entry 1 is empty, wanted a list of overrides"),
        ("- [portfolio.lag=1]\n- {}", "entry 2 is empty"),
        ("- [portfolio.lag=1]\n- 5", "entry 2 is int 5, wanted a list of overrides"),
        ("- [portfolio.lag=1]\n- [7]", "entry 2 is list"),
        ("- [portfolio.lag=1]\n- [lookbak=1]", "entry 2: unknown setting 'lookbak'"),
        ("- {lookback: 1}", "entry 1: unknown setting 'lookback'.*did you mean 'portfolio.lookback'"),
        ("- ['portfolio.lag=1,2']", "entry 1: 'portfolio.lag=1,2' states several values"),
        ("- ['portfolio.lag=(']", "entry 1: override 'portfolio.lag=\\('"),
        ("- [hydra/launcher=basic]", "entry 1: 'hydra/launcher=basic' is no setting of a configuration"),
        ("- [sweep.n=3]", "entry 1: 'sweep.n=3' is no setting of a configuration"),
        ("- [portfolio.lag=1]\n- {portfolio.lag: 2}\n- {portfolio.lag: 1}", "entries 1 and 3 are one configuration"),
    ],
)
def test_a_mistake_names_file_and_entry(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read(text, "portfolio=one")


def test_entries_that_the_command_line_makes_alike_are_refused() -> None:
    with pytest.raises(ConfigError, match="entries 1 and 2 are one configuration, portfolio.lag=3"):
        read("- [portfolio.lag=1]\n- [portfolio.lag=2]", "portfolio.lag=3")


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="none.yaml cannot be read: No such file"):
        read_experiments("none.yaml", [])
