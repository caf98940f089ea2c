"""The entry of the ledger that a record task brings."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from perennial_trainer.contract.fields import Name, Sha256, StrictStruct, Uri


class LedgerEntry(StrictStruct, frozen=True, kw_only=True):
    """The result of a version and what an empty cluster needs to restore it; `name` has time, number and phase."""

    name: Annotated[str, Meta(pattern="^[0-9]{8}T[0-9]{6}Z-v[1-9][0-9]*-(Live|Rejected|RolledBack)$")]
    trigger: dict[str, Any]
    parent: Name | None = None
    recipe: dict[str, Any]
    status: dict[str, Any]

    def __post_init__(self) -> None:
        try:
            msgspec.convert(self.status, StoredFiles)
        except msgspec.ValidationError:
            raise ValueError("status does not have the URIs and digests of artifact and holdout") from None

    @property
    def stored(self) -> "StoredFiles":
        return msgspec.convert(self.status, StoredFiles)


class StoredModel(msgspec.Struct, frozen=True, rename="camel"):
    uri: Uri
    sha256: Sha256
    metadata_sha256: Sha256 | None = None


class StoredHoldout(msgspec.Struct, frozen=True, rename="camel"):
    holdout_uri: Uri
    holdout_sha256: Sha256


class StoredRefit(msgspec.Struct, frozen=True):
    artifact: StoredModel | None = None
    proven: StoredModel | None = None


class StoredFiles(msgspec.Struct, frozen=True):
    """The files that a version's status names; its other fields are the operator's."""

    artifact: StoredModel
    data: StoredHoldout
    refit: StoredRefit = StoredRefit()

    @property
    def uris(self) -> list[str]:
        models = (self.artifact, self.refit.artifact, self.refit.proven)
        return [*(model.uri for model in models if model), self.data.holdout_uri]


class WentLive(msgspec.Struct, frozen=True, rename="camel"):
    """What the status of a version says that went live."""

    phase: Literal["Live"]
    live_since: datetime
