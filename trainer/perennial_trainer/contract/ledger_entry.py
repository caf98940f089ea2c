"""The entry of the ledger that a record task brings."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from perennial_trainer.contract.fields import Name, Sha256, StrictStruct, Uri

GREATEST = 2**63 - 1
MOST_LEVELS = 32
Count = Annotated[int, Meta(ge=0, le=GREATEST)]


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


class RecordedModel(StoredModel, frozen=True, rename="camel"):
    bytes: Count = 0


class RecordedRows(StoredHoldout, frozen=True, rename="camel", kw_only=True):
    rows: Count
    holdout_rows: Count
    history_rows: Count | None = None
    sha256: str
    start: str | None = None
    end: str | None = None
    snapshot: Annotated[str, Meta(max_length=200)] | None = None
    fitted_until: str | None = None

    def __post_init__(self) -> None:
        _require_instants(self.start, self.end, self.fitted_until)


class RecordedIncrease(msgspec.Struct, frozen=True):
    name: str
    feature: str
    value: float


class RecordedRefit(msgspec.Struct, frozen=True, kw_only=True):
    serves: bool = False
    message: str
    rows: Count | None = None
    artifact: RecordedModel | None = None
    proven: RecordedModel | None = None
    quality: Annotated[list[RecordedIncrease], Meta(max_length=10)] = []


class RecordedBlend(msgspec.Struct, frozen=True):
    models: Annotated[int, Meta(ge=1, le=GREATEST)]
    fits: Count
    message: str


class RecordedMetrics(msgspec.Struct, frozen=True, rename="camel"):
    candidate: dict[str, float]
    live: dict[str, float] | None = None
    standard_errors: dict[str, float] | None = None


class RecordedStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the operator restores of a version's status, by rules at least as strict as its own."""

    phase: Literal["Live", "Rejected", "RolledBack"]
    image: str | None = None
    artifact: RecordedModel
    refit: RecordedRefit | None = None
    blend: RecordedBlend | None = None
    data: RecordedRows
    parameters: dict[str, Any] | None = None
    metrics: RecordedMetrics | None = None
    metric: str | None = None
    live_since: str | None = None
    ended_at: str | None = None
    reason: Annotated[str, Meta(pattern="^[A-Za-z][A-Za-z0-9]{0,63}$")] | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        _require_instants(self.live_since, self.ended_at)
        field, value = ("liveSince", self.live_since) if self.phase == "Live" else ("reason", self.reason)
        if value is None:
            raise ValueError(f"{field} is missing")


class RecordedTrigger(msgspec.Struct, frozen=True, rename="camel"):
    reason: Literal[
        "Initial", "Drift", "Growth", "Reweighing", "Schedule", "SpecChange", "Request", "Recovered", "Adopted"
    ]
    drift_report: Annotated[str, Meta(max_length=253)] | None = None
    request: Annotated[str, Meta(max_length=100)] | None = None
    message: Annotated[str, Meta(max_length=4000)] = ""


class RecordedVersion(msgspec.Struct, frozen=True):
    """An entry that the operator can restore; ValidationError if it cannot."""

    name: str
    trigger: RecordedTrigger
    status: RecordedStatus
    parent: Annotated[str, Meta(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] | None = None

    def __post_init__(self) -> None:
        if not self.name.endswith(f"-{self.status.phase}"):
            raise ValueError(f"status.phase is {self.status.phase}, and the entry is {self.name}")


RESTORED = frozenset(RecordedStatus.__struct_encode_fields__)
"""The fields of a status that the operator restores; others are left out of the result."""


def restorable(entry: LedgerEntry) -> LedgerEntry:
    """The entry with what the operator restores; ValueError, also as ValidationError, if it cannot."""
    status = {name: value for name, value in entry.status.items() if name in RESTORED}
    msgspec.convert(
        {"name": entry.name, "trigger": entry.trigger, "status": status, "parent": entry.parent}, RecordedVersion
    )
    if not _is_storable([entry.trigger, status]):
        raise ValueError(f"it has a number of more than 64 bits, or more than {MOST_LEVELS} levels")
    return msgspec.structs.replace(entry, status=status)


def _require_instants(*instants: str | None) -> None:
    """Each is a time of the years 1 to 9999 in UTC."""
    for text in instants:
        try:
            datetime.fromisoformat("0001-01-01T00:00:00Z" if text is None else text).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError(f"{text!r} is not a time of the years 1 to 9999 in UTC") from None


def _is_storable(value: Any, levels: int = MOST_LEVELS) -> bool:
    """Whether the API server can hold it."""
    match value:
        case dict():
            return levels > 0 and all(_is_storable(each, levels - 1) for each in value.values())
        case list():
            return levels > 0 and all(_is_storable(each, levels - 1) for each in value)
        case int():
            return abs(value) <= GREATEST
        case _:
            return True
