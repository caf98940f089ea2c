"""Before its first decision the operator has listed every kind, however often a list fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from perennial_operator.app import Operator
from perennial_operator.cluster.client import Kube
from perennial_operator.cluster.errors import UnavailableError
from perennial_operator.cluster.watches import WATCHED
from perennial_operator.core.shards import shard_of
from perennial_operator.core.world import Policy
from perennial_operator.settings import Settings
from perennial_operator.telemetry.metrics import Metrics
from tests.builders import SPEC, a_body
from tests.operator.fake_clock import run


class Flaky(Kube):
    """Every third call succeeds."""

    def __init__(self) -> None:
        self.calls, self.listed = 0, Counter[str]()

    async def pages(
        self, kind: str, namespace: str | None = None, selector: str = ""
    ) -> AsyncIterator[tuple[list[Any], str]]:
        self.calls += 1
        if self.calls % 3:
            raise UnavailableError("Unavailable", "the API server did not answer")
        self.listed[kind] += 1
        yield [], "1"


def test_listed_kind_is_not_listed_again_after_a_failure() -> None:
    async def story() -> Flaky:
        kube = Flaky()
        operator = Operator(Settings(policy=Policy(trainer_image="trainer:1")), kube, Metrics(), give_up=print)
        await operator._list_all({})
        return kube

    kube = run(story())
    assert kube.listed == dict.fromkeys(WATCHED, 1)
    assert kube.calls == 3 * len(WATCHED)


class Succession(Flaky):
    """Every call succeeds; another operator holds the Lease and does not renew it. Lists count from its takeover."""

    def __init__(self, holder: str) -> None:
        super().__init__()
        spec = {"holderIdentity": holder}
        self.lease = {"metadata": {"uid": "lease", "resourceVersion": "1"}, "spec": spec}

    async def pages(
        self, kind: str, namespace: str | None = None, selector: str = ""
    ) -> AsyncIterator[tuple[list[Any], str]]:
        self.listed[kind] += 1
        yield [], "1"

    async def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        return self.lease

    async def merge(self, kind: str, namespace: str, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        self.lease["spec"] |= patch["spec"]
        self.listed.clear()
        return self.lease


@pytest.mark.parametrize("holder", ["another", ""])
def test_operator_lists_after_it_got_the_lease(holder: str) -> None:
    """What it knew before may be outdated: the watches do not report the outcomes of final reports."""

    async def story() -> Succession:
        kube = Succession(holder)
        settings = Settings(policy=Policy(trainer_image="trainer:1"), lease_namespace="perennial", resync_seconds=1e9)
        operator = Operator(settings, kube, Metrics(), give_up=print)
        acts = asyncio.create_task(operator._run())
        await operator._listed.wait()
        acts.cancel()
        await asyncio.gather(acts, return_exceptions=True)
        return kube

    assert run(story()).listed == Counter(dict.fromkeys(WATCHED, 1))


def test_operator_knows_nothing_of_shards_of_others() -> None:
    class Full(Succession):
        async def pages(
            self, kind: str, namespace: str | None = None, selector: str = ""
        ) -> AsyncIterator[tuple[list[Any], str]]:
            yield [{**body, "kind": kind} for body in bodies if kind == "ModelDeployment"], "1"

    namespaces = [f"team-{number}" for number in range(20)]
    bodies = [a_body("ModelDeployment", "bike", SPEC, namespace=name, uid=name) for name in namespaces]

    async def story() -> set[str]:
        settings = Settings(policy=Policy(trainer_image="trainer:1", max_trainings=10), shards=3)
        operator = Operator(settings, Full(""), Metrics(), give_up=print)
        operator._shards[1] = operator._shard(1)
        await operator._list_all(operator._shards)
        for body in bodies:
            operator.handle_event("MODIFIED", body)
        return {key.namespace for key in operator._shards[1].cache.all_keys()}

    assert run(story()) == {name for name in namespaces if shard_of(name, 3) == 1}
