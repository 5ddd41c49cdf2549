"""Provenance: the run's configuration, data and versions, and the command that computes it again."""

from __future__ import annotations

import json
from typing import Any

from metabt.report.run import Run
from metabt.report.section import Facts, Section
from metabt.values.tables import texts

PLAIN = ("run_id", "portfolio", "status", "engine", "snapshot", "started_at", "seconds")
"""Columns of `runs` that are shown as they are."""


def provenance(run: Run) -> Section:
    """Return the section: identity, data, versions, the command that computes the run again, and configuration."""
    rows = [(name, str(run.row[name])) for name in PLAIN if run.row.get(name) is not None]
    config = _parsed(run.row.get("config"))
    data = config.get("data")
    if isinstance(data, dict):
        rows += [(f"data {name}", str(digest)) for name, digest in data.items()]
    rows += _versions(_parsed(run.row.get("versions")))
    rows.append(("sessions", f"{run.streams.dates[0]} to {run.streams.dates[-1]}, {len(run.streams.dates):,}"))
    if "snapshot" in run.row:
        rows.append(("make it again", f"metabt reproduce {str(run.row['run_id'])[:12]}"))
    note = "The same configuration, data and code give the same run id, bit for bit."
    return Section(
        "provenance", "Provenance", tables=[Facts(("What", "Value"), rows, note, kind="prose")], text=_text(run)
    )


def _versions(versions: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [(f"version of {name}", str(versions[name])) for name in ("code", "format") if name in versions]
    for group in ("libraries", "plugins", "steps"):
        found = versions.get(group)
        if isinstance(found, dict) and found:
            rows.append((group, ", ".join(f"{name} {version}" for name, version in found.items())))
    platform = versions.get("platform")
    if isinstance(platform, dict):
        parts = [str(platform[name]) for name in ("system", "machine", "compiled_for") if name in platform]
        rows.append(("platform", ", ".join(parts)))
    return rows


def _parsed(text: object) -> dict[str, Any]:
    value = json.loads(text) if isinstance(text, str) and text else {}
    return value if isinstance(value, dict) else {}


def _text(run: Run) -> str:
    """Return the configuration as it was stored, else the spec of every sleeve."""
    if run.row.get("config"):
        return json.dumps(json.loads(run.row["config"]), indent=2, ensure_ascii=False)
    sleeves = run.tables["sleeves"]
    return "\n".join(f"{path}: {spec}" for path, spec in zip(run.paths, texts(sleeves["spec"]), strict=True))
