"""What a container knows of its pod, and a pod of its node."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.cluster.client import Api
from tests.cluster.kubelet.starter import Starter
from tests.cluster.objects import Obj


@dataclass(frozen=True)
class Host:
    """What all pods of the node share. `hurry` divides the seconds of probes and back-offs."""

    api: Api
    http: aiohttp.ClientSession
    directory: Path
    environment: Mapping[str, str]
    entrypoints: Mapping[str, Sequence[str]]
    hurry: float
    starter: Starter


@dataclass(frozen=True)
class PodContext:
    """What a container knows of its pod. `report` writes the pod's status; `places` are the mount paths' real ones."""

    host: Host
    pod: Callable[[], Obj]
    directory: Path
    volumes: Mapping[str, Path]
    stopping: asyncio.Event
    report: Callable[[], Awaitable[None]]

    async def pause(self, seconds: float) -> None:
        """So many seconds have passed, or the pod is stopping."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)
