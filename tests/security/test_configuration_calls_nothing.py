"""No file and no override of configuration runs code, imports a module, reads the environment or writes a file.

Every attack leaves a canary where it succeeds: a folder, a file outside, or a secret in what is printed.
"""

from __future__ import annotations

import re

import pytest

from tests.shared.attacked import SECRET, Attack, Outcome, carried_out
from tests.shared.payloads import CODE, SECRETS
from tests.shared.subtle_payloads import SUBTLE

ATTACKS = [*CODE, *SECRETS, *SUBTLE]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """Return what every attack has done, carried out in one child."""
    return carried_out(ATTACKS)


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 180


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused_in_a_sentence_and_leaves_no_trace(attack: Attack, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[attack.name]
    assert not outcome.raised
    assert outcome.code == attack.code
    assert not outcome.traces, outcome.printed
    assert re.search(attack.says, outcome.printed), outcome.printed
    assert SECRET not in outcome.printed and "Traceback" not in outcome.printed
    if attack.code == 1:
        assert outcome.printed.startswith("metabt: ") and outcome.printed.count("\n") == 1
