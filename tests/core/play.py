"""A cluster in memory that does what the core decides, so that the core can play whole stories without one.

It knows what Kubernetes would do with the actions, and nothing of why they were decided.
"""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from jsonpath import JSONPatch

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Announcement, Apply, Create, Delete, SetStatus
from perennial_operator.core.api.model_deployment import ModelDeployment
from perennial_operator.core.api.model_version import ModelVersion, Phase
from perennial_operator.core.api.parsing import parse
from perennial_operator.core.api.request_stats import Tally
from perennial_operator.core.api.values import as_text
from perennial_operator.core.decide import decide
from perennial_operator.core.drift_reports import in_order, report_of
from perennial_operator.core.rules.phases import may_follow
from perennial_operator.core.rules.transitions import phase_before
from perennial_operator.core.stages.drift_assessment import assess_reports
from perennial_operator.core.status.deployment_status import Trouble, describe
from perennial_operator.core.world import Fleet, Job, JobState, Policy, RoutingObject, Sample, Serving, World
from tests.builders import NOON, SPEC, a_body, merged
from tests.core.manifests import task_of
from tests.core.storage import Storage

TRAINED = {
    "task": "train",
    "outcome": "Succeeded",
    "message": "fitted on 800 rows",
    "artifact": {"uri": "s3://models/perennial/default/bike/m/model.joblib", "sha256": "a" * 64, "bytes": 1},
    "data": {
        "rows": 800,
        "holdoutRows": 200,
        "sha256": "b" * 64,
        "holdoutUri": "s3://models/perennial/default/bike/m/holdout.parquet",
        "holdoutSha256": "c" * 64,
    },
    "metrics": {"mse": 90.0, "r2": 0.9},
    "parameters": {},
}


def trained(number: int) -> dict[str, Any]:
    """The answer of a training: of other bytes for each version."""
    return merged(TRAINED, {"artifact": {"sha256": f"{number:064x}"}})


REFUSED = {
    "task": "train",
    "outcome": "Refused",
    "reason": "TooFewRows",
    "message": "12 rows are fewer than minRows 200",
}


def validated(candidate: float = 80.0, live: float | None = None, upper: float = -0.1) -> dict[str, Any]:
    """The answer of a validation: the candidate's mse, the live version's, and the bound of the difference."""
    answer: dict[str, Any] = {
        "task": "validate",
        "outcome": "Succeeded",
        "message": "scored",
        "holdoutRows": 200,
        "metrics": {"candidate": {"mse": candidate, "r2": 0.9}},
        "standardErrors": {"mse": 4.0},
    }
    if live is not None:
        answer["metrics"]["live"] = {"mse": live, "r2": 0.5}
        answer["worsening"] = {"metric": "mse", "estimate": candidate / live - 1, "upper": upper, "confidence": 0.95}
    return answer


def checked(psi: float = 0.1, samples: int = 1000) -> dict[str, Any]:
    """The answer of a drift check."""
    metrics = [{"name": "psi", "feature": "feature1", "value": psi}]
    return {"task": "check", "outcome": "Succeeded", "message": "scanned", "samples": samples, "metrics": metrics}


class DiedError(Exception):
    """The operator died in the middle of a pass."""


@dataclass
class Play:
    """The objects, the clock, and the hands that Kubernetes would lend."""

    spec: dict[str, Any] = field(default_factory=lambda: merged(SPEC, {}))
    now: datetime = NOON
    done: list[Action] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)
    """How often an object of each name has come into being."""
    alarm: datetime | None = None
    policy: Policy = field(default_factory=lambda: Policy(trainer_image="trainer:1"))
    fleet: Fleet = field(default_factory=Fleet)
    trouble: Trouble | None = None
    pods: dict[str, dict[str, Tally]] = field(default_factory=dict)
    """Version → pod → what it has answered since it started; silent pods are not there."""
    answers: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """What Prometheus says."""
    troubles: tuple[str, ...] = ()
    """What could not be read."""
    dies_in: int = -1
    """After how many more actions the operator dies, once."""
    behind: bool = False
    """Whether a pass sees what was there at the pass before: a watch that lags."""
    storage: Storage = field(default_factory=Storage)
    """What the Jobs about the ledger write and read; they end at once."""

    def __post_init__(self) -> None:
        self.counter = itertools.count(2)
        self.bodies: dict[tuple[str, str], dict[str, Any]] = {}
        self.jobs: dict[str, Job] = {}
        self.serving: dict[str, Serving] = {}
        self.services: dict[str, Mapping[str, Any]] = {}
        self.route: dict[str, Any] | None = None
        """The HTTPRoute that a person has made, if one has."""
        self.seen: World | None = None
        self.put(a_body("ModelDeployment", "bike", self.spec))

    def put(self, body: dict[str, Any]) -> None:
        body["metadata"]["resourceVersion"] = str(next(self.counter))
        self.bodies[body["kind"], body["metadata"]["name"]] = body

    # ---- what people do

    def edit(self, changes: Mapping[str, Any]) -> None:
        """A person changes the spec of the ModelDeployment."""
        body = self.bodies["ModelDeployment", "bike"]
        body["spec"] = merged(body["spec"], changes)
        body["metadata"]["generation"] += 1
        self.put(body)
        self.settle()

    def annotate(self, kind: str, name: str, key: str, value: str) -> None:
        body = self.bodies[kind, name]
        body["metadata"].setdefault("annotations", {})[key] = value
        self.put(body)
        self.settle()

    def remove(self, kind: str, name: str) -> None:
        """A person deletes the object."""
        self.act(Delete(kind, name))
        self.settle()

    def report(self, name: str, psi: float = 0.3, **spec: Any) -> None:
        """A report is written; nothing has looked at it yet."""
        metrics = [{"name": "psi", "feature": "feature1", "value": psi}]
        base = {"modelDeployment": "bike", "samples": 1000, "metrics": metrics}
        self.put(a_body("DriftReport", name, merged(base, spec), creationTimestamp=as_text(self.now)))

    # ---- what people see

    def outcome(self, report: str) -> tuple[str | None, str]:
        status = self.bodies["DriftReport", report].get("status", {})
        return status.get("outcome"), status.get("message", "")

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [body for (of, _), body in self.bodies.items() if of == kind]

    def version(self, number: int) -> dict[str, Any]:
        status: dict[str, Any] = self.bodies["ModelVersion", f"bike-v{number}"]["status"]
        return status

    def phases(self) -> dict[str, str | None]:
        return {body["metadata"]["name"]: body["status"].get("phase") for body in self.all("ModelVersion")}

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.bodies["ModelDeployment", "bike"]["status"]
        return status

    def condition(self, kind: str) -> dict[str, Any]:
        return next(c for c in self.status["conditions"] if c["type"] == kind)

    def holding(self) -> dict[str, str]:
        return {c["type"]: c["status"] for c in self.status["conditions"]}

    def desired(self) -> dict[str, int]:
        """Version → replicas asked for."""
        return {name: serving.desired for name, serving in self.serving.items()}

    def announced(self) -> list[Announcement]:
        return [action.announce for action in self.done if isinstance(action, SetStatus) and action.announce]

    # ---- passes

    def world(self) -> World:
        versions = [parse(ModelVersion, body) for body in self.all("ModelVersion")]
        deployment = parse(ModelDeployment, self.bodies["ModelDeployment", "bike"])
        return World(
            now=self.now,
            deployment=deployment,
            versions=tuple(sorted(versions, key=lambda v: v.spec.number)),
            reports=in_order([report_of(body) for body in self.all("DriftReport")]),
            jobs=dict(self.jobs),
            serving=dict(self.serving),
            service=self.services.get("bike"),
            candidate_service=self.services.get("bike-candidate"),
            routing=RoutingObject(copy.deepcopy(self.route)) if deployment.spec.rollout.gateway else None,
            fleet=self.fleet,
            policy=self.policy,
            sample=Sample({name: dict(pods) for name, pods in self.pods.items()}, dict(self.answers), self.troubles),
        )

    def step(self) -> int:
        """One pass; how many actions it did."""
        now = self.world()
        world, self.seen = (replace(self.seen, now=self.now) if self.behind and self.seen else now), now
        decision = decide(world)
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
        world = self.world()
        status = describe(world, assess_reports(world), self.trouble).to_api()
        if status != self.status:
            self.bodies["ModelDeployment", "bike"]["status"] = status

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
        """Time passes, and the operator wakes when it said it would."""
        end = self.now + timedelta(**span)
        while self.alarm and self.now < self.alarm <= end:
            self.now = self.alarm
            self.settle()
        self.now = end
        self.settle()

    # ---- what Kubernetes does

    def act(self, action: Action) -> None:
        self.done.append(action)
        if isinstance(action, Create | Apply):
            self._make(dict(action.manifest))
        elif isinstance(action, Delete):
            self._remove(action.kind, action.name)
        elif isinstance(action, SetStatus):
            body = self.bodies.get((action.kind, action.name))
            if body and body["metadata"]["resourceVersion"] == action.resource_version:
                if action.kind == "ModelVersion":
                    self.check_phase(parse(ModelVersion, body), action.status)
                body["status"] = dict(action.status)
                self.put(body)
        elif self.route and self.route["metadata"]["resourceVersion"] == action.resource_version:
            self.rewrite(JSONPatch(list(action.operations)).apply(copy.deepcopy(self.route)))

    def check_phase(self, before: ModelVersion, status: Mapping[str, Any]) -> None:
        """Every change of a phase is in the table of phases."""
        phase = Phase(status["phase"])
        if phase is not before.status.phase:
            assert may_follow(phase_before(before, phase), phase, status["reason"]), (before.status, status)

    def rewrite(self, route: dict[str, Any] | None) -> None:
        """The HTTPRoute is this now; nothing has looked at it yet."""
        self.route = route
        if route:
            route["metadata"]["resourceVersion"] = str(next(self.counter))

    def weights(self) -> tuple[int, int]:
        """Per cent of the requests that the route gives the live version, and the candidate."""
        assert self.route
        live, candidate = self.route["spec"]["rules"][0]["backendRefs"]
        return live["weight"], candidate["weight"]

    def service_versions(self) -> dict[str, str | None]:
        """Service → the version its pods are of; None where it is any."""
        return {name: s["spec"]["selector"].get(names.MODEL_VERSION) for name, s in self.services.items()}

    def _make(self, manifest: dict[str, Any]) -> None:
        kind, metadata = manifest["kind"], manifest["metadata"]
        name = metadata["name"]
        if kind == "Service":
            self.services[name] = manifest
        elif kind == "Deployment":
            wanted = manifest["spec"]["replicas"]
            before = self.serving.get(name)
            same = before is not None and before.manifest["spec"]["template"] == manifest["spec"]["template"]
            answering = min(before.answering, wanted) if before else 0
            self.serving[name] = Serving(name, manifest, wanted, answering if same else 0, answering, wanted, same)
        elif kind == "Job":
            if name not in self.jobs:
                self.made[name] += 1
                self.jobs[name] = Job(name, JobState.RUNNING, metadata["labels"])
                if metadata["labels"][names.ROLE] in ("record", "recovery") and not self.storage.slow:
                    self.ends(name, self.storage.answer(task_of(manifest)))
        elif (kind, name) not in self.bodies:
            restored = manifest["spec"].get("trigger", {}).get("reason") == "Recovered"
            self.made[f"{name} restored" if restored else name] += 1
            self.put(
                a_body(kind, name, manifest["spec"], creationTimestamp=as_text(self.now), labels=metadata["labels"])
            )

    def _remove(self, kind: str, name: str) -> None:
        if kind == "Job":
            self.jobs.pop(name, None)
        elif kind == "Deployment":
            self.serving.pop(name, None)
        self.bodies.pop((kind, name), None)
        if kind == "ModelVersion":
            for job in (names.train_job(name), names.validate_job(name), names.record_job(name)):
                self.jobs.pop(job, None)

    # ---- what Jobs and pods do

    def finish(self, job: str, answer: Mapping[str, Any] | None) -> None:
        """The Job ends with this answer, and the operator sees it."""
        self.ends(job, answer)
        self.settle()

    def ends(self, job: str, answer: Mapping[str, Any] | None) -> None:
        """The Job ends with this answer; nothing has looked yet."""
        good = answer is not None and answer.get("outcome") == "Succeeded"
        state, reason = (JobState.SUCCEEDED, "") if good else (JobState.FAILED, "BackoffLimitExceeded")
        self.jobs[job] = replace(self.jobs[job], state=state, reason=reason, answer=answer)

    def pods_ready(self, *which: str) -> None:
        """All pods of these versions (default: every one) become ready."""
        for name in which or tuple(self.serving):
            count = self.serving[name].desired
            self.serving[name] = replace(
                self.serving[name], ready=count, answering=count, total=count, settled=True, trouble=""
            )
        self.settle()

    def pods_fail(self, name: str, trouble: str = "", refusal: Mapping[str, Any] | None = None) -> None:
        """No pod of the version is ready any more."""
        serving = self.serving[name]
        self.serving[name] = replace(serving, ready=0, answering=0, trouble=trouble, refusal=refusal)
        self.settle()

    def requests(
        self,
        version: str,
        count: int,
        errors: int = 0,
        each: float = 0.01,
        pod: str = "a",
        restarted: bool = False,
        predicts: float | None = None,
    ) -> None:
        """The pod answers so many more requests; from nothing where it has been started anew. Nobody has looked."""
        pods = self.pods.setdefault(version, {})
        before = Tally() if restarted else pods.get(f"{version}-{pod}", Tally())
        more = Tally(requests=count, errors=errors, seconds=count * each, squares=count * 2 * each**2)
        if predicts is not None:
            more = more.model_copy(update={"predicted": count, "total": count * predicts})
        pods[f"{version}-{pod}"] = before + more

    def until_rolling(self, number: int, **scores: Any) -> None:
        """The candidate is trained and validated."""
        self.settle()
        self.finish(f"bike-v{number}-train", trained(number))
        self.finish(f"bike-v{number}-validate", validated(**scores))

    def until_live(self, number: int, **scores: Any) -> None:
        """The candidate is trained, validated and rolled out, in however many steps it takes."""
        self.until_rolling(number, **scores)
        for _ in range(20):
            self.pods_ready()
            if self.version(number)["phase"] == "Live":
                return
            self.wait(minutes=5)
        raise AssertionError(self.version(number))

    def until_live_again(self, number: int) -> None:
        """The candidate beats the live version in everything."""
        self.until_live(number, candidate=80.0, live=120.0)


def on_an_empty_cluster(play: Play, **changes: object) -> Play:
    """Everything was deleted but the storage, and the same manifest (or one with these changes) is applied again."""
    spec = merged(play.bodies["ModelDeployment", "bike"]["spec"], changes)
    return Play(spec=spec, now=play.now, policy=play.policy, storage=copy.deepcopy(play.storage))


def a_play(**changes: object) -> Play:
    """A play about `bike` with these changes of its spec."""
    return Play(spec=merged(SPEC, changes))


# ---- what may befall an operator on its way: each prepares a play


def dying(after: int) -> Callable[[Play], None]:
    """The operator dies once, after so many more actions."""

    def prepare(play: Play) -> None:
        play.dies_in = after

    return prepare


def late(play: Play) -> None:
    """Everything is seen one pass late."""
    play.behind = True


def twice(play: Play) -> None:
    """Everything is done twice."""

    class Stutterer(type(play)):
        def act(self, action: Action) -> None:
            super().act(action)
            super().act(action)

    play.__class__ = Stutterer
