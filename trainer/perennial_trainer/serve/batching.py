"""Which requests share one predict: those that queued up while the last one ran.

A pipeline's call costs about the same for one row as for a hundred, so sharing it is what makes the server fast. There
is no timer: a lone request is never held back, and the busier the model, the larger its batches become by themselves.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class QueueFullError(Exception):
    """As much is waiting as may wait; the request was not taken."""


class _Waiting(NamedTuple, Generic[Question, Answer]):
    question: Question
    answer: "asyncio.Future[Answer]"


class Batcher(Generic[Question, Answer]):
    """Answers each submitted question; `predict` is called by one thread at a time, with one or more questions.

    At most `limit` waits for the next call, in the unit of `size`; one larger than that is taken when none waits.
    `on_batch` is told how many questions share each call.
    """

    def __init__(
        self,
        predict: Callable[[Sequence[Question]], Sequence[Answer]],
        *,
        size: Callable[[Question], int],
        limit: int,
        on_batch: Callable[[int], None],
    ) -> None:
        self._predict = predict
        self._size = size
        self._limit = limit
        self._on_batch = on_batch
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="predict")
        self._waiting: list[_Waiting[Question, Answer]] = []
        self._waiting_size = 0
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, question: Question) -> Answer:
        """Returns the answer, or raises what `predict` raised for this question alone, or QueueFullError."""
        size = self._size(question)
        if self._waiting and self._waiting_size + size > self._limit:
            raise QueueFullError
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(question, answer))
        self._waiting_size += size
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting, self._waiting_size = self._waiting, [], 0
            self._on_batch(len(batch))
            answers = await loop.run_in_executor(self._thread, self._answers, [waiting.question for waiting in batch])
            for waiting, answer in zip(batch, answers, strict=True):
                if waiting.answer.done():  # cancelled: nobody waits for it any more
                    continue
                if isinstance(answer, Exception):
                    waiting.answer.set_exception(answer)
                else:
                    waiting.answer.set_result(answer)
        self._worker = None

    def _answers(self, questions: Sequence[Question]) -> Sequence[Answer | Exception]:
        """An answer or an error for each: when a batch fails, each is tried alone: a bad one hurts no other."""
        try:
            return self._predict(questions)
        except BaseException as error:  # whatever a model raises, SystemExit too, the server goes on
            if len(questions) > 1:
                return [answer for question in questions for answer in self._answers([question])]
            if isinstance(error, Exception) and not isinstance(error, StopIteration):
                return [error]
            return [RuntimeError(f"{type(error).__name__} was raised").with_traceback(error.__traceback__)]
