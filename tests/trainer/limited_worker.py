"""A worker whose process gets little memory: `python -m tests.trainer.limited_worker <bytes>`.

The kernel refuses what it wants beyond these bytes and what it has when it starts.
"""

import resource
import sys
from pathlib import Path

import lightgbm.dask  # noqa: F401 - what the limit is not for

import perennial_trainer.models.boosting.lightgbm_estimators  # noqa: F401
from perennial_trainer.__main__ import main


def limit(more: int) -> None:
    """The process gets this many bytes more than it has."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    size = int(status["VmData"].split()[0]) * 1024 + more
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


if __name__ == "__main__":
    limit(int(sys.argv[1]))
    sys.exit(main())
