"""Passes of the core over a cluster in memory, in virtual time."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast

from perennial_operator.cluster.errors import KubeError
from perennial_operator.core.actions import Action, Announcement, Apply, Create, Delete, SetStatus
from perennial_operator.core.api.model_deployment import ModelDeployment
from perennial_operator.core.api.model_version import ModelVersion, Phase
from perennial_operator.core.api.parsing import parse
from perennial_operator.core.api.request_stats import Tally
from perennial_operator.core.decide import decide_step
from perennial_operator.core.drift_reports import in_order, report_of
from perennial_operator.core.rules.phases import may_follow
from perennial_operator.core.rules.transitions import phase_before
from perennial_operator.core.stages.drift_assessment import assess_reports
from perennial_operator.core.status.deployment_status import Trouble, describe
from perennial_operator.core.world import Fleet, Policy, RoutingObject, Sample, World
from perennial_operator.reconcile.orphans import orphaned_version
from tests.builders import SPEC, a_body, merged
from tests.simulation.client import DiedError
from tests.simulation.cluster import Cluster, is_about_storage
from tests.simulation.objects import Body
from tests.simulation.state import State

T = TypeVar("T")
deployment_of, version_of = partial(parse, ModelDeployment), partial(parse, ModelVersion)


class Passes(State):
    """A cluster and the operator, which may die, and whose watches may lag."""

    def __init__(self, spec: Mapping[str, Any] = SPEC, cluster: Cluster | None = None) -> None:
        self.cluster = cluster or Cluster()
        self.done: list[Action] = []
        self.made: Counter[str] = Counter()
        """Name → how often the operator has created an object of it."""
        self.alarm: datetime | None = None
        self.policy, self.fleet = Policy(trainer_image="trainer:1"), Fleet()
        self.trouble: Trouble | None = None
        self.tallies: dict[str, dict[str, Tally]] = {}
        """Version → pod → what it has answered since it started; pods that do not answer are missing."""
        self.answers: dict[str, tuple[float, ...]] = {}
        """Query → what Prometheus answers."""
        self.troubles: tuple[str, ...] = ()
        """Why a part of the sample could not be read."""
        self.dies_in = -1
        """After how many more actions the operator dies, once."""
        self.behind = False
        """Whether a pass sees the world of the pass before: a watch that lags."""
        self.seen: World | None = None
        self._objects: dict[int, tuple[Body, object]] = {}
        """Id of a body → the body and what was parsed of it."""
        if ("ModelDeployment", "bike") not in self.bodies:
            self.cluster.put(a_body("ModelDeployment", "bike", merged(spec, {})))

    def announced(self) -> list[Announcement]:
        return [action.announce for action in self.done if isinstance(action, SetStatus) and action.announce]

    def world(self) -> World:
        records = [(body, orphaned_version(body)) for body in self.all("ModelVersion")]
        versions = [self._parsed(version_of, body) for body, orphan in records if orphan is None]
        deployment = self._parsed(deployment_of, self.bodies["ModelDeployment", "bike"])
        services = self.services
        return World(
            now=self.now,
            deployment=deployment,
            versions=tuple(sorted(versions, key=lambda v: v.spec.number)),
            orphans=tuple(orphan for _, orphan in records if orphan),
            reports=in_order([self._parsed(report_of, body) for body in self.all("DriftReport")]),
            jobs=self.jobs,
            serving=self.serving,
            service=services.get("bike"),
            candidate_service=services.get("bike-candidate"),
            routing=RoutingObject(self.route) if deployment.spec.rollout.gateway else None,
            fleet=self.fleet,
            policy=self.policy,
            sample=Sample(copy.deepcopy(self.tallies), dict(self.answers), self.troubles),
        )

    def _parsed(self, parser: Callable[[Body], T], body: Body) -> T:
        """The object as the core has it; a body never changes in place, so it is parsed once."""
        if id(body) not in self._objects:
            self._objects[id(body)] = body, parser(body)
        return cast("T", self._objects[id(body)][1])

    def step(self) -> int:
        """One pass; how many actions it did."""
        now = self.world()
        world, self.seen = (replace(self.seen, now=self.now) if self.behind and self.seen else now), now
        decision = decide_step(world)
        for action in decision.actions:
            if self.dies_in == 0:
                self.dies_in = -1
                raise DiedError
            self.dies_in -= 1
            self.act(action)
        self.describe()
        self.alarm = decision.wake_at
        return len(decision.actions)

    def describe(self) -> None:
        """The status of the ModelDeployment is current."""
        world = self.world()
        status = describe(world, assess_reports(world), self.trouble).to_api()
        if status != self.status:
            self.cluster.set_status("ModelDeployment", "bike", status)

    def settle(self, limit: int = 60) -> None:
        """Passes until nothing changes at this instant; one that is cut short is followed by another."""
        for _ in range(limit):
            try:
                if self.step() == 0 and self.step() == 0:
                    return
            except DiedError:
                continue
        raise AssertionError(f"still busy after {limit} passes: {self.done[-5:]}")

    def wait(self, **span: float) -> None:
        """Time passes, and passes run when they are due."""
        end = self.now + timedelta(**span)
        while self.alarm and self.now < self.alarm <= end:
            self.now = self.alarm
            self.settle()
        self.now = end
        self.settle()

    # ---- what the cluster makes of actions

    def act(self, action: Action) -> None:
        """The action is done, as far as the API server accepts it."""
        self.done.append(action)
        with suppress(KubeError):
            if isinstance(action, Create):
                self._create(action.manifest)
            elif isinstance(action, Apply):
                self._apply(action.manifest)
            elif isinstance(action, Delete):
                self._delete(action.kind, action.name)
            elif isinstance(action, SetStatus):
                self._set_status(action)
            else:
                self.cluster.patch("HTTPRoute", "bike", action.operations, action.resource_version)

    def _create(self, manifest: Mapping[str, Any]) -> None:
        name = manifest["metadata"]["name"]
        stored = self.cluster.create(self.cluster.with_owners(manifest))
        restored = manifest["spec"].get("trigger", {}).get("reason") == "Recovered"
        self.made[f"{name} restored" if restored else name] += 1
        if manifest["kind"] == "Job" and is_about_storage(stored) and not self.cluster.storage.slow:
            self.cluster.ledger_job_ends(name)

    def _apply(self, manifest: Mapping[str, Any]) -> None:
        self.cluster.apply(manifest)
        if manifest["kind"] == "Deployment":
            self.cluster.observe(manifest["metadata"]["name"])

    def _delete(self, kind: str, name: str) -> None:
        self.cluster.delete(kind, name)

    def _set_status(self, action: SetStatus) -> None:
        """Each change of a phase is in the table of phases."""
        before = self.bodies.get((action.kind, action.name))
        self.cluster.set_status(action.kind, action.name, action.status, action.resource_version)
        if before and action.kind == "ModelVersion":
            version, phase = self._parsed(version_of, before), Phase(action.status["phase"])
            if phase is not version.status.phase:
                known = may_follow(phase_before(version, phase), phase, action.status["reason"])
                assert known, (version.status, action.status)
