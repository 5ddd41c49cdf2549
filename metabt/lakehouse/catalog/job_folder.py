"""The folder that a job of a Ray cluster runs in: no lakehouse may lie there.

Where files were sent along with a job, that folder is a copy of them, which Ray deletes; otherwise it is the one that
the cluster was started in, on any node. Ray describes the job to the first process of it, and to no other.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from metabt.errors import StoreError

JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Environment variable in which Ray describes a job to its first process."""
COPIES = "runtime_resources"
"""Folder of a Ray node in which it unpacks what is sent along with jobs."""


def refuse_job_folder(path: Path) -> None:
    """Raise StoreError where `path` lies in the folder of the Ray job that this process is: Ray may delete it."""
    if JOB not in os.environ or (path.is_absolute() and COPIES not in path.parts):
        return
    job = json.loads(os.environ[JOB]).get("metadata", {}).get("job_submission_id", "")
    raise StoreError(
        f"lakehouse '{path}' is in the working directory of job '{job}', a folder that Ray deletes; "
        "name an absolute path that all nodes of the cluster reach, such as /data/lakehouse"
    )
