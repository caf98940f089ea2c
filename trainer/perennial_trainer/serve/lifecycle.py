"""The readiness of the server, and its graceful shutdown."""

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

import uvicorn

from perennial_trainer.serve.batching import Batcher
from perennial_trainer.serve.limits import Limits, free_memory, limits_for
from perennial_trainer.serve.predictor import Outputs, Predictor
from perennial_trainer.serve.protocol import Inference

if TYPE_CHECKING:
    from perennial_trainer.serve.capture.capturing import Capture

# Kubernetes sends SIGTERM to a pod and removes it from the endpoints at the same time; until every node has the new
# endpoints, requests still arrive and get responses.
DRAIN_SECONDS = 5.0
# For requests in flight after that; both together are below the usual grace period of 30 s, after which SIGKILL comes.
FINISH_SECONDS = 20

log = logging.getLogger(__name__)


class Served(NamedTuple):
    """A loaded model, and the queue in front of it."""

    predictor: Predictor
    batcher: Batcher[Inference, Outputs]
    part_rows: int
    file_format: str
    capture: "Capture | None" = None


@dataclass
class State:
    """Ready: the model is loaded and the server is not draining. A draining server still responds to requests."""

    served: Served | None = None
    limits: Limits = field(default_factory=lambda: limits_for(free_memory()))
    draining: bool = False
    processes: int = 1
    on_drain: Callable[[], None] = lambda: None

    @property
    def ready(self) -> bool:
        return self.served is not None and not self.draining


class DrainingServer(uvicorn.Server):
    """On SIGTERM: not ready at once, stops listening after a while, finishes requests in flight, exits with code 0."""

    def __init__(self, config: uvicorn.Config, state: State) -> None:
        super().__init__(config)
        self._state = state

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """Starts draining; a second signal exits. uvicorn calls this on SIGTERM and SIGINT, in a signal handler."""
        if self._state.draining:
            os._exit(128 + sig)
        self._state.draining = True
        asyncio.get_running_loop().call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        if self._state.served is None:
            log.info("stopped while loading")
            os._exit(0)  # no request is in flight, and the loading thread cannot be stopped
        if self._state.served.capture:
            self._state.served.capture.flush()
        self._state.on_drain()
        log.info("draining for %g s", DRAIN_SECONDS)
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._finish)

    def _finish(self) -> None:
        self.should_exit = True
