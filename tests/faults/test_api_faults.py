"""An API server that fails 5 to 30 % of the calls does not change the outcome of the loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.faulty_api import FaultyApi
from tests.faults.profiles import DEEP
from tests.faults.story import Restarting, ends_like_an_undisturbed_story, play_story
from tests.stage import Stage, chosen_cluster

SWEEP = [(seed, share) for seed, share in enumerate([0.05, 0.1, 0.15, 0.2, 0.25, 0.3] * 2)] if DEEP else [(1, 0.15)]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("seed", "share"), SWEEP)
def test_failing_api_server_does_not_change_the_outcome(
    seed: int, share: float, tmp_path: Path, counted: Callable[[str], None]
) -> None:
    proxies: list[FaultyApi] = []

    def through(kubeconfig: Path) -> Path:
        if not proxies:
            proxies.append(FaultyApi(kubeconfig, tmp_path, seed, share))
            proxies[0].__enter__()
        return proxies[0].kubeconfig

    with Stage(
        tmp_path / "stage", cluster=chosen_cluster(), namespace=f"faults-api-{seed}", operator=False, through=through
    ) as stage:
        with Restarting(stage) as operator:
            play_story(stage, "tried")
            ends_like_an_undisturbed_story(stage, "tried")
        (proxy,) = proxies
        proxy.__exit__()
    faults = ", ".join(f"{fault} {count}" for fault, count in sorted(proxy.met.items()))
    counted(f"{proxy.met.total()} faults in {proxy.calls} calls ({faults}); {operator.restarts} restarts")
    assert proxy.met.total() >= share * proxy.calls / 2
