"""Edits by path of what has a short form: estimators and schedules are replaced as a whole, and opened by a step."""

from __future__ import annotations

from typing import Any

import pytest

from metabt.config.edits import apply


def edited(config: dict[str, Any], *texts: str) -> dict[str, Any]:
    tree = {"portfolio": config}
    for text in texts:
        apply(tree, f"portfolio.{text}")
    return tree["portfolio"]


ON = {"on": "month_end", "exchange": "XNYS"}


@pytest.mark.parametrize("before", ["monthly", {"every": 21}, {"period": "weekly", "band": 0.1}, None], ids=str)
def test_a_schedule_is_replaced_as_a_whole(before: object) -> None:
    config = {} if before is None else {"schedule": before}
    assert edited(config, "schedule={on: month_end, exchange: XNYS}") == {"schedule": ON}


def test_a_step_into_a_schedule_opens_its_short_form() -> None:
    assert edited({"schedule": "monthly"}, "schedule.band=0.05") == {"schedule": {"period": "monthly", "band": 0.05}}
    assert edited({"schedule": dict(ON)}, "schedule.band=0.05") == {"schedule": {**ON, "band": 0.05}}
    assert edited({"schedule": dict(ON)}, "schedule.on=friday") == {"schedule": {**ON, "on": "friday"}}


def test_other_mappings_merge() -> None:
    assert edited({"costs": {"commission_bp": 5}}, "costs={slippage_bp: 1}") == {
        "costs": {"commission_bp": 5, "slippage_bp": 1}
    }
