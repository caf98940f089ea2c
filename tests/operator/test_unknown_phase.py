"""A ModelVersion in a phase that this operator does not know stops its ModelDeployment, which reports it."""

from __future__ import annotations

from tests.builders import merged
from tests.fuzz.test_operator import DEPLOYMENT, REPORT, SERVING, VERSION, passed


def test_unknown_phase_is_a_condition_and_stops_actions() -> None:
    version = merged(VERSION, {"status": {"phase": "Hibernating"}})
    operator = passed(DEPLOYMENT, version, REPORT, SERVING)
    (stalled,) = (c for c in operator.status("ModelDeployment", "bike")["conditions"] if c["type"] == "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "UnknownPhase")
    assert "ModelVersion bike-v1: status.phase" in stalled["message"]
    assert "upgrade the operator, or restore the status" in stalled["message"]
    assert operator.status("ModelVersion", "bike-v1")["phase"] == "Hibernating"
