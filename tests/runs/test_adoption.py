"""Adoption: blocks of earlier code are found under present keys where their bytes are what present code gives."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import metabt
from metabt import lakehouse
from metabt.build import cached_walk, cold_walk, keys, sleeve_code, walked_ahead
from metabt.build.cache.adoptions import ADOPTED, Adoptions, proofs
from metabt.build.cache.disk import DiskCache
from metabt.cli.main import main
from metabt.lakehouse.folder.lost_catalogue import CACHE
from metabt.runs import request
from metabt.runs.adoption import LEAST, adopt
from metabt.runs.audit import Hiding, audit, chosen, sampled
from metabt.values.digests import digest
from metabt.walk import walk_forward
from tests.shared.agreement import same
from tests.shared.panels import stocks
from tests.shared.small_tree import tree


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse with three runs in it, to be copied."""
    lake = tmp_path_factory.mktemp("adopting") / "lake"
    lakehouse.ingest(lake, "stocks", stocks(5, sessions=700).rename_axis("date"))
    metabt.backtest(tree(), lake)
    metabt.backtest(tree(lookback=25), lake)
    metabt.backtest(tree(), lake, is_meta_backtest=False)
    return lake


@pytest.fixture
def lake(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "lake"))


@pytest.fixture
def upgraded(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what lets present code be newer, of all kinds of sleeves or of those that name an estimator."""
    plain = sleeve_code.code_of_kind

    def upgrade(estimator: str = "") -> None:
        def newer(kind: sleeve_code.Kind) -> Any:
            code = plain(kind)
            return code._replace(digest=digest([code.digest, "newer"])) if not estimator or estimator in kind else code

        monkeypatch.setattr(keys, "code_of_kind", newer)
        keys.basis.cache_clear()

    yield upgrade
    monkeypatch.undo()
    keys.basis.cache_clear()


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what lets sleeves under an optimizer earn a little more than before."""
    plain, at_once = walk_forward.advance, {name: getattr(cold_walk, name) for name in ("leaf_over", "meta_over")}

    def more(spec: Any, block: Any, estimator: str) -> Any:
        return replace(block, net=block.net + 1e-12) if spec.optimizer.name == estimator else block

    def change(estimator: str) -> None:
        def advance(spec: Any, *rest: Any) -> Any:
            after, block = plain(spec, *rest)
            return after, more(spec, block, estimator)

        def over(name: str) -> Callable[..., Any]:
            def walk(spec: Any, *rest: Any) -> Any:
                whole, walked = at_once[name](spec, *rest)
                return more(spec, whole, estimator), [(after, more(spec, it, estimator)) for after, it in walked]

            return walk

        monkeypatch.setattr(cached_walk, "advance", advance)
        monkeypatch.setattr(walked_ahead, "leaf_over", over("leaf_over"))
        for name in at_once:
            monkeypatch.setattr(cold_walk, name, over(name))

    return change


def blocks(lake: Path) -> dict[str, dict[str, str]]:
    """Return key -> digests of each stored block."""
    with DiskCache(lake / CACHE) as cache:
        found = {key: cache.get(key, keys.BLOCK) for key in cache.store.keys()}
    return {key: dict(block.digests) for key, block in found.items() if block is not None}


def by_estimator(found: Any) -> dict[str, Any]:
    return {kind.kind: kind for kind in found.kinds}


def test_without_an_upgrade_there_is_nothing_to_adopt(lake: Path) -> None:
    before = blocks(lake)
    found = adopt(lake, 0.5)
    assert (found.runs, found.left_out, found.kinds, found.proof) == (0, 0, (), None)
    assert blocks(lake) == before and not (lake / CACHE / ADOPTED).exists()


def test_after_an_upgrade_that_changes_no_bit_every_block_is_found(lake: Path, upgraded: Callable[..., None]) -> None:
    before = blocks(lake)
    upgraded()
    found = adopt(lake, 0.2)
    assert (found.runs, found.left_out) == (3, 0)
    assert len(found.kinds) == 3  # two kinds of leaves, and one of meta sleeves; the flat baseline is one of the leaves
    for kind in found.kinds:
        assert len(kind.adopted) == kind.blocks and kind.before != kind.now
        assert LEAST <= len(kind.samples) <= max(LEAST, -(-kind.blocks // 5))
        assert all(sample.differs is None and sample.now in kind.adopted for sample in kind.samples)
    fresh = metabt.backtest(tree(lag=0), lake)
    assert fresh.tables["stages"]["cache_hit"].any()  # its leaves
    again = metabt.backtest({**tree(), "name": "again"}, lake)
    assert again.tables["stages"]["cache_hit"].all()
    assert same(metabt.backtest({**tree(), "name": "again"}, {"stocks": stocks(5, sessions=700)}).tables, again.tables)
    cache = DiskCache(lake / CACHE)
    for kind in found.kinds:
        for key in kind.adopted:
            known = cache.get(key, keys.BLOCK)
            assert known is not None and key not in before
    assert before.items() <= blocks(lake).items()
    assert adopt(lake, 0.2).kinds == ()  # all of it is known now


def test_the_proof_says_what_was_computed_again_and_marks_what_was_adopted(
    lake: Path, upgraded: Callable[..., None]
) -> None:
    upgraded()
    found = adopt(lake, 0.2)
    assert found.proof is not None and found.proof.parent == lake / CACHE / ADOPTED
    (proof,) = proofs(lake / CACHE)
    assert proof["at"].startswith("20") and proof["at"].endswith("+00:00")
    told = {kind["kind"]: kind for kind in proof["kinds"]}
    assert told.keys() == by_estimator(found).keys()
    for kind in found.kinds:
        assert (told[kind.kind]["before"], told[kind.kind]["now"]) == (kind.before, kind.now)
        assert [it["now"] for it in told[kind.kind]["samples"]] == [it.now for it in kind.samples]
    marks = Adoptions.of(lake / CACHE)
    assert marks.keys == {key for kind in found.kinds for key in kind.adopted}
    assert marks.ways == {(kind.before, kind.now) for kind in found.kinds}
    found.proof.write_bytes(found.proof.read_bytes().replace(b'"at"', b'"on"', 1))
    assert Adoptions.of(lake / CACHE) == Adoptions(frozenset(), frozenset())


def test_only_kinds_that_the_upgrade_reaches_are_looked_at(lake: Path, upgraded: Callable[..., None]) -> None:
    upgraded("inverse_volatility")
    names = by_estimator(adopt(lake, 0.1))
    assert names and all("inverse_volatility" in name.split() for name in names)


def test_where_a_block_differs_nothing_of_its_kind_is_adopted_and_the_rest_is(
    lake: Path, upgraded: Callable[..., None], changed: Callable[[str], None]
) -> None:
    before = blocks(lake)
    upgraded()
    changed("inverse_volatility")
    kinds = by_estimator(adopt(lake, 0.2))
    wrong = {name: kind for name, kind in kinds.items() if any(it.differs for it in kind.samples)}
    assert list(wrong) == [name for name in kinds if name == "leaf all equal inverse_volatility"]
    (bad,) = wrong.values()
    assert bad.adopted == () and {it.differs for it in bad.samples} == {"other bytes come out (block)"}
    assert {it.sleeve for it in bad.samples} == {"book/a"}
    assert all(kind.adopted for name, kind in kinds.items() if name not in wrong)
    new = blocks(lake).keys() - before.keys()
    assert new == {key for kind in kinds.values() for key in kind.adopted}


def test_a_sleeve_that_fails_now_is_not_adopted(
    lake: Path, upgraded: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ruined(spec: Any, *rest: Any) -> Any:
        if type(spec).__name__ == "Leaf" and len(spec.universe) == 2:
            raise metabt.errors.RunError("it is ruined")
        return walk_forward.advance(spec, *rest)

    upgraded()
    monkeypatch.setattr("metabt.build.cached_walk.advance", ruined)
    kinds = by_estimator(adopt(lake, 0.2))
    bad = kinds["leaf all equal inverse_volatility"]
    assert bad.adopted == () and {it.differs for it in bad.samples} == {"it fails now: sleeve 'book/a': it is ruined"}
    assert all(kind.adopted for name, kind in kinds.items() if kind is not bad)


def test_runs_that_do_not_say_how_their_keys_were_made_are_left_out(
    lake: Path, upgraded: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "addresses", lambda tree, flat: {"keys": {}, "plugins": {}})
    metabt.backtest(tree(lookback=28), lake)
    monkeypatch.undo()
    upgraded()
    found = adopt(lake, 0.1)
    assert (found.runs, found.left_out) == (3, 1)


# --------------------------------------------------------------------------------------------- what verify makes of it


def test_adopted_blocks_are_computed_again_first(
    lake: Path, upgraded: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    upgraded("inverse_volatility")
    adopted = {key for kind in adopt(lake, 0.1).kinds for key in kind.adopted}
    computed, put = set[str](), Hiding.put

    def noted(self: Hiding, key: str, kind: str, parts: Any) -> Any:
        if kind == keys.BLOCK:
            computed.add(key)
        return put(self, key, kind, parts)

    monkeypatch.setattr(Hiding, "put", noted)
    found = audit(lake, 0.1)
    assert (found.runs, found.left_out, found.alarms) == (3, 0, ())
    assert computed and computed < adopted


def test_a_sample_takes_what_is_first_before_the_rest() -> None:
    names = [digest(number) for number in range(500)]
    first = frozenset(names[:30])
    plain = {key for key in names if sampled(key, 0.1)}
    assert {key for key, taken in chosen(names, 0.1, frozenset()).items() if taken} == plain
    taken = {key for key, it in chosen(names, 0.1, first).items() if it}
    assert len(taken) == len(plain) > 30 and first < taken
    few = {key for key, it in chosen(names, 0.02, first).items() if it}
    assert few < first and len(few) == sum(sampled(key, 0.02) for key in names)
    assert sum(chosen(names, 1e-9, first).values()) == 1


def test_an_adopted_block_that_is_wrong_raises_an_alarm(
    lake: Path, upgraded: Callable[..., None], changed: Callable[[str], None]
) -> None:
    upgraded()
    adopt(lake, 0.1)
    changed("inverse_volatility")
    assert {alarm.sleeve for alarm in audit(lake, 1.0).alarms} >= {"book/a"}


# ----------------------------------------------------------------------------------------------------- the command line


def test_the_command_says_what_was_adopted(
    lake: Path, upgraded: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    upgraded()
    assert main(["cache", "adopt", "--lakehouse", str(lake)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "3 stored runs of other code"
    assert len([line for line in out if "adopted, of 3 computed again all have the same bytes" in line]) == 3
    (proof,) = (lake / CACHE / ADOPTED).iterdir()
    assert out[-1] == f"proof {proof}" and json.loads(proof.read_text().partition("\n")[2])["kinds"]
    assert main(["cache", "adopt", "--lakehouse", str(lake)]) == 0
    assert "no block of other code is stored that this code does not know" in capsys.readouterr().out


def test_the_command_names_what_differs(
    lake: Path, upgraded: Callable[..., None], changed: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    upgraded("inverse_volatility")
    changed("inverse_volatility")
    assert main(["cache", "adopt", "--lakehouse", str(lake), "--recompute", "1"]) == 0
    out = capsys.readouterr().out
    assert "none of" in out and "differ; they are computed anew when they are needed" in out
    assert "book/a, 2021: other bytes come out (block)" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["adopt", "--recompute", "0"], "wanted a share above 0 and up to 1"),
        (["stats", "--recompute", "0.1"], "with `metabt cache verify` or `metabt cache adopt`"),
        (["adopt", "--keep", "30d"], "are for `metabt cache prune`, not for adopt"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[str], says: str, lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", *arguments, "--lakehouse", str(lake)]) == 1
    assert says in capsys.readouterr().err
