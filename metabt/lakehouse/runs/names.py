"""Names of runs: the one place that says which run a word means.

1. A portfolio's bare name: the run without overrides of its tree, not as of the past, not flat and not of a sweep, that
   was asked for last.
   Is there none, the last with overrides, else the last of a sweep, else a flat one; a sentence then says so.
2. A name with overrides, or overrides alone: the run that was asked for last with these and no others.
3. No name ("latest"): the run by itself that was asked for last; a sweep's, which a sentence says, where that is all.
4. Else the beginning of a run_id, which must fit one run alone.

Found again counts as asked for: metabt.lakehouse.runs.askings. Which run a bare name means is also in the view
`latest.names`. What a name is looked up in is compared with its seals first (metabt.lakehouse.runs.run_seals).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import duckdb

from metabt.errors import ConfigError, nearest
from metabt.lakehouse.catalog.asking import KINDS
from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.catalog.views import ASKINGS, NAMES
from metabt.lakehouse.runs.run_seals import check_names

LATEST = "latest"
"""The name that stands for none."""
LISTED = 10
"""Runs that a message lists at most."""
SHORT = 12
"""Characters of a run_id that a message shows."""
ELSEWHERE = ("portfolio", "portfolio.name", "lakehouse", "catalog", "engine")
"""Overrides that change no number of a run, or are its name."""
UNSET = {"start": "null", "end": "null", "as_of": "null", "benchmark": "null", "is_meta_backtest": "null"}
"""Overrides -> the value that is as good as none."""

Row = tuple[str, str, str | None, str | None, int]
"""run_id, portfolio, sweep_id, overrides and the kind of an asking."""
COLUMNS = "run_id, portfolio, sweep_id, overrides, kind"


@reported
def resolve_run(
    con: duckdb.DuckDBPyConnection,
    name: str = LATEST,
    overrides: Sequence[str] = (),
    say: Callable[[str], object] | None = None,
) -> str:
    """Return the identity of the run that a name means.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    name : str
        A portfolio's name, the beginning of a run_id, or "latest", which stands for none.
    overrides : sequence of str
        Such as ``portfolio.optimizer=hrp``: the run of that portfolio that was asked for with these overrides.
    say : callable, optional
        Called with a sentence where the run is another than the name promises: one with overrides, or of a sweep.

    Returns
    -------
    str
        Its whole run_id.

    Raises
    ------
    ConfigError
        When it means no run, or several.
    """
    check_names(con)
    if overrides:
        return _with_overrides(con, name, overrides)
    found = _newest(con) if name == LATEST else _named(con, name)
    if found is None:
        return _begun(con, name)
    if say is not None and (said := _difference(name, found)):
        say(said)
    return found[0]


@reported
def asked_with(con: duckdb.DuckDBPyConnection, run_id: str) -> tuple[str, ...]:
    """Return the overrides of a run's plainest asking: by itself before by a sweep, with none before with some.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    run_id : str
        Its whole identity.

    Returns
    -------
    tuple of str
        As the command line says them; empty where there are none, or the run is not stored.
    """
    check_names(con)
    sql = f'SELECT overrides FROM ({ASKINGS}) a WHERE run_id = $1 ORDER BY kind, "at" DESC LIMIT 1'
    found = execute(con, sql, run_id).fetchone()
    return tuple(json.loads(found[0])) if found and found[0] else ()


def settings(overrides: Iterable[str]) -> dict[str, str | None]:
    """Return key -> value of the overrides that make a run another one; None is a key that is taken out.

    How a value is spaced or quoted is left out, as is what does not change a run.

    >>> settings(["portfolio=demo", "portfolio.optimizer={name: erc}", "~portfolio.costs", "engine=ray", "end=null"])
    {'portfolio.optimizer': '{name:erc}', 'portfolio.costs': None}
    """
    found: dict[str, str | None] = {}
    for text in overrides:
        stated, _, value = text.partition("=")
        key = stated.lstrip("+~").strip()
        plain = re.sub(r"\s*([:,{}\[\]])\s*", r"\1", value.strip()).replace("'", "").replace('"', "")
        plain = plain.lower() if plain.lower() in ("true", "false", "null") else plain
        found[key] = None if text.startswith("~") else plain
        if (
            key in ELSEWHERE
            or key.split(".")[0].split("/")[0] in ("hydra", "local", "cluster")
            or UNSET.get(key) == plain
        ):
            del found[key]
    return {key: value for key, value in found.items() if (key, value) != ("is_meta_backtest", "true")}


def described(overrides: str | None) -> str:
    """Return the overrides of an asking, which are JSON, as a user would write them; empty where there are none."""
    texts = json.loads(overrides) if overrides else []
    return " ".join(text for text in texts if settings([text]))


def _named(con: duckdb.DuckDBPyConnection, name: str) -> Row | None:
    """Return the asking that a portfolio's bare name means; None where no run of a portfolio is called so."""
    places = f"list_position({list(KINDS)}, kind) - 1"
    sql = f"SELECT run_id, portfolio, sweep_id, overrides, {places} FROM ({NAMES}) n WHERE portfolio = $1"
    return execute(con, sql, name).fetchone()


def _newest(con: duckdb.DuckDBPyConnection) -> Row | None:
    sql = f'SELECT {COLUMNS} FROM ({ASKINGS}) a ORDER BY sweep_id IS NOT NULL, "at" DESC, run_id LIMIT 1'
    return con.execute(sql).fetchone()


def _difference(name: str, found: Row) -> str | None:
    """Return the sentence that says that a run is not what its name promises; None where it is."""
    run_id, portfolio, sweep_id, overrides, kind = found
    promised = "by itself" if name == LATEST else f"of '{name}' without overrides"
    if sweep_id is None and (name == LATEST or KINDS[kind] == "plain"):
        return None
    what = {"swept": f"of sweep {sweep_id and sweep_id[:SHORT]}", "flat": "a flat baseline"}.get(KINDS[kind], "")
    told = ", ".join(filter(None, [what, described(overrides)]))
    return f"no run {promised} is stored; this is run {run_id[:SHORT]} of '{portfolio}': {told or 'without overrides'}"


def _with_overrides(con: duckdb.DuckDBPyConnection, name: str, overrides: Sequence[str]) -> str:
    wanted = settings(overrides)
    sql = f'SELECT {COLUMNS} FROM ({ASKINGS}) a ORDER BY "at" DESC, run_id'
    rows: list[Row] = con.execute(sql).fetchall()
    of_name = [row for row in rows if name in (LATEST, row[1])]
    for run_id, _, _, stated, _ in of_name:
        if settings(json.loads(stated) if stated else ()) == wanted:
            return run_id
    asked = " ".join(overrides)
    if not of_name:
        others = nearest(name, {row[1] for row in rows})
        raise ConfigError(f"overrides ({asked}) go with a portfolio's name, and no run of '{name}' is stored{others}")
    stored = list(dict.fromkeys(described(row[3]) or "none" for row in of_name))
    command = f"metabt backtest {'' if name == LATEST else f'portfolio={name} '}{asked}"
    raise ConfigError(
        f"no run {'' if name == LATEST else f'of {name!r} '}was asked for with {asked}; stored are those with "
        f"{'; '.join(stored[:LISTED])}{', ...' if len(stored) > LISTED else ''}; `{command}` makes it"
    )


def _begun(con: duckdb.DuckDBPyConnection, name: str) -> str:
    """Return the one run whose identity begins with `name`; one that failed too."""
    sql = "SELECT run_id, portfolio, status, overrides FROM runs ORDER BY started_at DESC, run_id"
    runs: list[tuple[str, str, str, str | None]] = con.execute(sql).fetchall()
    started = [run for run in runs if name and run[0].startswith(name)]
    whole = [run for run in started if run[0] == name]
    if len(started) == 1 or whole:
        return (whole or started)[0][0]
    raise ConfigError(_unresolved(name, started, runs))


def _unresolved(
    name: str, started: Sequence[tuple[str, str, str, str | None]], runs: Sequence[tuple[str, str, str, str | None]]
) -> str:
    if not runs:
        return "the lakehouse holds no run yet; `metabt backtest` makes one"
    if started:
        digits = max(SHORT, len(name) + 4)
        some = ", ".join(run_id[:digits] for run_id, *_ in started[:LISTED])
        told = [f"\n  {run[0][:digits]}  {run[1]}  {described(run[3])}".rstrip() for run in started[:LISTED]]
        more = f"\n  and {len(started) - LISTED} more" if len(started) > LISTED else ""
        return f"'{name}' begins {len(started)} runs ({some}); give more of the one you mean:{''.join(told)}{more}"
    portfolios: Mapping[str, None] = dict.fromkeys(run[1] for run in runs)
    if name == LATEST or name in portfolios:
        whose = "" if name == LATEST else f" of '{name}'"
        return f"every run{whose} in the lakehouse failed; select run_id, error from runs says why"
    return f"no run or portfolio '{name}' in the lakehouse{nearest(name, [*portfolios, LATEST])}"
