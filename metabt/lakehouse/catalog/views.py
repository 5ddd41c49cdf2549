"""Views: which run a portfolio's name means, the tables of those runs, and what a sweep has varied.

1. `ASKINGS` is every asking of a run that is stored and did not fail. Of what kind it was decides what may answer to a
   bare name: a run by itself as its portfolio is stated, else one with overrides or on data of the past, else a member
   of a sweep, else a flat baseline.
2. `NAMES` is a row per portfolio: of its askings of the first kind there is, the last one.
3. In the schema `latest` every table of runs has the rows of the runs in `NAMES` alone.
4. `sweep_parameters` has the overrides in which the members of a sweep differ, a row each.
5. `trials` has a row for each distinct trial of the ledger.

A run whose asking is not on record counts as asked for when it started.
"""

from __future__ import annotations

import duckdb

from metabt.lakehouse.catalog.asking import FLAT, KINDS, NAME, PAST, TREE
from metabt.lakehouse.catalog.schema import RUN_TABLES

SCHEMA_NAME = "latest"
"""Schema of the views of the runs that bare names mean."""
ASKINGS = f"""
SELECT r.run_id, r.portfolio, a.sweep_id, a."at", a.overrides,
  CASE WHEN list_contains(json_extract_string(a.overrides, '$[*]'), '{FLAT}') THEN 3
       WHEN a.sweep_id IS NOT NULL THEN 2
       WHEN len(list_filter(json_extract_string(a.overrides, '$[*]'),
            lambda text: regexp_matches(text, '{PAST}') OR
              (regexp_matches(text, '{TREE}') AND NOT regexp_matches(text, '{NAME}')))) > 0 THEN 1
       ELSE 0 END AS kind
FROM lake.main.runs r JOIN (
  SELECT run_id, sweep_id, "at", overrides FROM lake.main.asked UNION ALL
  SELECT run_id, sweep_id, started_at, overrides FROM lake.main.runs
  WHERE run_id NOT IN (SELECT run_id FROM lake.main.asked)
) a ON r.run_id = a.run_id WHERE r.status = 'ok'
"""
"""Columns run_id, portfolio, sweep_id, at, overrides and kind, a place in KINDS."""

NAMES = f"""
SELECT portfolio, run_id, sweep_id, "at", overrides, {list(KINDS)}[kind + 1] AS kind FROM ({ASKINGS}) a
QUALIFY row_number() OVER (PARTITION BY portfolio ORDER BY kind, "at" DESC, run_id) = 1
"""
"""The asking that a portfolio's bare name means, a row per portfolio."""

PARAMETERS = r"""
WITH stated AS (
  SELECT run_id, sweep_id, "at", unnest(json_extract_string(overrides, '$[*]')) AS text
  FROM lake.main.asked WHERE sweep_id IS NOT NULL
), set_to AS (
  SELECT run_id, sweep_id, "at", ltrim(split_part(text, '=', 1), '+~') AS key,
    CASE WHEN contains(text, '=') THEN trim(substr(text, strpos(text, '=') + 1), '''"') END AS value
  FROM stated
), sizes AS (
  SELECT sweep_id, count(DISTINCT run_id) AS members FROM lake.main.asked GROUP BY sweep_id
), varied AS (
  SELECT sweep_id, key FROM set_to JOIN sizes USING (sweep_id) GROUP BY sweep_id, key, members
  HAVING count(DISTINCT value) + (count(value) < count(*))::INT > 1 OR count(DISTINCT run_id) < members
)
SELECT run_id, key, arg_max_null(value, "at") AS value
FROM set_to JOIN varied USING (sweep_id, key) GROUP BY run_id, key
"""
"""Columns run_id, key and value: overrides in which the members of a sweep differ; the last asking of a run counts."""

TRIALS = """
WITH said AS (
  SELECT *, CAST(content->>'$.sessions' AS BIGINT) AS sessions, content->>'$.study' AS study
  FROM lake.main.ledger WHERE kind = 'trial'
), longest AS (
  SELECT * FROM said
  QUALIFY row_number() OVER (PARTITION BY key ORDER BY coalesce(sessions, 0) DESC, ordinal) = 1
), tried AS (
  SELECT key, min("at") AS "at", min(ordinal) AS place, string_agg(DISTINCT study, ', ' ORDER BY study) AS study
  FROM said GROUP BY key
)
SELECT t.key, t."at", content->>'$.run_id' AS run_id, content->>'$.sweep_id' AS sweep_id, t.study,
  content->>'$.status' AS status, content->>'$.portfolio' AS portfolio,
  json_extract_string(content, '$.datasets[*]') AS datasets,
  CAST(content->>'$.first_date' AS DATE) AS first_date, CAST(content->>'$.last_date' AS DATE) AS last_date,
  l.sessions, CAST(content->>'$.sharpe' AS DOUBLE) AS sharpe, content->>'$.error' AS error, l.ordinal,
  CAST(content->>'$.stream' AS BIGINT) AS stream, CAST(content->>'$.cash' AS BIGINT) AS cash
FROM tried t JOIN longest l USING (key) ORDER BY t.place
"""
"""A row for each distinct trial: when it was first tried, its studies, and what the row of its longest stream says."""


def views() -> dict[str, str]:
    """Return the name of every view, with its schema -> the statement whose rows it has."""
    named = f"SELECT run_id FROM lake.{SCHEMA_NAME}.names"
    rows = {name: f"SELECT * FROM lake.main.{name} WHERE run_id IN ({named})" for name in ("runs", *RUN_TABLES)}
    return {
        "main.sweep_parameters": PARAMETERS,
        "main.trials": TRIALS,
        f"{SCHEMA_NAME}.names": NAMES,
        **{f"{SCHEMA_NAME}.{name}": statement for name, statement in rows.items()},
    }


def missing_views(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the names, with schema, of the views that the attached lakehouse does not have."""
    found = con.execute("SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = 'lake'").fetchall()
    there = {f"{schema}.{name}" for schema, name in found}
    return [name for name in views() if name not in there]


def create_views(con: duckdb.DuckDBPyConnection) -> None:
    """Make every view."""
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA_NAME}")
    for name, statement in views().items():
        con.execute(f"CREATE VIEW IF NOT EXISTS lake.{name} AS {statement}")
