"""Types of the fields of tasks."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(min_length=1, max_length=63)]
Uri = Annotated[str, Meta(pattern="^[a-z0-9]+://")]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Window = Annotated[str, Meta(pattern="^(auto|all|[1-9][0-9]*(s|m|h|d))$")] | Annotated[int, Meta(ge=1)]
Duration = Annotated[str, Meta(pattern="^[1-9][0-9]*(s|m|h|d)$")]
AwareTime = Annotated[datetime, Meta(tz=True)]
Share = Annotated[float, Meta(ge=0, le=1)]


class StrictStruct(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A frozen struct with camelCase fields that rejects unknown ones."""
