"""One pass per key at a time, bursts coalesced, failures backed off: on a simulated clock."""

from __future__ import annotations

import asyncio
import random

import pytest

from perennial_operator.cluster.cache_entry import Key
from perennial_operator.reconcile.workqueue import LATER, SOON, Pause, WorkQueue
from tests.operator.fake_clock import run

A, B, C = (Key("default", name) for name in "abc")
AT_ONCE = 0.001
"""Seconds that count as immediately on the simulated clock."""


def now() -> float:
    return asyncio.get_running_loop().time()


async def taken_at(queue: WorkQueue, key: Key) -> float:
    """When the key is returned next."""
    assert await queue.take() == key
    return now()


async def nothing_for(queue: WorkQueue, seconds: float) -> None:
    """No key is returned for so long."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.take(), seconds)


def test_burst_of_wakes_is_one_pass() -> None:
    async def story() -> None:
        queue = WorkQueue()
        for _ in range(100):
            queue.wake(A)
        queue.done(await queue.take())
        await nothing_for(queue, 10)

    run(story())


def test_wake_during_a_pass_causes_one_more_pass() -> None:
    async def story() -> None:
        queue = WorkQueue()
        queue.wake(A)
        key = await queue.take()
        queue.wake(A)
        queue.wake(A)
        await nothing_for(queue, 10)
        queue.done(key)
        assert await queue.take() == A
        queue.done(A)
        await nothing_for(queue, 10)

    run(story())


def test_keys_are_processed_in_order_without_starvation() -> None:
    async def story() -> None:
        queue = WorkQueue()
        for key in (A, B, C):
            queue.wake(key)
        order = []
        for _ in range(6):
            order.append(key := await queue.take())
            queue.wake(key)
            queue.done(key)
        assert order == [A, B, C, A, B, C]

    run(story())


def test_earliest_alarm_wakes_its_key() -> None:
    async def story() -> None:
        queue = WorkQueue()
        queue.wake_in(A, 50)
        queue.wake_in(A, 20)
        queue.wake_in(A, 30)
        queue.wake_in(B, 25)
        assert await taken_at(queue, A) == pytest.approx(20)
        assert await taken_at(queue, B) == pytest.approx(25)
        queue.done(A)
        queue.done(B)
        await nothing_for(queue, 100)

    run(story())


def test_earlier_alarm_wakes_a_waiting_worker() -> None:
    async def story() -> None:
        queue = WorkQueue()
        queue.wake_in(A, 1000)
        waiting = asyncio.create_task(queue.take())
        await asyncio.sleep(1)
        queue.wake_in(B, 1)
        assert await waiting == B
        assert now() == pytest.approx(2)

    run(story())


@pytest.mark.parametrize("pause", [SOON, LATER])
def test_failed_pass_is_repeated_after_a_doubling_pause(pause: Pause) -> None:
    async def story() -> None:
        queue = WorkQueue()
        queue.wake(A)
        pauses, before = [], 0.0
        for _ in range(2000):
            at = await taken_at(queue, A)
            pauses.append(at - before)
            before = at
            queue.done(A, pause)
        assert pauses[0] < AT_ONCE
        assert pauses[1:4] == pytest.approx([pause.first, 2 * pause.first, 4 * pause.first])
        assert pauses[-1] == pytest.approx(pause.longest)

    run(story())


def test_successful_pass_resets_the_pause() -> None:
    async def story() -> None:
        queue = WorkQueue()
        queue.wake(A)
        for _ in range(5):
            queue.done(await queue.take(), LATER)
        queue.done(await queue.take())
        queue.wake(A)
        queue.done(await queue.take(), LATER)
        failed = now()
        assert await taken_at(queue, A) - failed == pytest.approx(LATER.first)

    run(story())


def test_wake_during_a_failing_pass_skips_the_pause() -> None:
    async def story() -> None:
        queue = WorkQueue()
        queue.wake(A)
        for _ in range(8):
            queue.done(await queue.take(), LATER)
        await queue.take()
        at = now()
        queue.wake(A)
        queue.done(A, LATER)
        assert await taken_at(queue, A) - at < AT_ONCE

    run(story())


def test_pass_cancels_its_alarm_and_sets_the_next() -> None:
    async def story() -> None:
        queue = WorkQueue()
        queue.wake_in(A, 10)
        queue.wake(A)
        await queue.take()
        queue.wake_in(A, 30)
        queue.done(A)
        assert await taken_at(queue, A) == pytest.approx(30)

    run(story())


def test_replaced_alarms_do_not_accumulate() -> None:
    async def story() -> None:
        queue = WorkQueue()
        for _ in range(10_000):
            queue.wake_in(A, 1e6)
            queue.wake(A)
            queue.done(await queue.take())
            await asyncio.sleep(0)
        queue.wake_in(A, 1e6)
        assert len(asyncio.get_running_loop()._scheduled) < 500  # type: ignore[attr-defined]
        assert await taken_at(queue, A) == pytest.approx(1e6)

    run(story())


def test_no_key_has_two_passes_and_no_wake_is_lost() -> None:
    async def story() -> None:
        queue, running = WorkQueue(), set[Key]()
        keys = [Key("default", str(number)) for number in range(20)]
        luck = random.Random(7)
        woken: dict[Key, float] = {}
        taken: dict[Key, float] = {}

        async def work() -> None:
            while True:
                key = await queue.take()
                assert key not in running
                running.add(key)
                taken[key] = now()
                await asyncio.sleep(luck.random())
                running.discard(key)
                queue.done(key, luck.choice([None, SOON, LATER]))

        async def disturb() -> None:
            for _ in range(2000):
                key = luck.choice(keys)
                woken[key] = now()
                luck.choice([queue.wake, lambda k: queue.wake_in(k, luck.random())])(key)
                await asyncio.sleep(luck.random() / 50)

        workers = [asyncio.create_task(work()) for _ in range(4)]
        await disturb()
        await asyncio.sleep(3600)
        assert not any(worker.done() for worker in workers)
        assert len(queue) == 0
        assert all(taken[key] >= woken[key] for key in woken)
        for worker in workers:
            worker.cancel()

    run(story())
