"""The status of a ModelDeployment that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from perennial_operator.core.api.conditions import with_condition
from perennial_operator.core.api.model_deployment import ModelDeploymentStatus
from perennial_operator.core.status.deployment_status import Trouble


def known_status(body: Mapping[str, Any]) -> ModelDeploymentStatus:
    """The object's status; an empty one if it is invalid too."""
    try:
        return ModelDeploymentStatus.model_validate(body.get("status") or {})
    except ValidationError:
        return ModelDeploymentStatus()


def stalled(body: Mapping[str, Any], trouble: Trouble, now: datetime) -> ModelDeploymentStatus:
    """The status as it was, with the trouble as conditions: what serves goes on serving."""
    before, generation = known_status(body), body["metadata"].get("generation", 0)
    conditions = before.conditions
    for kind, holds in (("Ready", False), ("Reconciling", False), ("Stalled", True)):
        conditions = with_condition(conditions, kind, holds, trouble.reason, trouble.message, now, generation)
    return before.model_copy(
        update={"conditions": conditions, "phase": "Stalled", "observed_generation": generation, "queued_since": None}
    )
