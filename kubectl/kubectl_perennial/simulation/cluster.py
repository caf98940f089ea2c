"""A cluster in memory for one ModelDeployment: the operator's core decides, pods are ready and Jobs end without delay.

A Job's result comes from `run`; nothing here knows what is in it. Virtual time is `now`, which the caller sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, assert_never, cast

from kubectl_perennial.simulation.objects import Body, Objects
from perennial_operator.core import names
from perennial_operator.core.actions import Action, Apply, Create, Delete, PatchRoute, SetStatus
from perennial_operator.core.api.model_deployment import ModelDeployment
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.parsing import parse
from perennial_operator.core.decide import decide_step
from perennial_operator.core.drift_reports import in_order, report_of
from perennial_operator.core.stages.drift_assessment import assess_reports
from perennial_operator.core.status.deployment_status import describe
from perennial_operator.core.world import Job, JobState, Policy, Serving, World

Answer = Mapping[str, Any]
T = TypeVar("T")
POLICY = Policy(trainer_image="trainer")
NO_CHECK = Job("check", JobState.RUNNING, {names.ROLE: "check"})
"""While a check runs, no other one begins."""
MOST_STEPS = 200
"""Of one instant; more is a bug of the core."""
deployment_of, version_of = partial(parse, ModelDeployment), partial(parse, ModelVersion)


class Stuck(RuntimeError):  # noqa: N818 - a bug, which no caller handles
    """The core decides without end at one instant."""


@dataclass(kw_only=True)
class Cluster(Objects):
    """The objects; `run` does the task of a Job."""

    name: str
    run: Callable[[str], Answer]
    """The result of the task in PERENNIAL_TASK."""
    policy: Policy = POLICY
    answers: dict[str, Answer] = field(default_factory=dict)
    """Job → its result."""
    checking: bool = True
    """Whether drift checks that are due are started now: between two batches there are no new rows to check."""
    _parsed: dict[int, tuple[Body, object]] = field(default_factory=dict)
    """Id of a body → the body and what was parsed of it; a body never changes in place."""

    def settle(self) -> datetime | None:
        """Nothing is left to do at this instant; returns when time alone may change that."""
        for _ in range(MOST_STEPS):
            decision = decide_step(self.world())
            for action in decision.actions:
                self.act(action)
            self._describe()
            if not decision.again and not self._end_jobs():
                return decision.wake_at
        raise Stuck(f"{self.name} is not settled after {MOST_STEPS} steps at {self.now}: {self.made[-3:]}")

    def _end_jobs(self) -> bool:
        """The Jobs that run end with their results; whether there was one."""
        running = [body for body in self.all("Job") if body["metadata"]["name"] not in self.answers]
        for body in running:
            self.answers[body["metadata"]["name"]] = self.run(task_of(body))
        return bool(running)

    def note(self, before: Body | None, after: Body | None) -> None:
        """A Job that is created again has no result yet."""
        if before and after is None and before["kind"] == "Job":
            self.answers.pop(before["metadata"]["name"], None)

    def world(self) -> World:
        deployment = self._value(deployment_of, self.bodies["ModelDeployment", self.name])
        versions = (self._value(version_of, body) for body in self.all("ModelVersion"))
        return World(
            now=self.now,
            deployment=deployment,
            versions=tuple(sorted(versions, key=lambda version: version.spec.number)),
            reports=in_order([self._value(report_of, body) for body in self.all("DriftReport")]),
            jobs=self._jobs(),
            serving={body["metadata"]["name"]: _serving(body) for body in self.all("Deployment")},
            service=self.bodies.get(("Service", self.name)),
            candidate_service=self.bodies.get(("Service", names.candidate_service(self.name))),
            policy=self.policy,
        )

    def _jobs(self) -> dict[str, Job]:
        jobs = {name: _job(body, self.answers.get(name)) for (kind, name), body in self.bodies.items() if kind == "Job"}
        return jobs if self.checking else {**jobs, NO_CHECK.name: NO_CHECK}

    def _value(self, parser: Callable[[Body], T], body: Body) -> T:
        if id(body) not in self._parsed:
            self._parsed[id(body)] = body, parser(body)
        return cast("T", self._parsed[id(body)][1])

    def act(self, action: Action) -> None:
        """The action is done, as an API server does it."""
        match action:
            case Create(manifest):
                self._create(manifest)
            case Apply(manifest):
                self.put(manifest)
            case Delete(kind, name):
                self.remove(kind, name)
            case SetStatus():
                self.put({**self.bodies[action.kind, action.name], "status": dict(action.status)})
            case PatchRoute():
                raise Stuck("a ModelDeployment that is played has no route")
            case _:
                assert_never(action)

    def _create(self, manifest: Mapping[str, Any]) -> None:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if (kind, name) in self.bodies:
            return
        self.put(self.with_owners(manifest))

    def _describe(self) -> None:
        """The status of the ModelDeployment is current: a few decisions use it."""
        body, world = self.bodies["ModelDeployment", self.name], self.world()
        status = describe(world, assess_reports(world)).to_api()
        if status != body["status"]:
            self.put({**body, "status": status})


def task_of(job: Mapping[str, Any]) -> str:
    """The task in the environment of the Job's pod."""
    container = job["spec"]["template"]["spec"]["containers"][0]
    return next(str(each["value"]) for each in container["env"] if each["name"] == "PERENNIAL_TASK")


def _job(body: Body, answer: Answer | None) -> Job:
    name, labels = body["metadata"]["name"], body["metadata"]["labels"]
    if answer is None:
        return Job(name, JobState.RUNNING, labels)
    if answer.get("outcome") == "Succeeded":
        return Job(name, JobState.SUCCEEDED, labels, answer=answer)
    reason = "PodFailurePolicy" if answer.get("outcome") == "Refused" else "BackoffLimitExceeded"
    return Job(name, JobState.FAILED, labels, reason=reason, answer=answer)


def _serving(body: Body) -> Serving:
    wanted = body["spec"]["replicas"]
    name = body["metadata"]["name"]
    return Serving(name, body, desired=wanted, ready=wanted, answering=wanted, total=wanted)
