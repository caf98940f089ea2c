"""Which change of the status is an event? One that a person has to act on."""

from __future__ import annotations

from collections.abc import Iterator

from perennial_operator.core.actions import Announcement
from perennial_operator.core.api.conditions import find
from perennial_operator.core.api.model_deployment import ModelDeploymentStatus
from perennial_operator.core.api.printable_text import printable
from perennial_operator.core.status.deployment_status import Trouble

COMPARED_LENGTH = 1000
"""Characters of a message that are compared; conditions cut longer ones."""


def news(
    before: ModelDeploymentStatus, after: ModelDeploymentStatus, trouble: Trouble | None = None
) -> Announcement | None:
    """A warning with the condition's reason and message; None if it was announced before, or nothing needs a person."""
    for reason, message in _waiting_for_a_person(after, trouble):
        if not any(printable(message)[:COMPARED_LENGTH] in condition.message for condition in before.conditions):
            return Announcement(reason, message, warning=True)
    return None


def _waiting_for_a_person(status: ModelDeploymentStatus, trouble: Trouble | None) -> Iterator[tuple[str, str]]:
    if trouble:
        yield trouble.reason, trouble.message
    kept_up = find(status.conditions, "KeptUp")
    if kept_up and kept_up.status == "False":
        yield kept_up.reason, kept_up.message
    stalled, retraining = find(status.conditions, "Stalled"), find(status.conditions, "Retraining")
    if stalled and stalled.status == "True":
        yield stalled.reason, stalled.message
    if retraining and retraining.reason == "Stalled":
        yield retraining.reason, retraining.message
