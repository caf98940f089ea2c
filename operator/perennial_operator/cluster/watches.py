"""The watched kinds and their selectors, and the settings that restrict kopf to watching."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import kopf

from perennial_operator.cluster.client import PAGE
from perennial_operator.core.api.drift_report import FINAL
from perennial_operator.core.names import DEPLOYMENT, MANAGED_BY, OPERATOR

OURS = f"{DEPLOYMENT},{MANAGED_BY}={OPERATOR}"
WATCHED: Mapping[str, str] = {
    "ModelDeployment": "",
    "ModelVersion": "",
    "DriftReport": "",
    "Job": OURS,
    "Deployment": OURS,
    "Service": OURS,
    "Pod": OURS,
}
"""Kind → label selector of the listed and watched objects."""
OPEN = ",".join(f"status.outcome!={outcome}" for outcome in sorted(FINAL))
"""Field selector of the watched drift reports. The many final ones are only listed."""


class NoDiffs(kopf.DiffBaseStorage):
    """Kopf compares no states of an object; for that it would copy every object it receives."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        raise NotImplementedError("kopf must not write to objects")


def configure_kopf(settings: kopf.OperatorSettings) -> None:
    """Kopf only watches: no annotations, no finalizers, no events, no scan of the cluster."""
    logging.getLogger("kopf").setLevel(logging.WARNING)
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.persistence.diffbase_storage = NoDiffs()
    settings.watching.server_timeout = 300
    settings.watching.chunk_size = PAGE
    settings.queueing.idle_timeout = 0.1
    for kind in ("jobs.batch", "deployments.apps", "services", "pods"):
        settings.watching.label_selectors[kind] = OURS
    settings.watching.field_selectors["driftreports.perennial.dev"] = OPEN
