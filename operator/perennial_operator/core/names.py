"""Names of objects, labels and annotations. They are deterministic, so that an action can be repeated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

RETRAIN = "perennial.dev/retrain-requested-at"
CHECK = "perennial.dev/check-requested-at"
FORGET = "perennial.dev/forget-"
"""Prefix; then digits of the HMAC of a key whose captured rows are to be deleted."""
APPROVED = "perennial.dev/approved-by"
REJECTED = "perennial.dev/rejected-by"
PERSON = "perennial.dev/on-behalf-of"
"""The person for whom the account in APPROVED or REJECTED decided, as it says."""
APPLIED = "perennial.dev/applied"
"""Digest of what the operator last applied, so that nothing is applied twice."""
PREDICTOR = "perennial.dev/predictor"
"""Digest of the predictor that a KServe pod was created from."""

DEPLOYMENT = "perennial.dev/model-deployment"
MODEL_VERSION = "perennial.dev/model-version"
ROLE = "perennial.dev/role"
AGAINST = "perennial.dev/against"
COMPARED_BY = "perennial.dev/compared-by"
SLICED_BY = "perennial.dev/sliced-by"
FOR_POD = "perennial.dev/for-pod"
SCHEDULED = "perennial.dev/scheduled-at"
ENTRY = "perennial.dev/ledger-entry"
TASK_DIGEST = "perennial.dev/asked"
"""Digest of a Job's task, so that the Job is made again when the task has changed."""
STORAGE = "perennial.dev/storage"
"""Digest of the model's folder that a Job's task names."""
MANAGED_BY = "app.kubernetes.io/managed-by"
OPERATOR = "perennial"


def version_name(deployment: str, number: int) -> str:
    return f"{deployment}-v{number}"


def train_job(version: str) -> str:
    return f"{version}-train"


def workers_job(version: str) -> str:
    return f"{version}-workers"


def validate_job(version: str) -> str:
    return f"{version}-validate"


def check_job(deployment: str, scheduled: datetime) -> str:
    """A schedule fires at whole minutes; a request may name a second, and its Job's name is no longer than theirs."""
    at = f"{scheduled.timestamp():.0f}" if scheduled.second else f"{scheduled:%Y%m%d%H%M}"
    return f"{deployment}-check-{at}"


def version_check_job(version: str, scheduled: datetime) -> str:
    """The check of a version against the one that it replaces, with the seconds since 1970 in 8 digits."""
    return f"{version}-check-{int(scheduled.timestamp()):08x}"


def candidate_service(deployment: str) -> str:
    """The Service to which a route sends the candidate's share; that of the live version has the deployment's name."""
    return f"{deployment}-candidate"


def recover_job(deployment: str) -> str:
    return f"{deployment}-recover"


def upkeep_job(deployment: str) -> str:
    return f"{deployment}-upkeep"


def record_job(version: str) -> str:
    return f"{version}-record"


NEVER = datetime.fromtimestamp(0, UTC)


def scheduled_at(labels: Mapping[str, str]) -> datetime:
    """When the Job with these labels was due, or the Job that made the report with them."""
    text = labels.get(SCHEDULED, "")
    return datetime.fromtimestamp(int(text), UTC) if text.isdecimal() and len(text) < 12 else NEVER


def same_node(claim: str) -> str:
    """The label of the pods that mount a claim which one node alone may mount, of whatever model."""
    return f"perennial.dev/same-node-{hashlib.sha256(claim.encode()).hexdigest()[:16]}"


def labels(deployment: str, role: str, version: str | None = None) -> dict[str, str]:
    return {
        MANAGED_BY: OPERATOR,
        "app.kubernetes.io/name": "perennial",
        DEPLOYMENT: deployment,
        ROLE: role,
        **({MODEL_VERSION: version} if version else {}),
    }


def serving_selector(deployment: str) -> dict[str, str]:
    """Labels of every pod that serves the deployment, whatever its version."""
    return {DEPLOYMENT: deployment, ROLE: "serving"}
