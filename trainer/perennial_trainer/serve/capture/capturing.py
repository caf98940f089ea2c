"""Captures what a served version answers. No request waits for it, and none fails because of it."""

import logging
import os
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from perennial_trainer.captured import layout
from perennial_trainer.captured.keys import SECRET
from perennial_trainer.contract.capture.settings import Capture as Settings
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import ServeTask
from perennial_trainer.serve.capture.buffers import AGE_SECONDS, Buffer, Buffers
from perennial_trainer.serve.capture.chosen import Chooser, Chosen
from perennial_trainer.serve.capture.columns import Columns
from perennial_trainer.serve.capture.delivery import Delivery
from perennial_trainer.serve.capture.messages import Batch, Column
from perennial_trainer.serve.capture.process import PREFIX, WriterProcess, environment
from perennial_trainer.serve.limits import MIB, WRITER_MEMORY
from perennial_trainer.serve.metrics import Metrics
from perennial_trainer.serve.predictor import Outputs, Predictor
from perennial_trainer.serve.protocol import Inference

MOST, LEAST = 16 * MIB, 2 * MIB
WRITE_SECONDS = 120.0
CLOSE_SECONDS = 4.0
"""With the other times of a shutdown it fits into the usual grace period of 30 s."""

log = logging.getLogger(__name__)


class Capture:
    """Takes rows from its start to its end."""

    def __init__(
        self,
        task: ServeTask,
        settings: Settings,
        secret: bytes,
        predictor: Predictor,
        metrics: Metrics,
        bound: int,
        age: float,
    ) -> None:
        self._settings, self._metrics, self._failed = settings, metrics, False
        self.memory = bound + WRITER_MEMORY
        classes: Sequence[Any] = predictor.classes
        chances = "predict_proba" in predictor.outputs
        self._columns = Columns(task.model.features, settings.exclude, classes, chances=chances)
        self._chooser = Chooser(settings, secret)
        self._buffers = Buffers(bound, age)
        self._constants: dict[str, str | float] = {
            layout.VERSION: task.version,
            layout.WEIGHT: 1 / settings.share if settings.share else 0.0,
        }
        self._pod, self._started = socket.gethostname(), f"{int(time.time())}-{os.getpid()}"
        self._delivery = Delivery(
            self._buffers,
            WriterProcess(WRITE_SECONDS),
            self._batch,
            metrics.count_captured,
            metrics.count_capture_dropped,
        )
        metrics.capturing(lambda: self._buffers.rows)

    def start(self) -> None:
        self._delivery.start()

    def choose(self, inference: Inference) -> tuple[Inference, Chosen | None]:
        """The request, with an id if it needs one, and its rows that are captured, if any."""
        return self._chooser.choose(inference)

    def add(self, chosen: Chosen, inference: Inference, parts: Sequence[Outputs], port: int | None) -> None:
        """The rows are in memory, or counted as dropped."""
        try:
            shadow = port is not None and port == self._settings.shadow_port
            if self._buffers.add(self._columns.rows(chosen, inference, parts, shadow)):
                self._metrics.count_waiting()
                return
            reason = "full"
        except Exception as error:  # the request is answered; its values must not get into the log
            if not self._failed:
                log.error("rows of requests cannot be captured: %s", type(error).__name__)
            self._failed, reason = True, "error"
        self._metrics.count_capture_dropped(reason, len(chosen.keys))

    def flush(self) -> None:
        """What is in memory is written as soon as possible."""
        self._buffers.flush()

    def close(self) -> None:
        """What is in memory is written, if that is possible in time."""
        self._delivery.close(CLOSE_SECONDS)

    def _batch(self, buffer: Buffer) -> Batch:
        columns = [
            Column(name, kind, bytes(content), bytes(lengths))
            for (name, kind), content, lengths in zip(self._columns.kinds, buffer.contents, buffer.lengths, strict=True)
        ]
        metadata = {
            layout.METADATA_FORMAT: layout.FORMAT.encode(),
            layout.METADATA_POD: self._pod.encode(),
            layout.METADATA_PROCESS: self._started.encode(),
            layout.METADATA_SEQUENCE: str(buffer.sequence).encode(),
        }
        name = layout.file_name(self._pod, self._started, buffer.sequence)
        folder = layout.hour_folder(self._settings.storage, datetime.fromtimestamp(buffer.at // 1_000_000, UTC))
        return Batch(folder, name, buffer.rows, columns, self._constants, metadata)


def start_capture(
    task: ServeTask, settings: Settings, predictor: Predictor, metrics: Metrics, free: int | None
) -> Capture | None:
    """Captures from now on, if the environment has the secret."""
    secret = environment(os.environ).get(SECRET, "")
    if not secret:
        log.error(
            "requests are served and not captured: the Secret of serving.capture.secretRef has no key %s; "
            "add one, with at least 16 random characters (here it is the variable %s%s)",
            SECRET,
            PREFIX,
            SECRET,
        )
        return None
    bound = MOST if free is None else max(min(free // 32, MOST), LEAST)
    capture = Capture(task, settings, secret.encode(), predictor, metrics, bound, _age())
    capture.start()
    log.info("captures a share of %g of the requests, with at most %d bytes in memory", settings.share, bound)
    return capture


def _age() -> float:
    text = os.environ.get("PERENNIAL_CAPTURE_SECONDS", str(AGE_SECONDS))
    try:
        return min(max(float(text), 0.1), 3600.0)
    except ValueError:
        raise RejectedTask(
            "InvalidTask", f"PERENNIAL_CAPTURE_SECONDS is {text[:40]}: give a number of seconds, such as 60"
        ) from None
