"""Which runtime serves a model?"""

from __future__ import annotations

from collections.abc import Mapping

from perennial_operator.core.api.model_deployment import ModelDeploymentSpec
from perennial_operator.core.traffic.deployments import Deployments
from perennial_operator.core.traffic.gateway_api import GatewayApi
from perennial_operator.core.traffic.kserve import KServe
from perennial_operator.core.traffic.runtime import ServingRuntime

RUNTIMES: Mapping[str, ServingRuntime] = {
    "deployment": Deployments(),
    "kserve": KServe(),
}
"""spec.serving.runtime → the runtime."""
GATEWAY_API: ServingRuntime = GatewayApi()
"""The runtime deployment, with spec.rollout.gateway."""


def runtime_of(spec: ModelDeploymentSpec) -> ServingRuntime:
    if spec.serving.runtime == "deployment" and spec.rollout.gateway:
        return GATEWAY_API
    return RUNTIMES[spec.serving.runtime]
