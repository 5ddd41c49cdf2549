"""Limits: how much a few lines of configuration may ask for, counted before any of it is made.

Each has an environment variable that raises it; configuration cannot, since it may come from others.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from metabt.errors import ConfigError


@dataclass(frozen=True)
class Limit:
    """A number that is not exceeded by accident."""

    of: str
    """What is counted, in the plural."""
    variable: str
    """Environment variable that states another limit."""
    default: int
    """The limit where the variable is not set."""

    def most(self) -> int:
        """Return the limit that holds in this process.

        Raises
        ------
        ConfigError
            If the variable is no whole number of at least one.
        """
        stated = os.environ.get(self.variable)
        if stated is None:
            return self.default
        if not stated.isascii() or not stated.isdecimal() or not 0 < len(stated) <= 15 or int(stated) < 1:
            raise ConfigError(f"{self.variable} is '{stated}', wanted a whole number such as {self.default}")
        return int(stated)

    def check(self, who: str, count: int, *, exact: bool = True) -> None:
        """Raise ConfigError if `count` is above the limit, saying what `who` makes and how the limit is raised.

        Parameters
        ----------
        who : what asks for so many
        count : how many it asks for
        exact : False says that `count` is where counting stopped
        """
        most = self.most()
        if count > most:
            found = f"{count:,}" if exact else f"more than {most:,}"
            cure = f"{self.variable}={count if exact else 10 * most}"
            raise ConfigError(
                f"{who} makes {found} {self.of}, the limit is {most:,}; make it smaller, or set {cure} in the "
                "environment to allow it"
            )


VALUES = Limit("values", "METABT_MAX_VALUES", 250_000)
"""Settings and items of lists in one file, or that interpolations make."""
REFERENCES = Limit("references", "METABT_MAX_REFERENCES", 5_000)
"""References (`${key}`) of one configuration; the grammar takes its time for each."""
REPEATED = Limit("values by repeating others", "METABT_MAX_REPEATED", 20_000)
"""Values of one file that its aliases (`*name`) repeat."""
FILES = Limit("includes", "METABT_MAX_FILES", 500)
"""Files that a file includes, directly or through others, each as often as it is included."""
INCLUDED = Limit("bytes of included files", "METABT_MAX_INCLUDED", 32_000_000)
"""Sizes of the files that a file includes, each as often as it is included."""
STATED = Limit("characters of settings", "METABT_MAX_STATED", 100_000_000)
"""Characters of what the sleeves of a tree state, its templates expanded."""
SLEEVES = Limit("sleeves", "METABT_MAX_SLEEVES", 50_000)
"""Sleeves of a tree, its templates expanded."""
JOBS = Limit("configurations", "METABT_MAX_JOBS", 20_000)
"""Configurations of a sweep."""
