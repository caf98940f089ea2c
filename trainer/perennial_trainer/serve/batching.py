"""Requests that arrive while a call of `predict` runs share the next call.

A call of a pipeline costs about the same for one row as for a hundred, so sharing it makes the server fast. The
queue has no timer, so a single request never waits; the busier the model, the larger its batches.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

Input = TypeVar("Input")
Output = TypeVar("Output")


class QueueFullError(Exception):
    """The queue is full; the request was not accepted."""


class _Waiting(NamedTuple, Generic[Input, Output]):
    input: Input
    size: int
    output: "asyncio.Future[Output]"


class Batcher(Generic[Input, Output]):
    """Predicts each submitted request; one thread calls `predict`, with one or more requests at a time.

    At most `limit` waits for the next call, in the unit of `size`, and at most `requests`; a larger request is accepted
    if none waits. A call has at most `batch` in the same unit, or one request. `on_batch` is called with the number of
    requests in each call.
    """

    def __init__(
        self,
        predict: Callable[[Sequence[Input]], Sequence[Output]],
        *,
        size: Callable[[Input], int],
        limit: int,
        requests: int,
        batch: int,
        on_batch: Callable[[int], None],
    ) -> None:
        self._predict = predict
        self._size = size
        self._limit = limit
        self._requests = requests
        self._batch = batch
        self._on_batch = on_batch
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="predict")
        self._waiting: list[_Waiting[Input, Output]] = []
        self._waiting_size = 0
        self._worker: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> bool:
        """Whether a request waits for the next call."""
        return bool(self._waiting)

    async def submit(self, input_: Input) -> Output:
        """The output, or raises what `predict` raised for this request alone, or QueueFullError."""
        size = self._size(input_)
        full = len(self._waiting) >= self._requests or self._waiting_size + size > self._limit
        if self._waiting and full:
            raise QueueFullError
        output: asyncio.Future[Output] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(input_, size, output))
        self._waiting_size += size
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await output

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = self._next_batch()
            self._on_batch(len(batch))
            outputs = await loop.run_in_executor(self._thread, self._predict_each, [waiting.input for waiting in batch])
            for waiting, output in zip(batch, outputs, strict=True):
                if waiting.output.done():  # cancelled: its client is gone
                    continue
                if isinstance(output, Exception):
                    waiting.output.set_exception(output)
                else:
                    waiting.output.set_result(output)
        self._worker = None

    def _next_batch(self) -> list[_Waiting[Input, Output]]:
        """The requests that have waited longest, which leave the queue."""
        size = count = 0
        while count < len(self._waiting) and (count == 0 or size + self._waiting[count].size <= self._batch):
            size += self._waiting[count].size
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self._waiting_size -= size
        return batch

    def _predict_each(self, inputs: Sequence[Input]) -> Sequence[Output | Exception]:
        """An output or an error for each request. A batch that fails is halved until the failing requests are alone."""
        try:
            return self._predict(inputs)
        except BaseException as error:  # also SystemExit: whatever a model raises, the server continues
            if len(inputs) > 1:
                half = len(inputs) // 2
                return [*self._predict_each(inputs[:half]), *self._predict_each(inputs[half:])]
            if isinstance(error, Exception) and not isinstance(error, StopIteration):
                return [error]
            return [RuntimeError(f"{type(error).__name__} was raised").with_traceback(error.__traceback__)]
