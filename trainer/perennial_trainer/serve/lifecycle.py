"""When the server is ready, and how it ends."""

import asyncio
import logging
import os
from dataclasses import dataclass
from types import FrameType
from typing import NamedTuple

import uvicorn

from perennial_trainer.serve.batching import Batcher
from perennial_trainer.serve.predictor import Outputs, Predictor
from perennial_trainer.serve.protocol import Inference

# Kubernetes tells a pod to end and takes it out of its endpoints at the same time; until every node has heard of that,
# requests keep coming, and are answered.
DRAIN_SECONDS = 5.0
# What is in flight after that; both together stay below the usual grace period of 30 s, after which SIGKILL comes.
FINISH_SECONDS = 20

log = logging.getLogger(__name__)


class Served(NamedTuple):
    """A loaded model, and the queue in front of it."""

    predictor: Predictor
    batcher: Batcher[Inference, Outputs]
    file_format: str


@dataclass
class State:
    """Ready: the model is loaded, and the server is not about to end. A server about to end still answers requests."""

    served: Served | None = None
    draining: bool = False

    @property
    def ready(self) -> bool:
        return self.served is not None and not self.draining


class DrainingServer(uvicorn.Server):
    """Ends on SIGTERM with exit code 0: at once not ready, after a while not listening, then with nothing in flight."""

    def __init__(self, config: uvicorn.Config, state: State) -> None:
        super().__init__(config)
        self._state = state

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """Begins the end; a second signal is the end. uvicorn calls this on SIGTERM and SIGINT, amid other code."""
        if self._state.draining:
            os._exit(128 + sig)
        self._state.draining = True
        asyncio.get_running_loop().call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        if self._state.served is None:
            log.info("stopped while loading")
            os._exit(0)  # no request is in flight, and the thread that loads cannot be told to stop
        log.info("draining for %g s", DRAIN_SECONDS)
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._finish)

    def _finish(self) -> None:
        self.should_exit = True
