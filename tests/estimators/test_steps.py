"""Registered steps: names and parameters are checked, and what is called is what the digest says."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from metabt import Sheet
from metabt.errors import ConfigError, DataError
from metabt.estimators.steps import built_steps, canonical_steps
from tests.shared import stepping

WHO = "panel of dataset 'mine'"
SHEET = Sheet(np.array(["2020-01-02", "2020-01-03"], "M8[D]"), ("A",), {"returns": np.array([[0.0], [0.05]])})


def digest(stated: Any) -> str:
    return built_steps(WHO, canonical_steps(WHO, stated))[0].digest


def test_a_name_a_mapping_and_a_list_are_steps_and_none_is_none() -> None:
    plain = {"name": "capped", "before": 0, "over": "asset"}
    assert canonical_steps(WHO, "capped") == canonical_steps(WHO, ["capped"]) == (plain,)
    assert canonical_steps(WHO, {"name": "capped", "limit": 1}) == ({**plain, "limit": 1.0},)
    assert canonical_steps(WHO, {"name": "averaged", "n": np.int64(5), "before": np.int64(4)}) == (
        {"name": "averaged", "before": 4, "over": "asset", "n": 5},
    )
    assert canonical_steps(WHO, None) == canonical_steps(WHO, "none") == canonical_steps(WHO, []) == ()
    several = built_steps(WHO, canonical_steps(WHO, [{"name": "scaled", "by": 2.0, "over": "dataset"}, "capped"]))
    assert [(it.name, it.whole, it.before) for it in several] == [("scaled", True, 0), ("capped", False, 0)]
    assert several[0].function(SHEET)["returns"].tolist() == [[0.0], [0.1]]
    assert several[1].function(SHEET)["returns"].tolist() == [[0.0], [0.01]]
    assert several[0].text == "scaled, before: 0, by: 2.0, over: dataset"


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ("caped", r"panel of dataset 'mine': no step is called 'caped'; did you mean 'capped'"),
        ("os:system", r"no step is called 'os:system'"),
        ({"limit": 1}, r"wanted the name of a registered step, or a mapping with one"),
        (3, r"panel of dataset 'mine' is int 3, wanted the name of a registered step"),
        ({"name": "capped", "limt": 1}, r"step 'capped' has no parameter 'limt'; did you mean 'limit'"),
        ({"name": "capped", "limit": "high"}, r"step 'capped': limit is 'high'; wanted a finite number"),
        ({"name": "capped", "sheet": 1}, r"step 'capped' has no parameter 'sheet'"),
        ({"name": "scaled"}, r"step 'scaled' needs the parameter 'by'"),
        ({"name": "capped", "before": -1}, r"before of step 'capped' is int -1, wanted a whole number from 0"),
        ({"name": "capped", "before": 1.5}, r"before of step 'capped' is float 1.5"),
        ({"name": "capped", "over": "all"}, r"over of step 'capped' is str 'all', wanted asset or dataset"),
        (["capped"] * 17, r"has 17 steps, wanted at most 16"),
    ],
)
def test_what_cannot_be_meant_is_refused(stated: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        canonical_steps(WHO, stated)


def test_a_digest_is_of_code_parameters_and_how_it_is_called() -> None:
    variants = [
        "capped",
        {"name": "capped", "limit": 0.02},
        {"name": "capped", "before": 1},
        {"name": "capped", "over": "dataset"},
        "cleaned",
    ]
    assert len({digest(it) for it in variants}) == len(variants)
    assert digest("capped") == digest({"over": "asset", "name": "capped", "before": 0})


def test_files_of_the_package_are_in_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    from metabt.estimators import steps

    before = digest("capped")
    monkeypatch.setattr(steps, "sources", lambda kind, name: {"stepping (files)": "edited"})
    steps._built.cache_clear()
    assert digest("capped") != before
    steps._built.cache_clear()


def test_a_process_with_another_version_refuses_to_call_it() -> None:
    (one,) = built_steps(WHO, canonical_steps(WHO, "capped"))
    assert pickle.loads(pickle.dumps(one)) == one
    other = replace(one.function, packages=(("stepping", "0.9"),))  # type: ignore[type-var]
    with pytest.raises(DataError, match=r"this process has another version of it \(stepping, stepping \(files\)\)"):
        other(SHEET)
    with pytest.raises(DataError, match="it is not installed in this process"):
        replace(one.function, name="gone")(SHEET)  # type: ignore[type-var]
    assert stepping.PLUGINS
