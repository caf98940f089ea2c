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
from perennial_operator.core.world import Policy
from perennial_operator.settings import Settings
from perennial_operator.telemetry.metrics import Metrics
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
        await operator._list_all()
        assert not operator._unready()
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


@pytest.mark.parametrize(("holder", "times"), [("another", 1), ("", 0)])
def test_standby_lists_again_before_it_acts(holder: str, times: int) -> None:
    """While it waited, the watches did not report the outcomes of final reports."""

    async def story() -> Succession:
        kube = Succession(holder)
        settings = Settings(policy=Policy(trainer_image="trainer:1"), lease_namespace="perennial", resync_seconds=1e9)
        operator = Operator(settings, kube, Metrics(), give_up=print)
        await operator._list_all()
        acts = asyncio.create_task(operator._run())
        while not operator._leads:
            await asyncio.sleep(1)
        acts.cancel()
        return kube

    assert run(story()).listed == Counter(dict.fromkeys(WATCHED, times))
