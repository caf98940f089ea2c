"""What all kinds have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from perennial_operator.core.api.values import Instant, Value

GROUP, VERSION = "perennial.dev", "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
IMMUTABLE = "self == oldSelf"
Number = Annotated[float, Field(allow_inf_nan=False)]


class Meta(Value):
    """Metadata of an object."""

    name: str
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: Instant
    deletion_timestamp: Instant | None = None
    annotations: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)


class Kind(Value):
    metadata: Meta

    @property
    def name(self) -> str:
        return self.metadata.name
