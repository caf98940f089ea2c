"""Operators share the shards, and no two of them ever act for one namespace."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import pytest

from perennial_operator.cluster.client import Kube
from perennial_operator.cluster.errors import ConflictError, ExistsError, UnavailableError
from perennial_operator.core.shards import shard_of
from perennial_operator.election import Election
from perennial_operator.lease import TERMS, LostLeaseError
from tests.operator.fake_clock import run

NAMESPACES = [f"team-{number}" for number in range(60)]
LONG = 60.0
"""Seconds until the shards are shared."""
TAKEOVER = TERMS.duration + 2 * TERMS.renew_every


class Server:
    """The Leases, as an API server stores them."""

    def __init__(self) -> None:
        self.leases: dict[str, dict[str, Any]] = {}
        self.version = itertools.count(1)


class Connection(Kube):
    """One operator's connection, which may be cut."""

    def __init__(self, server: Server) -> None:
        self.server, self.cut = server, False

    async def _respond(self) -> None:
        await asyncio.sleep(0.01)
        if self.cut:
            raise UnavailableError("Unavailable", "no route")

    async def get(self, kind: str, namespace: str, name: str) -> Any:
        await self._respond()
        return self.server.leases.get(name)

    async def create(self, manifest: Mapping[str, Any]) -> Any:
        await self._respond()
        name = manifest["metadata"]["name"]
        if name in self.server.leases:
            raise ExistsError("AlreadyExists", name)
        self._store(name, manifest["spec"], {})

    async def merge(self, kind: str, namespace: str, name: str, patch: Mapping[str, Any]) -> Any:
        await self._respond()
        old, metadata = self.server.leases[name], patch["metadata"]
        if metadata.get("resourceVersion", old["metadata"]["resourceVersion"]) != old["metadata"]["resourceVersion"]:
            raise ConflictError("Conflict", name)
        annotations = old["metadata"]["annotations"] | metadata["annotations"]
        self._store(name, old["spec"] | patch.get("spec", {}), {k: v for k, v in annotations.items() if v})

    def _store(self, name: str, spec: Mapping[str, Any], annotations: Mapping[str, Any]) -> None:
        metadata = {"uid": name, "resourceVersion": str(next(self.server.version)), "annotations": annotations}
        self.server.leases[name] = {"metadata": metadata, "spec": dict(spec)}


class Fleet:
    """Operators, and which of them acts for which namespace."""

    def __init__(self) -> None:
        self.server, self.acts = Server(), dict[str, str]()
        self.lives: dict[str, asyncio.Task[None]] = {}
        self.connections: dict[str, Connection] = {}
        self.elections: dict[str, Election] = {}

    def start(self, *names: str, shards: int = 3) -> None:
        for name in names:
            self.connections[name] = Connection(self.server)
            self.elections[name] = self._election(name, shards)
            self.lives[name] = asyncio.create_task(self._live(name))

    def _election(self, name: str, shards: int) -> Election:
        async def begin(numbers: Sequence[int]) -> None:
            for namespace in NAMESPACES:
                if shard_of(namespace, shards) in numbers:
                    assert namespace not in self.acts, f"{name} and {self.acts[namespace]} act for {namespace}"
                    self.acts[namespace] = name

        async def end(number: int) -> None:
            await asyncio.sleep(1)  # passes end
            for namespace in NAMESPACES:
                if shard_of(namespace, shards) == number:
                    del self.acts[namespace]

        return Election(self.connections[name], "system", name, shards, begin, end)

    async def _live(self, name: str) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.elections[name].run(tasks))
        except* LostLeaseError:
            pass
        finally:
            self.acts = {namespace: acting for namespace, acting in self.acts.items() if acting != name}

    async def kill(self, name: str) -> None:
        self.lives[name].cancel()
        await asyncio.gather(self.lives[name], return_exceptions=True)

    async def stop(self, name: str) -> None:
        await self.kill(name)
        await self.elections[name].release()

    def shares(self, shards: int = 3) -> dict[str, int]:
        """Operator → how many shards it acts for; every namespace has an operator."""
        assert set(self.acts) == set(NAMESPACES)
        return dict(Counter({shard_of(name, shards): self.acts[name] for name in NAMESPACES}.values()))

    async def end(self) -> None:
        for name, life in self.lives.items():
            if life.done() and not life.cancelled():
                life.result()  # what two that act for one namespace raise
            await self.kill(name)


def played(story: Callable[[Fleet], Coroutine[Any, Any, None]]) -> None:
    async def play() -> None:
        fleet = Fleet()
        await story(fleet)
        await fleet.end()

    run(play())


@pytest.mark.parametrize(
    ("names", "shards", "shares"),
    [
        ("one", 1, [1]),
        ("one", 3, [3]),
        ("one two", 1, [1]),
        ("one two", 3, [1, 2]),
        ("one two three", 3, [1, 1, 1]),
        ("one two three four", 3, [1, 1, 1]),
    ],
)
def test_operators_share_the_shards(names: str, shards: int, shares: list[int]) -> None:
    async def story(fleet: Fleet) -> None:
        fleet.start(*names.split(), shards=shards)
        await asyncio.sleep(LONG)
        assert sorted(fleet.shares(shards).values()) == shares

    played(story)


def test_shard_of_a_killed_operator_is_taken_over_and_shared() -> None:
    async def story(fleet: Fleet) -> None:
        fleet.start("one", "two", "three")
        await asyncio.sleep(LONG)
        await fleet.kill("two")
        await asyncio.sleep(TAKEOVER)
        assert sorted(fleet.shares().values()) == [1, 2]
        fleet.start("new")
        await asyncio.sleep(LONG)
        assert fleet.shares() == {"one": 1, "three": 1, "new": 1}

    played(story)


def test_operators_that_stop_hand_over_at_once() -> None:
    """As in a roll-out of the Deployment: a new operator is started before an old one is stopped."""

    async def story(fleet: Fleet) -> None:
        fleet.start("one", "two", "three")
        await asyncio.sleep(LONG)
        for old, new in (("one", "four"), ("two", "five"), ("three", "six")):
            fleet.start(new)
            await asyncio.sleep(TERMS.renew_every)
            await fleet.stop(old)
            await asyncio.sleep(2 * TERMS.renew_every)
            assert set(fleet.acts) == set(NAMESPACES)
        assert fleet.shares() == {"four": 1, "five": 1, "six": 1}

    played(story)


def test_operator_without_connection_stops_before_another_acts() -> None:
    async def story(fleet: Fleet) -> None:
        fleet.start("one", "two", "three")
        await asyncio.sleep(LONG)
        fleet.connections["one"].cut = True
        await asyncio.sleep(TAKEOVER)
        assert fleet.lives["one"].done()
        assert "one" not in fleet.shares()

    played(story)


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (3, 5)])
def test_another_number_of_shards_begins_when_the_old_has_ended(before: int, after: int) -> None:
    """Also while operators of both run, in a roll-out that is slow."""

    async def story(fleet: Fleet) -> None:
        fleet.start("one", "two", shards=before)
        await asyncio.sleep(LONG)
        fleet.start("three", "four", shards=after)
        await asyncio.sleep(LONG)
        assert not {"three", "four"} & set(fleet.acts.values())
        await fleet.stop("one")
        await asyncio.sleep(LONG)
        assert set(fleet.acts.values()) in ({"two"}, {"three", "four"})
        await fleet.kill("two")
        await asyncio.sleep(LONG)
        assert set(fleet.shares(after)) <= {"three", "four"}

    played(story)


def test_operator_that_asked_and_died_costs_one_lease_time() -> None:
    async def story(fleet: Fleet) -> None:
        fleet.start("one")
        await asyncio.sleep(LONG)
        fleet.start("two")
        while not any(lease["metadata"]["annotations"] for lease in fleet.server.leases.values()):
            await asyncio.sleep(0.1)
        await fleet.kill("two")
        await asyncio.sleep(TERMS.renew_every + TAKEOVER)
        assert fleet.shares() == {"one": 3}

    played(story)
