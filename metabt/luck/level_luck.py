"""Which choice of a sweep is luck: the lookback of the leaf, or the optimizer above it.

A level is one key of the settings that differ among trials, or several that are chosen together.

1. A slice of a level holds trials whose settings are the same but for the level's keys. A trial's difference is its
   return less the mean of its slice, session by session, among those of the slice that have one in that session; with
   nothing to compare with there is none. What all choices of a slice earn alike is gone from it.
2. The statistic is t of a difference, its mean over its standard error. It is asked of the family's best trial (the one
   with the largest t of its own returns): does its choice beat its alternatives, all other settings held fixed?
3. `p_luck` holds that t against the maximum, in each draw, over the differences of *all* slices of the level, centred:
   how likely the largest advantage anywhere in the family is as large, if along this level nothing mattered.

All slices, not only the best's: it was picked as the one with the family's best trial in it, and within that slice the
best trial stands out although the level does nothing. Against its own slice alone, of 60 sweeps of noise over 5 x 40
settings 10 to 35 were called significant at 5 %; against all slices 1 to 3 are.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from metabt.errors import ConfigError
from metabt.luck.family_test import Draws, FamilyTest, family_test
from metabt.luck.moments import moments
from metabt.luck.slices import differences, differing, slices
from metabt.luck.trial_returns import TrialReturns
from metabt.values.digests import digest


@dataclass(frozen=True)
class LevelLuck:
    """Whether the best trial's choice at one level is luck."""

    level: str
    """Its name."""
    keys: tuple[str, ...]
    """The settings that are chosen at it."""
    best: int
    """The family's best trial, whose choice is judged."""
    choice: dict[str, object]
    """What it has chosen: key -> value, without keys that it does not have."""
    n_choices: int
    """Trials in its slice, itself included: alike but for this level."""
    n_slices: int
    """Slices of the level with two trials at least."""
    n_sessions: int
    """Sessions on which its choice can be compared."""
    advantage: float | None
    """Mean of its difference, a year: what the choice earned more than the mean of its slice; None if not compared."""
    t: float | None
    """That mean over its standard error."""
    p_luck: float | None
    """How likely an advantage as large is luck; None where nothing can be said."""
    reason: str | None
    """Why nothing can be said."""


def level_luck(
    returns: np.ndarray | TrialReturns,
    settings: Sequence[Mapping[str, object]],
    sessions_per_year: float,
    levels: Mapping[str, Sequence[str]] | None = None,
    draws: Draws | None = None,
) -> tuple[LevelLuck, ...]:
    """Return for each level of choices how likely the best trial's choice is luck.

    Parameters
    ----------
    returns : (n_sessions, n_trials) excess returns a session, NaN where a trial has no stream; or what reads them, a
        column at a time
    settings : of each trial, key -> plain value; keys with one value for all may be there or not
    sessions_per_year : what annualises
    levels : name -> the keys that are chosen together; None for every key that differs, by itself
    draws : how differences are drawn anew; each level has a block length of its own, unless one is given

    Raises
    ------
    ConfigError
        For settings of another number of trials, or a level with a key that no trial has.
    DataError
        For returns that are no matrix of floats, or infinite.
    """
    how, read = draws or Draws(), TrialReturns.of(returns)
    if len(settings) != read.n_trials:
        raise ConfigError(f"levels: settings of {len(settings)} trials, returns of {read.n_trials}; wanted as many")
    values = [{key: digest(value) for key, value in each.items()} for each in settings]
    found, _ = moments(read)
    t = np.where((found.n_sessions >= how.min_sessions) & (found.deviation > 0), found.t, -np.inf)
    if not np.isfinite(t).any():
        return ()
    best = int(np.argmax(t))
    asked = {key: (key,) for key in differing(values)} if levels is None else levels
    return tuple(
        _level(name, tuple(keys), read, values, settings[best], best, sessions_per_year, how)
        for name, keys in asked.items()
    )


def _level(
    name: str,
    keys: tuple[str, ...],
    returns: TrialReturns,
    values: Sequence[Mapping[str, Hashable]],
    settings: Mapping[str, object],
    best: int,
    sessions_per_year: float,
    draws: Draws,
) -> LevelLuck:
    unknown = [key for key in keys if not any(key in each for each in values)]
    if unknown:
        raise ConfigError(f"level {name!r}: no trial has a setting {unknown[0]!r}; name keys that the sweep has set")
    choice = {key: settings[key] for key in keys if key in settings}
    parts = slices(values, keys)
    own = next((part for part in parts if best in part), None)
    n_choices = 1 if own is None else len(own)
    empty = LevelLuck(name, keys, best, choice, n_choices, len(parts), 0, None, None, None, None)
    if own is None:
        return replace(empty, reason="no other trial has the same settings but for this level")
    test = family_test(differences(returns, parts), draws)
    return _judged(empty, test, np.concatenate(parts).tolist().index(best), sessions_per_year, draws)


def _judged(level: LevelLuck, test: FamilyTest, place: int, sessions_per_year: float, draws: Draws) -> LevelLuck:
    n = int(test.moments.n_sessions[place])
    seen = replace(level, n_sessions=n)
    if n < draws.min_sessions:
        return replace(seen, reason=f"{n} sessions to compare on; {draws.min_sessions} are wanted")
    advantage = float(test.moments.mean[place]) * sessions_per_year
    if np.isnan(test.t[place]):
        return replace(seen, advantage=advantage, reason="the choices have the same returns")
    return replace(seen, advantage=advantage, t=float(test.t[place]), p_luck=float(test.p_luck[place]))
