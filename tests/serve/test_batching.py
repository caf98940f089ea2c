"""Requests share a predict, and neither a bad one nor too many of them hurt the others."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from perennial_trainer.serve.batching import Batcher, QueueFullError


class Doubling:
    """Doubles numbers; refuses 13 and any batch with it. Each call waits for the gate, and is remembered."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.calls: list[list[int]] = []
        self.error: BaseException = ValueError("13")

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.entered.set()
        self.gate.wait()
        self.calls.append(list(numbers))
        if 13 in numbers:
            raise self.error
        return [2 * number for number in numbers]


async def after_the_first(
    predict: Doubling, numbers: list[int], limit: int = 1000, batch: int = 1000
) -> list[int | BaseException]:
    """The answers for 1, which is predicted alone, and for the numbers, which all arrive meanwhile."""
    batcher = Batcher(predict, size=abs, limit=limit, requests=100, batch=batch, on_batch=lambda _: None)
    first = asyncio.create_task(batcher.submit(1))
    await asyncio.to_thread(predict.entered.wait)
    others = [asyncio.create_task(batcher.submit(number)) for number in numbers]
    await asyncio.sleep(0)  # each has run until it waits
    predict.gate.set()
    return await asyncio.gather(first, *others, return_exceptions=True)


def test_what_arrives_during_a_predict_shares_the_next_one() -> None:
    predict = Doubling()
    assert asyncio.run(after_the_first(predict, [2, 3, 4])) == [2, 4, 6, 8]
    assert predict.calls == [[1], [2, 3, 4]]


@pytest.mark.parametrize("error", [ValueError("13"), SystemExit(1), StopIteration(), MemoryError()])
def test_a_bad_request_fails_alone(error: BaseException) -> None:
    predict = Doubling()
    predict.error = error
    first, two, bad, four = asyncio.run(after_the_first(predict, [2, 13, 4]))
    assert (first, two, four) == (2, 4, 8)
    assert isinstance(bad, Exception)
    assert predict.calls == [[1], [2, 13, 4], [2], [13, 4], [13], [4]]


def test_more_than_may_wait_is_refused_and_the_rest_is_answered() -> None:
    predict = Doubling()
    *answers, refused, small = asyncio.run(after_the_first(predict, [40, 50, 11, 10], limit=100))
    assert answers == [2, 80, 100]
    assert isinstance(refused, QueueFullError)
    assert small == 20


def test_a_failing_batch_is_halved_until_one_request_fails() -> None:
    predict = Doubling()
    numbers = [13 if i == 40 else 100 for i in range(64)]
    answers = asyncio.run(after_the_first(predict, numbers, limit=10_000, batch=10_000))
    assert sum(isinstance(answer, Exception) for answer in answers) == 1
    assert len(predict.calls) == 1 + 1 + 2 * 6  # the first request, the batch, and two halves at each of log2(64) steps


def test_a_call_has_at_most_a_batch_and_the_rest_waits() -> None:
    predict = Doubling()
    assert asyncio.run(after_the_first(predict, [40, 50, 60, 10, 200], batch=100)) == [2, 80, 100, 120, 20, 400]
    assert predict.calls == [[1], [40, 50], [60, 10], [200]]


def test_a_large_request_is_accepted_if_the_queue_is_empty() -> None:
    assert asyncio.run(after_the_first(Doubling(), [101], limit=100)) == [2, 202]


def test_an_idle_batcher_starts_again() -> None:
    async def one_after_the_other() -> list[int]:
        predict = Doubling()
        predict.gate.set()
        batcher = Batcher(predict, size=abs, limit=10, requests=10, batch=10, on_batch=lambda _: None)
        return [await batcher.submit(number) for number in (1, 2, 3)]

    assert asyncio.run(one_after_the_other()) == [2, 4, 6]
