"""How many processes serve in one pod, and what they share."""

import math
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.memory import control_groups, memory_limit, read_lines

WORKERS = "PERENNIAL_SERVING_WORKERS"
SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""The folder in which prometheus_client keeps the metrics of several processes; it reads the variable once."""
PLACE = "PERENNIAL_SERVING_PLACE"
"""Which of the processes this one is: one that is started again goes on with the metrics of the one before."""
AUTO = "auto"
MOST = 64
SPARE = 128 * 2**20
"""Bytes for the requests of one process, beside the model."""


def wanted_workers(environment: Mapping[str, str] = os.environ) -> int | None:
    """The number that the environment asks for, 1 by default; None for one by the pod's CPUs.

    Raises a RejectedTask: InvalidTask.
    """
    text = environment.get(WORKERS, "1")
    if text == AUTO:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST):
        raise RejectedTask("InvalidTask", f"{WORKERS} is {text[:40]}: give {AUTO}, or a number from 1 to {MOST}")
    return int(text)


def share_metrics() -> None:
    """The metrics are those of all processes, if there may be several; call it before their library is imported.

    They are never in a folder that the pod's environment names: this server deletes its own at the end.
    """
    for name in (SHARED_METRICS, SHARED_METRICS.lower(), PLACE):  # the library knows the first two
        os.environ.pop(name, None)
    if wanted_workers() != 1:
        os.environ[SHARED_METRICS] = tempfile.mkdtemp(prefix="perennial-metrics-")


def end_sharing() -> None:
    """The folder of the metrics is gone."""
    if SHARED_METRICS in os.environ:
        shutil.rmtree(os.environ[SHARED_METRICS], ignore_errors=True)


def workers_that_fit(root: Path = Path("/"), beside: int = 0) -> int:
    """One for each whole CPU of the pod, or fewer where the memory is too little for so many of this process.

    `beside` is how much memory each takes in a process of its own.
    """
    limit = memory_limit(root)
    used = int((root / "proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    by_memory = MOST if limit is None else limit // (used + SPARE + beside)
    return max(1, min(int(cpu_limit(root)), by_memory, MOST))


def cpu_limit(root: Path = Path("/")) -> float:
    """The CPUs that this process may use: the lowest limit of its control groups, and those of the machine."""
    return min([*_quotas(root), len(os.sched_getaffinity(0))])


def _quotas(root: Path) -> Iterator[float]:
    for folder in control_groups(root):
        for line in read_lines(folder / "cpu.max"):  # such as "200000 100000", or "max 100000"
            quota, _, period = line.partition(" ")
            yield int(quota) / int(period) if quota != "max" else math.inf
    first = root / "sys/fs/cgroup/cpu"
    for quota, period in zip(
        read_lines(first / "cpu.cfs_quota_us"), read_lines(first / "cpu.cfs_period_us"), strict=True
    ):
        yield int(quota) / int(period) if int(quota) > 0 else math.inf
