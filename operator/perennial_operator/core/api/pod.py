"""Fields of a pod, as the `pod` sections of a spec take them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic.config import JsonDict

from perennial_operator.core.api.cel import CHECKED, int_or_string, rule
from perennial_operator.core.api.values import Nested, ObjectName, Value

Free: JsonDict = {"x-kubernetes-preserve-unknown-fields": True}
Object = Annotated[Nested[dict[str, Any]], Field(json_schema_extra=Free)]
Quantity = Annotated[
    int | str,
    int_or_string("type(self) == int || isQuantity(self)", "give a quantity such as 500m, 2 or 1Gi", maxLength=32),
]
Amounts = Annotated[dict[str, Quantity], Field(max_length=20)]


_ANY: JsonDict = {"type": "object", **Free}
_SOURCE: JsonDict = {**_ANY, "properties": {"serviceAccountToken": {**_ANY, "description": "Not allowed."}}}
_PROJECTED: JsonDict = {
    **_ANY,
    "description": "Several sources in one volume; a service account token is not allowed.",
    "properties": {
        "sources": {"type": "array", "maxItems": 50, "description": "Sources of the volume.", "items": _SOURCE}
    },
}
NO_HOST = "hostPath is not allowed; use a claim, a Secret, a ConfigMap or an emptyDir"
NO_TOKEN = "a service account token is not allowed; remove serviceAccountToken"  # noqa: S105


def _harmless(volume: dict[str, Any]) -> dict[str, Any]:
    if "hostPath" in volume:
        raise ValueError(NO_HOST)
    projected = volume.get("projected")
    sources = projected.get("sources") if isinstance(projected, dict) else None
    if isinstance(sources, list) and any("serviceAccountToken" in s for s in sources if isinstance(s, dict)):
        raise ValueError(NO_TOKEN)
    return volume


Volume = Annotated[
    Nested[dict[str, Any]],
    AfterValidator(_harmless),
    Field(
        json_schema_extra={
            **Free,
            "properties": {"hostPath": {**_ANY, "description": "Not allowed."}, "projected": _PROJECTED},
            CHECKED: [
                rule("!has(self.hostPath)", NO_HOST),
                rule(
                    "!has(self.projected) || !has(self.projected.sources)"
                    " || self.projected.sources.all(s, !has(s.serviceAccountToken))",
                    NO_TOKEN,
                ),
            ],
        }
    ),
]


class SecretRef(Value):
    """A Secret of the same namespace."""

    name: ObjectName = Field(description="Name of the Secret.")


class Resources(Value):
    """Resources of the container."""

    requests: Amounts | None = Field(None, description="Guaranteed amounts, such as cpu and memory.")
    limits: Amounts | None = Field(None, description="Greatest amounts, such as cpu and memory.")


class PodSpec(Value):
    """Fields of the pods that train or serve."""

    image: str | None = Field(
        None, min_length=1, max_length=512, description="Image to use instead of the operator's default trainer image."
    )
    image_pull_secrets: list[SecretRef] | None = Field(
        None, max_length=10, description="Secrets to pull the image with."
    )
    resources: Resources | None = Field(None, description="Requests and limits of the container.")
    env: list[Object] | None = Field(None, max_length=100, description="Additional environment variables.")
    volumes: list[Volume] | None = Field(
        None, max_length=50, description="Additional volumes, of the kinds that the operator allows."
    )
    volume_mounts: list[Object] | None = Field(
        None, max_length=50, description="Mount points of the volumes in the container."
    )
    node_selector: dict[str, str] | None = Field(None, description="Labels that a node must have.")
    tolerations: list[Object] | None = Field(
        None, max_length=50, description="Taints that the pod tolerates, if the operator allows their keys."
    )
    affinity: Object | None = Field(None, description="Affinity and anti-affinity rules of the pod.")
    topology_spread_constraints: list[Object] | None = Field(
        None, max_length=20, description="How pods are spread over failure domains."
    )
    priority_class_name: str | None = Field(
        None, max_length=253, description="Priority class of the pod, if the operator's administrator allows it."
    )
    runtime_class_name: str | None = Field(
        None, max_length=253, description="Runtime class of the pod, if the operator's administrator allows it."
    )
    labels: dict[str, str] | None = Field(None, description="Additional labels of the pod.")
    annotations: dict[str, str] | None = Field(None, description="Additional annotations of the pod.")
