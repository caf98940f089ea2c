"""What are the phases of a candidate, which phase may follow which, and for which reasons?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perennial_operator.core.api import analysis
from perennial_operator.core.api.model_version import Phase


@dataclass(frozen=True, slots=True)
class CandidatePhase:
    """A phase of a version that is neither live nor ended."""

    phase: Phase
    stage: str
    """The stage that acts in it."""
    verb: str
    """What happens in it, as the kubectl plugin shows it."""
    condition: str
    """The condition of the ModelVersion that says how it ended."""
    by_person: bool = False
    """Whether a person ends it, so that its duration is not measured."""


CANDIDATE_PHASES = (
    CandidatePhase(Phase.TRAINING, "training", "train", "Trained"),
    CandidatePhase(Phase.VALIDATING, "validation", "validate", "Validated"),
    CandidatePhase(Phase.AWAITING_APPROVAL, "rollout", "approve", "Approved", by_person=True),
    CandidatePhase(Phase.ROLLING_OUT, "rollout", "roll out", "RolledOut"),
)
"""In order."""

ANY = "*"
"""A reason that the operator does not choose: the trainer's, a serving pod's, the ledger's, or a blocker's."""
REJECTED_BY_PERSON = "RejectedByPerson"
NO_NEW_ROWS = "NoNewRows"
"""The trainer's reason when the rows are those that the live version was trained on. This is not a failure."""
FILES_UNCHANGED = "FilesUnchanged"
"""The trainer's reason when the files are those that a training was refused for. This is not a failure either."""
NOT_STARTED = "NotStarted"
"""The reason of a Job whose pod could not be created, scheduled, or get its image."""
NOT_READY = "NotReady"
"""The reason of a roll-out whose replicas were not ready in time."""
ROLLED_OUT = "RolledOut"
ROLLING_OUT = "RollingOut"
"""The reason of a roll-out that nothing blocks."""

JOB_FAILURES = frozenset({NOT_STARTED, "JobFailed", "TimedOut", "ResultLost", "BadAnswer", ANY})
GATE_PASSED = frozenset({"ThresholdsMet", "BetterThanLive", "NotWorseThanLive", "NotShownWorse"})
GATE_FAILED = frozenset(
    {
        "HoldoutTooSmall",
        "MetricMissing",
        "ThresholdNotMet",
        "NotCompared",
        "WorseThanLive",
        "NotProvenBetter",
        "SliceNotMeasured",
        "SliceWorse",
    }
)
GATE_FAILED_AGAIN = frozenset({"MetricMissing", "ThresholdNotMet", "WorseThanLive", "NotProvenBetter", "SliceWorse"})
"""Of a candidate that had passed before spec.validation was changed."""
REPLACED = frozenset({"SpecChanged", "Superseded"})
PINNED = frozenset({"Pinned"})

TRANSITIONS: Mapping[Phase | None, Mapping[Phase, frozenset[str]]] = {
    None: {
        Phase.TRAINING: frozenset({"Training"}),
        Phase.LIVE: frozenset({"Recovered"}),
        Phase.SUPERSEDED: frozenset({"Recovered"}),
        Phase.REJECTED: frozenset({ANY}),
        Phase.ROLLED_BACK: frozenset({ANY}),
        Phase.FAILED: frozenset({"NotRecovered"}),
    },
    Phase.TRAINING: {
        Phase.TRAINING: frozenset({"Training", NOT_STARTED}),
        Phase.VALIDATING: frozenset({"Trained"}),
        Phase.SUPERSEDED: REPLACED | {NO_NEW_ROWS, FILES_UNCHANGED},
        Phase.REJECTED: frozenset({REJECTED_BY_PERSON, "KnownBad"}),
        Phase.FAILED: JOB_FAILURES | {"WorkersFailed"},
    },
    Phase.VALIDATING: {
        Phase.VALIDATING: frozenset({"Validating", NOT_STARTED}),
        Phase.AWAITING_APPROVAL: GATE_PASSED,
        Phase.ROLLING_OUT: GATE_PASSED,
        Phase.LIVE: PINNED,
        Phase.SUPERSEDED: REPLACED,
        Phase.REJECTED: GATE_FAILED | {REJECTED_BY_PERSON},
        Phase.FAILED: JOB_FAILURES,
    },
    Phase.AWAITING_APPROVAL: {
        Phase.VALIDATING: frozenset({"ComparisonChanged"}),
        Phase.ROLLING_OUT: frozenset({"Approved"}),
        Phase.LIVE: PINNED,
        Phase.SUPERSEDED: REPLACED,
        Phase.REJECTED: GATE_FAILED_AGAIN | {REJECTED_BY_PERSON},
    },
    Phase.ROLLING_OUT: {
        Phase.VALIDATING: frozenset({"ComparisonChanged"}),
        Phase.ROLLING_OUT: frozenset({ROLLING_OUT, ANY}),
        Phase.LIVE: PINNED | {ROLLED_OUT},
        Phase.SUPERSEDED: REPLACED | PINNED,
        Phase.REJECTED: GATE_FAILED_AGAIN | {REJECTED_BY_PERSON},
        Phase.ROLLED_BACK: frozenset(
            {*analysis.FAILURES, analysis.NO_DATA, NOT_READY, REJECTED_BY_PERSON, ANY} | GATE_FAILED_AGAIN,
        ),
    },
    Phase.LIVE: {
        Phase.SUPERSEDED: frozenset({"Superseded"}),
        Phase.ROLLED_BACK: frozenset({*analysis.FAILURES, analysis.ERRORS_ROSE, NOT_READY, ANY}),
    },
    Phase.SUPERSEDED: {Phase.LIVE: PINNED | {"WentBack"}},
    Phase.REJECTED: {Phase.LIVE: PINNED},
    Phase.FAILED: {Phase.LIVE: PINNED},
    Phase.ROLLED_BACK: {Phase.LIVE: PINNED},
}
"""Phase → next phase → reasons. A version without a phase was just made, or was found in the ledger.

The reason alone does not decide the next phase: spec.rollout.approval does too, for a candidate that passed the gate.
"""


def may_follow(before: Phase | None, after: Phase, reason: str) -> bool:
    """Whether the table has the transition."""
    reasons = TRANSITIONS[before].get(after, frozenset())
    return reason in reasons or ANY in reasons


def measured_stage(phase: Phase) -> tuple[str, tuple[str, ...]] | None:
    """The stage that a phase belongs to, and the conditions that may have begun it, the latest first.

    None for a phase that a person ends, and for a phase of a version that is not a candidate.
    """
    for number, each in enumerate(CANDIDATE_PHASES):
        if each.phase is phase and not each.by_person:
            return each.stage, tuple(earlier.condition for earlier in reversed(CANDIDATE_PHASES[:number]))
    return None
