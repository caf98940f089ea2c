"""Everything one pass looks at, as one frozen value; `now` is a field of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any

from perennial_operator.core import names
from perennial_operator.core.api.data import DataSpec
from perennial_operator.core.api.model_deployment import ModelDeployment, ModelDeploymentSpec
from perennial_operator.core.api.model_version import IN_FLIGHT, UNSUCCESSFUL, ModelVersion, Phase
from perennial_operator.core.api.request_stats import Tally
from perennial_operator.core.api.training import TrainingSpec
from perennial_operator.core.drift_reports import Report


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator's own settings say."""

    trainer_image: str
    max_trainings: int = 10
    service_account: str = ""


class JobState(Enum):
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Job:
    """A Job and what its pod answered."""

    name: str
    state: JobState
    labels: Mapping[str, str] = field(default_factory=dict)
    queued: bool = False
    """Suspended, as a queue does with a Job that has to wait."""
    reason: str = ""
    """Kubernetes's reason where it failed, such as DeadlineExceeded."""
    trouble: str = ""
    """What keeps its pod from starting, in a sentence, or nothing."""
    answer: Mapping[str, Any] | None = None
    pod: str = ""
    """The pod that runs, or nothing."""
    address: str = ""
    """Its address."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What serves one version, as it is: its Deployment, or its pods of KServe's."""

    name: str
    manifest: Mapping[str, Any]
    desired: int
    ready: int
    """Ready pods of the current template, at least; 0 while the Deployment's own status lags behind its spec."""
    answering: int
    """Ready pods of any template."""
    total: int
    settled: bool = True
    """Whether the Deployment's status is about its present spec, and every pod about its present template."""
    trouble: str = ""
    """What keeps its pods from being ready, in a sentence, or nothing."""
    refusal: Mapping[str, Any] | None = None
    """The answer of a pod that refused to serve its artifact."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Pod → host and port where a ready pod serves."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What serving pods and Prometheus said when they were asked in this pass."""

    pods: Mapping[str, Mapping[str, Tally]] = field(default_factory=dict)
    """Version → pod → what it has answered since it started."""
    answers: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Query → the value of each series; one that is not here was not answered."""
    troubles: tuple[str, ...] = ()
    """Why something could not be read, in sentences."""


@dataclass(frozen=True, slots=True)
class RoutingObject:
    """The object that splits the traffic, an HTTPRoute or InferenceService, as it was read in this pass."""

    body: Mapping[str, Any] | None
    """None if it does not exist or could not be read."""
    refusal: str = ""
    """Why it could not be read, in the API server's words, or nothing."""
    unknown_kind: bool = False
    """Whether the cluster does not have the kind."""
    revisions: Mapping[str, str] = field(default_factory=dict)
    """Knative's revision → the version of its pods."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The other ModelDeployments, as far as they matter to this one."""

    trainings: int = 0
    ahead: int = 0
    """How many have waited longer for a place."""


@dataclass(frozen=True, eq=False)
class World:
    now: datetime
    deployment: ModelDeployment
    versions: tuple[ModelVersion, ...] = ()
    """By number."""
    reports: tuple[Report, ...] = ()
    """By the time that was measured."""
    jobs: Mapping[str, Job] = field(default_factory=dict)
    serving: Mapping[str, Serving] = field(default_factory=dict)
    service: Mapping[str, Any] | None = None
    candidate_service: Mapping[str, Any] | None = None
    routing: RoutingObject | None = None
    """None if the serving runtime has none."""
    fleet: Fleet = Fleet()
    sample: Sample | None = None
    """Taken only where an analysis is due."""
    policy: Policy = Policy(trainer_image="perennial-trainer")

    @property
    def name(self) -> str:
        return self.deployment.name

    @property
    def spec(self) -> ModelDeploymentSpec:
        return self.deployment.spec

    @cached_property
    def live(self) -> ModelVersion | None:
        """The version that serves. Where a crash left two, the one promoted last."""
        return max(
            (v for v in self.versions if v.phase is Phase.LIVE),
            key=lambda v: (v.status.live_since or v.metadata.creation_timestamp, v.spec.number),
            default=None,
        )

    @cached_property
    def candidate(self) -> ModelVersion | None:
        """The version on its way: the newest, where it has neither ended nor gone live.

        None is made while another is on its way, so an older one in flight is a leftover and no candidate.
        """
        return self.newest if self.newest and self.newest.phase in IN_FLIGHT else None

    @cached_property
    def on_trial(self) -> ModelVersion | None:
        """The candidate while it serves beside the live version and is analysed."""
        candidate = self.candidate if self.spec.rollout.analysis and self.live else None
        return candidate if candidate and candidate.status.rollout else None

    @property
    def newest(self) -> ModelVersion | None:
        return self.versions[-1] if self.versions else None

    @property
    def pinned(self) -> ModelVersion | None:
        """The version that spec.pin names, if it exists and has a stored model."""
        version = self.version(self.spec.pin)
        return version if version and version.status.artifact and version.phase is not Phase.TRAINING else None

    @property
    def request(self) -> str | None:
        """What the retrain annotation says, as far as it fits into a version's record."""
        return self.deployment.metadata.annotations.get(names.RETRAIN, "")[:100] or None

    @property
    def automation_paused(self) -> bool:
        """Whether nothing new may be started: no Job for a candidate, no step of a roll-out."""
        return self.spec.suspend or self.spec.pin is not None

    def version(self, name: str | None) -> ModelVersion | None:
        return next((v for v in self.versions if v.name == name), None)

    @property
    def next_number(self) -> int:
        """One more than any number ever given, so that neither a version's name nor its folder is used twice."""
        given = [self.deployment.status.last_version_number or 0, *(v.spec.number for v in self.versions)]
        look_up = self.jobs.get(names.recover_job(self.name))
        stored = (look_up.answer or {}).get("number") if look_up else 0
        return max(*given, stored if isinstance(stored, int) else 0, 0) + 1


def by_now(world: World, *instants: datetime | None) -> tuple[datetime, ...]:
    """Those that have come; what a clock that was wrong has put into the future is waited for by nobody."""
    return tuple(at for at in instants if at and at <= world.now)


def recipe(spec: ModelDeploymentSpec) -> tuple[object, ...]:
    """What a model is made from: if it differs, what serves is not what was asked for."""
    return _recipe(spec.model, spec.data, spec.training)


def made_from(version: ModelVersion) -> tuple[object, ...]:
    return _recipe(version.spec.model, version.spec.data, version.spec.training)


def _recipe(model: object, data: DataSpec, how: TrainingSpec) -> tuple[object, ...]:
    # The limits only say when to stop; a change of them, or of the key to the rows, makes no live model another one.
    source = {**vars(data.training), "secret_ref": None}
    rows = {**vars(data), "training": source, "min_rows": None, "max_missing": None}
    return model, rows, how.search, how.calibration


def asked_for(version: ModelVersion, spec: ModelDeploymentSpec) -> bool:
    """Whether the version was made from exactly these words, the pod's resources and the time-out included."""
    asked = version.spec
    return (asked.model, asked.data, asked.training) == (spec.model, spec.data, spec.training)


def failures_in_a_row(world: World) -> tuple[ModelVersion, ...]:
    """The newest candidates that came to nothing, newest first, since one went live or other things were asked for.

    A version that was set aside is neither a success nor a failure.
    """
    row: list[ModelVersion] = []
    for version in reversed(world.versions):
        if version.phase in UNSUCCESSFUL:
            if not asked_for(version, world.spec):
                break
            row.append(version)
        elif version.status.live_since:
            break
    return tuple(row)
