"""The log, with the ModelDeployment that a line is about."""

from __future__ import annotations

import logging

from perennial_operator.cluster.cache_entry import Key
from perennial_operator.core.api.meta import API_VERSION

log = logging.getLogger("perennial")


def about(key: Key) -> logging.LoggerAdapter[logging.Logger]:
    """The log, with the ModelDeployment: `[namespace/name]` before the text, or a field `object` where lines are JSON.

    kopf's formatters do that for every record that has a `k8s_ref`.
    """
    reference = {"apiVersion": API_VERSION, "kind": "ModelDeployment", **key._asdict()}
    return logging.LoggerAdapter(log, {"k8s_ref": reference})
