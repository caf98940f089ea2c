"""The thread that hands buffers to the process that writes them, and tries again until each is written."""

import logging
import threading
from collections.abc import Callable

from perennial_trainer.serve.capture.buffers import Buffer, Buffers
from perennial_trainer.serve.capture.messages import Batch
from perennial_trainer.serve.capture.process import WriteError, WriterProcess

FIRST_PAUSE, LONGEST_PAUSE, CLOSING_PAUSE = 1.0, 60.0, 0.2

log = logging.getLogger(__name__)


class Delivery:
    """Delivers from its start to its end; `written` and `dropped` get numbers of rows."""

    def __init__(
        self,
        buffers: Buffers,
        process: WriterProcess,
        batch: Callable[[Buffer], Batch],
        written: Callable[[int], None],
        dropped: Callable[[str, int], None],
    ) -> None:
        self._buffers, self._process, self._batch = buffers, process, batch
        self._written, self._dropped = written, dropped
        self._closing, self._given_up = threading.Event(), threading.Event()
        self._failing = False
        # A daemon: a volume that hangs must not keep the server from ending.
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Everything that is in memory is written, or counted as dropped after so many seconds."""
        self._closing.set()
        self._buffers.close()
        self._thread.join(seconds)
        self._given_up.set()
        self._process.end()
        self._thread.join(1)
        if left := self._buffers.rows:
            self._dropped("stopped", left)
            log.warning("%d captured rows were not written before the end", left)

    def _run(self) -> None:
        while not self._given_up.is_set() and (buffer := self._buffers.next()):
            try:
                self._deliver(buffer)
            except Exception as error:  # the thread must outlive any buffer
                log.error("a buffer of captured rows is dropped: %s", type(error).__name__)
                self._buffers.remove(buffer)
                self._dropped("error", buffer.rows)

    def _deliver(self, buffer: Buffer) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                self._process.write(self._batch(buffer))
                break
            except WriteError as error:
                if not self._failing:  # once, until it works again
                    log.warning("captured rows cannot be written, and are kept as far as there is room: %s", error)
                self._failing = True
            if self._closing.wait(pause) and self._given_up.wait(CLOSING_PAUSE):
                return
            pause = min(pause * 2, LONGEST_PAUSE)
        if self._failing:
            log.info("captured rows are written again")
        self._failing = False
        self._buffers.remove(buffer)
        self._written(buffer.rows)
