"""A short loop that faults may disturb (a first version, drift, a second version in two steps), and its expected end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Self

from tests.builders import merged
from tests.contract.test_own_trainer import CUSTOM, targets
from tests.e2e.models import a_claim, a_model, a_report, a_table
from tests.stage import Stage

SPEC = merged(
    CUSTOM,
    {
        "rollout": {"steps": [{"weight": 50, "hold": "1s"}], "timeout": "5m"},
        "serving": {"replicas": 2},
        "training": {"retries": 4},
        "drift": {"thresholds": [{"metric": "psi", "max": 0.2}], "cooldown": "1s"},
    },
)
FIRST, BOTH = {"0.csv": targets(10, 0)}, {"0.csv": targets(10, 0), "1.csv": targets(30, 1)}
PATIENCE = 240.0
"""Timeout in seconds for a step of the story under faults."""


def begin(stage: Stage, name: str, spec: Mapping[str, Any] = {}) -> None:
    stage.apply(a_table(f"{name}-data", FIRST), a_claim(f"{name}-models"), a_model(name, merged(SPEC, spec)))
    stage.until_phase(f"{name}-v1", "Live", timeout=PATIENCE)


def drift(stage: Stage, name: str) -> None:
    stage.apply(a_table(f"{name}-data", BOTH), a_report(f"{name}-drifts", name))


def play_story(stage: Stage, name: str, between: Callable[[], None] = lambda: None) -> None:
    """The whole story; `between` comes while the second version is in progress."""
    begin(stage, name)
    drift(stage, name)
    between()
    stage.until_phase(f"{name}-v2", "Live", timeout=PATIENCE)


def ends_like_an_undisturbed_story(stage: Stage, name: str) -> None:
    """Two versions, four Jobs, one Deployment, one report with its outcome, each once, and the statuses report it."""
    stage.wait("only the second version serves", lambda: stage.serves_alone(f"{name}-v2"), PATIENCE)
    stage.wait("it is Ready", lambda: stage.condition(name, "Ready").get("status") == "True", PATIENCE)
    stage.wait("the first is superseded", lambda: stage.version(f"{name}-v1")["phase"] == "Superseded", PATIENCE)
    mine = f"perennial.dev/model-deployment={name}"
    assert [each["metadata"]["name"] for each in stage.kubectl.list("ModelVersion", mine)] == [
        f"{name}-v1",
        f"{name}-v2",
    ]
    stage.wait("the ledger has the second version", lambda: "recorded" in stage.version(f"{name}-v2"), PATIENCE)
    jobs = sorted(job["metadata"]["name"] for job in stage.kubectl.list("Job", mine))
    jobs = [job for job in jobs if not job.endswith("-record")]  # deleted as soon as their result is known
    assert jobs == [f"{name}-v{number}-{task}" for number in (1, 2) for task in ("train", "validate")]
    stage.wait(
        "one Deployment is left",
        lambda: [each["metadata"]["name"] for each in stage.kubectl.list("Deployment", mine)] == [f"{name}-v2"],
        PATIENCE,
    )
    message = f"psi of feature1 is 0.5, above 0.2; training {name}-v2"
    stage.wait(
        "the report has its outcome", lambda: stage.outcome(f"{name}-drifts") == ("Triggered", message), PATIENCE
    )


class Restarting:
    """While the context lasts an operator that ends is started again, as a kubelet would."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._over = stage, threading.Event()
        self.restarts = 0
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._stage.start_operator()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._stage.kill_operator()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            if self._stage.operator_ended():
                self.restarts += 1
                with suppress(ProcessLookupError):
                    self._stage.start_operator()
