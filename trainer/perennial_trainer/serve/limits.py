"""What one pod accepts, so that its requests fit into its memory; docs/serving.md describes it.

All limits follow from the memory that is free once the model is loaded, so raising the pod's memory limit raises them.
"""

import resource
from pathlib import Path
from typing import NamedTuple

from perennial_trainer.data.memory import memory_limit

MIB = 2**20
LEAST_FREE, UNKNOWN_FREE = 64 * MIB, 1024 * MIB
"""Bytes that are assumed free at least, and where the system does not tell."""
WRITER_MEMORY = 160 * MIB
"""Of a process that writes captured rows, with one buffer."""

HEADER_SECONDS = 15.0
"""From the first byte of a request, or the start of a connection, to the end of the headers."""
BODY_SECONDS = 30.0
"""From the headers to the end of the body, and for a client to take its response."""

HEADERS = MIB // 16
"""Bytes of the headers of a request, and of the trailers of its body."""
SMALL_BODY = MIB // 4
"""Bytes; a larger body is read in a thread of its own, and leaves a quarter of `in_flight` to small ones."""
PART_ROWS = 4096
"""Rows of one call of the model at most: a longer request is predicted in parts, with other requests in between."""
QUEUE_REQUESTS = 1000
"""Requests that wait for the next call: more would only time out."""


class Limits(NamedTuple):
    """The limits of one pod."""

    connections: int
    """Open connections; beyond them only probes are answered."""
    body: int
    """Bytes of one body."""
    in_flight: int
    """Bytes of all bodies from their arrival to their response."""
    values: int
    """Inputs and outputs of one request: its rows times features and columns of outputs."""
    queue: int
    """Inputs that wait for the next call."""
    batch: int
    """Bytes of the encoded rows of one call."""


def limits_for(free: int | None) -> Limits:
    """The limits for so many bytes of free memory.

    A body takes up to 32 times its size while it is read, one large body at a time, and 16 times afterwards: each of
    both is about a third of the free memory, and the queue, a call of the model and responses are the rest.
    """
    free = UNKNOWN_FREE if free is None else max(free, LEAST_FREE)
    return Limits(
        connections=min(max(free // (512 * 1024), 128), 2000, _open_files()),
        body=min(free // 100, 16 * MIB),
        in_flight=min(free // 50, 256 * MIB),
        values=free // 256,
        queue=min(free // 800, 1_000_000),
        batch=free // 8,
    )


def free_memory(processes: int = 1, statm: Path = Path("/proc/self/statm")) -> int | None:
    """The bytes that this process may still take, if so many share the pod's memory; None if that is unknown."""
    whole = memory_limit()
    limit = None if whole is None else whole // processes
    try:
        used = int(statm.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return limit
    return None if limit is None else limit - used


def _open_files() -> int:
    """Connections for which file descriptors are left."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2000 if soft == resource.RLIM_INFINITY else max(soft - 100, 16)
