"""Before its first decision the operator has listed every kind, however often a list fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from perennial_operator.core.world import Policy
from perennial_operator.kube import Kube, UnavailableError
from perennial_operator.metrics import Metrics
from perennial_operator.settings import Settings
from perennial_operator.startup import Operator
from perennial_operator.watches import WATCHED
from tests.operator.leaping import run


class Flaky(Kube):
    """Every third call is answered."""

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


def test_a_kind_that_was_listed_is_not_listed_again_because_another_failed() -> None:
    async def story() -> Flaky:
        kube = Flaky()
        operator = Operator(Settings(policy=Policy(trainer_image="trainer:1")), kube, Metrics(), give_up=print)
        await operator._learn()
        assert not operator._unready()
        return kube

    kube = run(story())
    assert kube.listed == dict.fromkeys(WATCHED, 1)
    assert kube.calls == 3 * len(WATCHED)
