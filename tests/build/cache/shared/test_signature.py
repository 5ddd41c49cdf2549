"""Signatures: of this key, this pack and this signer, or none at all."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.build.cache.shared.signature import KEY, NAME, Signature, Signer
from metabt.errors import ConfigError
from tests.shared.laws import examples

KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=40).filter(
    lambda key: len(key.strip()) >= 32
)
PACKS = st.binary(min_size=32, max_size=32).map(bytes.hex)


@examples(60)
@given(KEYS, KEYS, st.text(), PACKS, PACKS)
def test_a_signature_is_of_one_key_one_pack_and_one_signer(
    key: str, other: str, name: str, pack: str, another: str
) -> None:
    signer = Signer(key, name)
    text = signer.sign(pack)
    assert signer.checked(text) == Signature(pack, signer.name)
    assert len(text) < 200 and "/" not in text  # it is the name of a file
    code = text.rpartition(".")[2]
    expected = hmac.new(key.strip().encode(), f"metabt signed pack 1\n{pack}\n{signer.name}".encode(), sha256)
    assert code == expected.hexdigest()
    if another != pack:
        assert signer.checked(f"{another}.{signer.name}.{code}") is None
    assert signer.checked(f"{pack}.{signer.name[:-1]}-.{code}") is None or signer.name.endswith("-")
    if other.strip() != key.strip():
        assert Signer(other, name).checked(text) is None


@examples(60)
@given(KEYS, PACKS, st.integers(0, 63), st.integers(1, 15), st.text())
def test_what_is_not_quite_a_signature_is_none(key: str, pack: str, place: int, change: int, rest: str) -> None:
    signer = Signer(key, "ann")
    text = signer.sign(pack)
    at = len(text) - 64 + place
    assert signer.checked(f"{text[:at]}{int(text[at], 16) ^ change:x}{text[at + 1 :]}") is None
    if rest:
        assert signer.checked(text + rest) is signer.checked(rest + text) is None
    assert signer.checked(text[:-1]) is signer.checked(text.upper()) is signer.checked("") is None


def test_the_environment_has_key_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, f"  {'k' * 32}\n")
    monkeypatch.setenv(NAME, "ann.smith/lab 1")
    assert Signer.of_environment().name == "ann-smith-lab-1"
    assert Signer.of_environment().sign("0" * 64) == Signer("k" * 32, "ann-smith-lab-1").sign("0" * 64)
    monkeypatch.delenv(NAME)
    assert "@" in Signer.of_environment().name
    for key in ("", " " * 50, "k" * 31):
        monkeypatch.setenv(KEY, key)
        with pytest.raises(ConfigError, match="openssl rand -hex 32"):
            Signer.of_environment()
