"""What in a new status is worth an event? What has begun to wait for a person."""

from __future__ import annotations

from collections.abc import Iterator

from perennial_operator.core.actions import Announcement
from perennial_operator.core.api.conditions import find
from perennial_operator.core.api.model_deployment import ModelDeploymentStatus
from perennial_operator.core.status.deployment_status import Trouble

KNOWN_BY = 1000
"""Characters of a message by which it is known again; conditions do not keep endless ones."""


def news(
    before: ModelDeploymentStatus, after: ModelDeploymentStatus, trouble: Trouble | None = None
) -> Announcement | None:
    """A warning with the reason and the message of the condition; None while that is told already, or all is well."""
    for reason, message in _waiting_for_a_person(after, trouble):
        if not any(message[:KNOWN_BY] in condition.message for condition in before.conditions):
            return Announcement(reason, message, warning=True)
    return None


def _waiting_for_a_person(status: ModelDeploymentStatus, trouble: Trouble | None) -> Iterator[tuple[str, str]]:
    if trouble:
        yield trouble.reason, trouble.message
    stalled, retraining = find(status.conditions, "Stalled"), find(status.conditions, "Retraining")
    if stalled and stalled.status == "True":
        yield stalled.reason, stalled.message
    if retraining and retraining.reason == "Stalled":
        yield retraining.reason, retraining.message
