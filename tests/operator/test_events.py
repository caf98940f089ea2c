"""Which events announce a decision."""

from __future__ import annotations

import pytest

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.core.actions import Announcement
from perennial_operator.reconcile.events import announce
from tests.builders import SPEC, a_body
from tests.simulation.client import Client
from tests.simulation.objects import Body
from tests.simulation.operator import run


class Events(Client):
    """A client that keeps the names of the events."""

    async def create(self, manifest: Body) -> Body:  # type: ignore[override]
        self.calls[manifest["metadata"]["name"]] += 1
        return manifest


@pytest.mark.parametrize("name", ["r" * 253, "r" * 235 + "." + "r" * 17])
def test_event_of_the_longest_name_has_a_name(name: str) -> None:
    cache, events = Cache(), Events()
    cache.put(a_body("ModelDeployment", "bike", SPEC))
    cache.put(a_body("DriftReport", name, {"modelDeployment": "bike", "samples": 1}))
    run(announce(events, cache, Key("default", "bike"), ("DriftReport", name), Announcement("BadData", "late rows")))
    of_report, of_model = events.calls
    assert (len(of_report) <= 253, ".." in of_report) == (True, False)
    assert of_model.startswith("bike.")
