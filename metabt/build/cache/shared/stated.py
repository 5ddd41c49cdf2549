"""What configuration states of a shared cache: `cache.shared` and `cache.recheck`; never the key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metabt.build.cache.disk import StoredCache
from metabt.build.cache.shared.cache import RECHECK, SharedCache, check_place, check_share
from metabt.build.cache.shared.signature import Signer
from metabt.errors import ConfigError, nearest

KNOWN = ("shared", "recheck")


@dataclass(frozen=True)
class Share:
    """A team's store."""

    shared: str
    """Its address, or the path of its folder."""
    recheck: float = RECHECK
    """Share of what is found there that is computed again, 0 to 1."""

    @classmethod
    def stated(cls, settings: Mapping[str, object] | None) -> Share | None:
        """Return what configuration states beneath `cache`; None where nothing is shared.

        Raises
        ------
        ConfigError
            For an unknown key, a value that cannot be, and where the environment has no key to sign with.
        """
        settings = settings or {}
        for key in settings:
            if key not in KNOWN:
                raise ConfigError(f"cache has no setting '{key}'{nearest(key, KNOWN)}")
        recheck = RECHECK if settings.get("recheck") is None else check_share(settings["recheck"])
        if settings.get("shared") is None:
            return None
        share = cls(check_place(settings["shared"]), recheck)
        Signer.of_environment()
        return share

    def around(self, own: StoredCache) -> SharedCache:
        """Return the cache that asks `own` first, and the team's then."""
        return SharedCache(own, self.shared, self.recheck)
