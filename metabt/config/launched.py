"""The job that one of Hydra's launchers is running in this process."""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig

from metabt.config.overrides import decode


def job_overrides() -> tuple[str, ...]:
    """Return the overrides of the running job, as the command line says them."""
    return tuple(decode(text) for text in HydraConfig.get().overrides.task)
