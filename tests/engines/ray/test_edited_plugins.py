"""Plug-ins that are edited: what a driver has loaded and what its workers load is one text, or nothing is computed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.shared.editable_plugin import EditablePlugin

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]


def test_workers_have_the_plug_in_of_their_driver_or_none_works(tmp_path: Path) -> None:
    """New workers would import the edited text under the key of the driver's: refused, until the driver is new too."""
    plugin = EditablePlugin(tmp_path)
    plugin.install(0.5, 0.25, 0.25)
    with plugin.process("ray", "cache", "other") as process:
        assert process.stdin is not None and process.stdout is not None
        assert json.loads(process.stdout.readline()) == [[0.5, 0.25, 0.25], 2]
        plugin.edit(0.25, 0.25, 0.5)
        process.stdin.write("\n")
        process.stdin.flush()
        assert "plug-ins" in json.loads(process.stdout.readline())
        process.communicate("\n", timeout=60)
    assert plugin.run("ray", "cache") == [[0.25, 0.25, 0.5], 2]
    assert plugin.run("local", "cache") == [[0.25, 0.25, 0.5], 0]
