"""Command-line overrides, sorted into what Hydra composes and what edits the composed tree.

1. `portfolio=demo`, `start=2000-01-01`, `sleeve@portfolio.sleeves.x=energy` and `hydra.*` go to Hydra.
2. `portfolio.PATH=VALUE` edits the tree after composition, so that a path may name a key that no file states.
3. In a sweep, Hydra has to carry the edits from the command line to each job: `encode` and `decode`.
"""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from metabt.config.guard import check_override
from metabt.config.search import groups
from metabt.errors import ConfigError, nearest
from metabt.lakehouse.catalog.connection_string import refuse_password

SETTINGS = (
    "lakehouse",
    "catalog",
    "cache",
    "engine",
    "local",
    "cluster",
    "start",
    "end",
    "as_of",
    "is_meta_backtest",
    "benchmark",
    "study",
    "portfolio",
    "sweep",
)
"""Settings that `conf/config.yaml` may state; it must state all but OPTIONAL."""
OPTIONAL = ("cache", "local", "as_of", "study", "sweep")
"""Settings that a `config.yaml` may leave out."""
SEARCH = "sweep"
"""Setting beneath which those of a search stand; it is none of a run."""
CARRIED = "portfolio_edits"
"""Key of the composed configuration beneath which Hydra carries edits to a job."""
CARRIER = f"++{CARRIED}."
"""Prefix of an override that carries an edit."""
KINDS = {"set": "", "add": "+", "force": "++", "delete": "~"}
"""Kind of an override -> its prefix."""


@lru_cache(maxsize=4096)  # the jobs of a sweep share most of their overrides, and the grammar takes its time
def parse(text: str) -> Override:
    """Return a parsed override. Parsed ones are kept: the caller must not change it.

    Raises
    ------
    ConfigError
        If it is not Hydra's override grammar.
    """
    try:
        return OverridesParser.create().parse_override(text)
    except (HydraException, ValueError) as error:  # ValueError: a number of thousands of digits
        refuse_password(text)
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"override '{text}': {reason}; write key=value, and quote special characters: key=\"'value'\""
        ) from None


def split(texts: list[str], dirs: tuple[Path, ...]) -> tuple[list[str], list[str]]:
    """Return (for Hydra, edits of the tree) after checking that each names something that exists.

    Raises
    ------
    ConfigError
        For bad grammar, or an unknown setting or group, naming the nearest.
    """
    known_groups = groups(dirs)
    for text in texts:
        _check_name(parse(text), known_groups)
    edits = [text for text in texts if is_edit(text)]
    return [text for text in texts if text not in edits], edits


def is_edit(text: str) -> bool:
    """Return whether an override edits the composed tree."""
    return text.lstrip("+~").startswith("portfolio.")


def is_of_search(text: str) -> bool:
    """Return whether an override sets how to search."""
    return text.lstrip("+~").startswith(f"{SEARCH}.")


def encode(text: str) -> str:
    """Return an edit as an override that Hydra carries as text, without reading it."""
    override = parse(text)
    key, _, value = text.lstrip("+~").partition("=")
    return f"{CARRIER}{kind(override)}.{key}={value if '=' in text else 'null'}"


def decode(text: str) -> str:
    """Return the edit from which `encode` made `text`; any other override is returned unchanged."""
    if not text.startswith(CARRIER):
        return text
    name, _, rest = text.removeprefix(CARRIER).partition(".")
    return KINDS[name] + (rest.removesuffix("=null") if name == "delete" else rest)


def kind(override: Override) -> str:
    """Return the key of `KINDS` that an override's prefix means."""
    if override.is_delete():
        return "delete"
    if override.is_force_add():
        return "force"
    return "add" if override.is_add() else "set"


def _check_name(override: Override, known_groups: set[str]) -> None:
    key = override.key_or_group
    check_override(override)
    if key == "catalog" and override.input_line is not None:
        refuse_password(override.input_line)  # here, because a sweep is stored with its overrides
    first = key.split(".")[0]
    if key in known_groups or key.split("/")[0] == "hydra" or first == "hydra" or first in SETTINGS:
        return
    raise ConfigError(f"unknown setting '{key}' in '{override.input_line}'{_cure(first, {*SETTINGS, *known_groups})}")


def _cure(word: str, known: set[str]) -> str:
    from metabt.portfolio.sleeve import Leaf, Meta

    of_sleeves = {f.name for kind_of_sleeve in (Leaf, Meta) for f in fields(kind_of_sleeve)}
    for names, prefix in ((known, ""), (of_sleeves, "portfolio.")):
        close = get_close_matches(word, names, n=1)
        if close:
            return f"; did you mean '{prefix}{close[0]}'?"
    return f"{nearest(word, known)}; what a sleeve states goes beneath portfolio, as in portfolio.lookback=126"
