"""Everything that one pass decides from, as one frozen value; `now` is a field of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any

from perennial_operator.core import names
from perennial_operator.core.api.model_deployment import ModelDeployment, ModelDeploymentSpec
from perennial_operator.core.api.model_version import IN_FLIGHT, ModelVersion, Phase
from perennial_operator.core.api.request_stats import Tally
from perennial_operator.core.drift_reports import CLOCKS_DIFFER, MOST_AHEAD, Report


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's own settings, as far as decisions depend on them."""

    trainer_image: str
    max_trainings: int = 10
    """At once, in the shard."""
    shards: int = 1
    trainings_per_day: int = 1000  # in each namespace
    service_account: str = ""
    allowed_in_pods: tuple[str, ...] = ()
    """What `pod` sections may contain beyond the default, as field=pattern."""
    allowed_packages: tuple[str, ...] = ()
    """Packages whose entry points are estimators, in an image of one's own."""
    adopt_joblib: bool = False  # whether spec.adopt may name a joblib file, which runs the file's code


class JobState(Enum):
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Job:
    """A Job and its pod's result."""

    name: str
    state: JobState
    labels: Mapping[str, str] = field(default_factory=dict)
    queued: bool = False
    """Suspended, as a queue does with a Job that has to wait."""
    reason: str = ""
    """Kubernetes's reason where it failed, such as DeadlineExceeded."""
    trouble: str = ""
    """Why its pod does not start, or an empty text."""
    blocked: bool = False
    """Whether it has no running pod because of that: none can be created, scheduled, or get its image."""
    lingers: bool = False
    """Whether the trainer has ended, and only another container keeps the pod and so the Job running."""
    out_of_memory: bool = False
    """Whether the trainer in a pod was killed for want of memory."""
    memory_limit: str = ""
    """The most memory that it may take, or an empty text."""
    answer: Mapping[str, Any] | None = None
    pod: str = ""
    address: str = ""
    """The running pod and its address, or empty texts."""


@dataclass(frozen=True, slots=True)
class Serving:
    """The current state of a version's Deployment, or of its pods under KServe."""

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
    """Why its pods are not ready, or an empty text."""
    refusal: Mapping[str, Any] | None = None
    """The result of a pod that refused to serve its artifact."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Pod → host and port where a ready pod serves."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The metrics of serving pods and the answers of Prometheus, read in this pass."""

    pods: Mapping[str, Mapping[str, Tally]] = field(default_factory=dict)
    """Version → pod → its requests since it started."""
    answers: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Query → the value of each series; a query without an answer is missing."""
    troubles: tuple[str, ...] = ()
    """Why something could not be read."""


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
class Orphan:
    """A ModelVersion without an owner: it counts as a version only once the ledger confirms its files."""

    name: str
    number: int
    model: str
    """The sha256 of its model, or an empty text."""
    holdout: str
    """The sha256 of its holdout, or an empty text."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The other ModelDeployments, as far as they matter to this one."""

    trainings: int = 0
    ahead: int = 0
    blocked: int = 0
    """How many get a place for a training before this one, and how many of the namespace do not start."""
    begun: int = 0
    oldest_begun: datetime | None = None
    """How many trainings began in the namespace within a day, and the oldest of those that fill the budget."""


@dataclass(frozen=True, eq=False)
class World:
    now: datetime
    deployment: ModelDeployment
    versions: tuple[ModelVersion, ...] = ()
    """By number."""
    orphans: tuple[Orphan, ...] = ()
    """ModelVersions of this name without an owner."""
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
        """The version that serves. If a crash left two, the one promoted last."""
        return max(
            (v for v in self.versions if v.phase is Phase.LIVE),
            key=lambda v: (v.status.live_since or v.metadata.creation_timestamp, v.spec.number),
            default=None,
        )

    @cached_property
    def candidate(self) -> ModelVersion | None:
        """The newest version, if it has neither ended nor gone live.

        No version is made while there is a candidate, so an older version in flight is a leftover.
        """
        return self.newest if self.newest and self.newest.phase in IN_FLIGHT else None

    @cached_property
    def analysed_candidate(self) -> ModelVersion | None:
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
        return version if version and version.has_model and version.phase is not Phase.TRAINING else None

    @property
    def request(self) -> str | None:
        """The value of the retrain annotation, cut to the length that a version's trigger can hold."""
        return self.deployment.metadata.annotations.get(names.RETRAIN, "")[:100] or None

    @property
    def automation_paused(self) -> bool:
        """Whether spec.suspend or spec.pin forbids to start anything: a Job for a candidate, a step of a roll-out."""
        return self.spec.suspend or self.spec.pin is not None

    @property
    def is_dry_run(self) -> bool:
        """Whether drift is only reported and starts no training."""
        return self.spec.drift is not None and self.spec.drift.mode == "Report"

    def version(self, name: str | None) -> ModelVersion | None:
        return next((v for v in self.versions if v.name == name), None)

    @property
    def next_number(self) -> int:
        """One more than the greatest number ever used, so that no version name and no folder is used twice."""
        given = [self.deployment.status.last_version_number or 0, *(v.spec.number for v in self.versions)]
        given += [orphan.number for orphan in self.orphans]
        look_up = self.jobs.get(names.recover_job(self.name))
        stored = (look_up.answer or {}).get("number") if look_up else 0
        return max(*given, stored if isinstance(stored, int) else 0, 0) + 1


def plausible(world: World, instant: datetime | None) -> datetime | None:
    """The time of a row, or None if it is too far in the future."""
    return instant if instant and instant <= world.now + MOST_AHEAD else None


def not_in_future(world: World, *instants: datetime | None) -> tuple[datetime, ...]:
    """The instants up to now; a wrong clock may have written later ones."""
    return tuple(at for at in instants if at and at <= world.now)


def is_ahead(world: World, written: datetime) -> bool:
    """Whether the time of an object is that of a clock that was wrong and has been set back."""
    return written - world.now > CLOCKS_DIFFER


def unless_ahead(world: World, written: datetime) -> datetime:
    """The time; NEVER if it is ahead, so that everything comes after it."""
    return names.NEVER if is_ahead(world, written) else written
