"""Where rows and models are stored."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from perennial_operator.core.api.cel import matching, rule, rules
from perennial_operator.core.api.pod import SecretRef
from perennial_operator.core.api.values import Folder, ObjectName, Uri, Value

ONE_SOURCE = rule(
    "has(self.uri) != has(self.persistentVolumeClaim)",
    "give exactly one of uri and persistentVolumeClaim",
)
_PLACES = (
    "[has(self.uri), has(self.persistentVolumeClaim), has(self.sql), has(self.delta), has(self.iceberg)]"
    ".filter(given, given).size()"
)
ONE_PLACE = rule(f"{_PLACES} == 1", "give exactly one of uri, persistentVolumeClaim, sql, delta and iceberg")
PLACE_OR_CAPTURED = rule(
    f"{_PLACES} == 1 || ({_PLACES} == 0 && has(self.captured) && self.captured)",
    "give exactly one of uri, persistentVolumeClaim, sql, delta and iceberg, or captured: true",
)
WHERE_SQL_OPENS = "name the Secret in sql.secretRef"
SQL_OPENS = rule("!has(self.sql) || !has(self.secretRef)", WHERE_SQL_OPENS, field_path=".secretRef")
Query = Annotated[
    str,
    *matching(
        r"(?is)\s*(select|with|table|values)\b.*",
        "give a query that starts with SELECT or WITH; only reading is allowed",
        16_384,
    ),
]


Below = Annotated[
    str,
    *matching(
        r"([^/\s]\S*)?",
        "give a path below the claim's root, without a leading /",
        512,
        rule("!self.split('/').exists(part, part == '..')", "path must not contain '..'"),
    ),
]


class ClaimPath(Value):
    """Files on a PersistentVolumeClaim of the same namespace."""

    claim_name: ObjectName = Field(description="Name of the PersistentVolumeClaim.")
    path: Below = Field("", description="Path below the root of the claim; * wildcards are allowed.")

    @model_validator(mode="after")
    def stay_below_the_claim(self) -> ClaimPath:
        if ".." in self.path.split("/"):
            raise ValueError(f"path {self.path!r} must not contain '..'")
        return self


class SqlSource(Value):
    """A query of PostgreSQL. It runs in a read-only transaction, and in `SELECT … FROM (query)`."""

    query: Query = Field(
        description="A SELECT with the columns that the model needs. :since is the start of the window, a timestamptz; it "
        "is needed where PostgreSQL cannot push a condition on timeColumn into the query, as with GROUP BY."
    )
    secret_ref: SecretRef = Field(
        description="The database and a role that may only read; the Secret's keys become environment variables of the "
        "Job: PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE, or a uri as CloudNativePG writes it."
    )


class DeltaSource(Value):
    """A Delta table, of which the files of one version are read."""

    uri: Folder = Field(description="Folder of the table: s3://, gs://, az:// or file://.")
    version: int | None = Field(
        None, ge=0, description="Version to read, such as the one in status.data.snapshot; else the newest."
    )


class IcebergSource(Value):
    """An Iceberg table, of which the rows of one snapshot are read."""

    uri: Folder = Field(
        description="Folder of the table, or the address of one of its metadata.json: s3://, gs://, az:// or file://."
    )
    snapshot: int | None = Field(
        None,
        ge=0,
        description="Id of the snapshot to read, such as the one in status.data.snapshot; else the current one.",
    )


class Place(Value):
    """Where rows are: csv or parquet files, a query, or a table."""

    model_config = rules(ONE_PLACE, SQL_OPENS)

    @model_validator(mode="after")
    def is_one(self) -> Self:
        if self._places != 1:
            raise ValueError(str(ONE_PLACE["message"]))
        if self.sql and self.secret_ref:
            raise ValueError(WHERE_SQL_OPENS)
        return self

    @property
    def _places(self) -> int:
        """How many are given."""
        places = (self.uri, self.persistent_volume_claim, self.sql, self.delta, self.iceberg)
        return sum(each is not None for each in places)

    delta: DeltaSource | None = Field(None, description="A Delta table, instead of uri; secretRef opens its store.")
    iceberg: IcebergSource | None = Field(
        None, description="An Iceberg table, instead of uri; secretRef opens its store."
    )
    sql: SqlSource | None = Field(None, description="Rows of a query of PostgreSQL, instead of uri.")
    uri: Uri | None = Field(
        None,
        description="Address of csv or parquet files: s3://, gs://, az://, https:// or file://; * wildcards are allowed.",
    )
    persistent_volume_claim: ClaimPath | None = Field(
        None, description="Files on a PersistentVolumeClaim, instead of uri."
    )
    secret_ref: SecretRef | None = Field(
        None, description="Credentials for the source; the Secret's keys become environment variables of the Job."
    )


class Source(Place):
    """Where the rows are: csv or parquet files, a query, a table, or what was captured."""

    model_config = rules(PLACE_OR_CAPTURED, SQL_OPENS)
    captured: bool | None = Field(
        None,
        description="The rows that serving.capture has written, with the labels of data.labels: alone, or beside the rows "
        "of one of the other fields, such as files of before.",
    )

    @model_validator(mode="after")
    def is_one(self) -> Self:
        if self._places > 1 or not (self._places or self.captured):
            raise ValueError(str(PLACE_OR_CAPTURED["message"]))
        if self.sql and self.secret_ref:
            raise ValueError(WHERE_SQL_OPENS)
        return self


class Storage(Value):
    """Where versions are stored."""

    model_config = rules(ONE_SOURCE)

    @model_validator(mode="after")
    def is_one(self) -> Self:
        if (self.uri is None) == (self.persistent_volume_claim is None):
            raise ValueError(str(ONE_SOURCE["message"]))
        return self

    uri: Folder | None = Field(None, description="A folder: s3://, gs://, az:// or file://.")
    persistent_volume_claim: ClaimPath | None = Field(
        None, description="A folder on a PersistentVolumeClaim, instead of uri."
    )
    secret_ref: SecretRef | None = Field(
        None, description="Credentials for the storage; the Secret's keys become environment variables of the pods."
    )
    same_node: bool | None = Field(
        None,
        description="Run all pods of the model that mount a claim on one node, for claims that one node alone may mount "
        "(ReadWriteOnce). A model that is to survive its node needs a claim with ReadWriteMany instead.",
    )
