"""Which requests become rows in storage."""

from __future__ import annotations

from pydantic import Field

from perennial_operator.core.api.cel import rule
from perennial_operator.core.api.features import any_derived, any_text, reads
from perennial_operator.core.api.pod import SecretRef
from perennial_operator.core.api.values import Column, Days, Share, Value

RESERVED = "perennial."
"""The names of the columns that are added to captured rows begin with this; the trainer has it in contract/capture."""


class CaptureSpec(Value):
    """Rows of requests, with their predictions, are written to captured/ in the model's folder in spec.storage.

    A claim needs ReadWriteMany unless storage.sameNode is set: all serving pods write to it.
    """

    share: Share = Field(
        0.1, description="Share of the keys whose rows are captured. 0 captures nothing, and takes keys still."
    )
    key: Column | None = Field(
        None,
        description="Name of an input that is not a feature, or of a parameter of requests, with the key by which labels "
        "are joined; where a request has neither, and by default, its id. A request without any gets an id.",
    )
    exclude: list[Column] = Field([], max_length=100, description="Columns that are never written.")
    key_in_clear: bool = Field(
        False, description="Write keys as they are, instead of their HMAC with the key PERENNIAL_CAPTURE_KEY."
    )
    retain: Days = Field(
        "180d",
        description="How long captured rows are kept, and the pages of drift checks with them; a daily Job deletes older "
        "ones, by whole days in UTC.",
    )
    secret_ref: SecretRef = Field(
        description="A Secret with the key PERENNIAL_CAPTURE_KEY, a random text for HMACs, and, for an object store, with "
        "credentials that may only create files in captured/; else those of storage.secretRef write.",
    )


def _is_reserved(column: str) -> str:
    return f"{column}.startsWith('{RESERVED}')"


_NONE, _FEATURES = "!has(self.serving.capture)", "self.model.features"


def _is_input(column: str, *, or_feature: bool = False) -> str:
    """CEL: whether requests have this column as an input."""
    derived = reads("d", column) + (f" || d.name == {column}" if or_feature else "")
    return (
        f"({column} in {_FEATURES}.numeric || {column} in {_FEATURES}.categorical || {any_text(column, _FEATURES)}"
        f" || {any_derived(derived, _FEATURES)})"
    )


CAPTURE_RULES = (
    rule(
        f"{_NONE} || !has(self.serving.capture.key) || !{_is_input('self.serving.capture.key', or_feature=True)}",
        "the key must not be a feature; name another input of requests, or a parameter",
        field_path=".serving.capture.key",
    ),
    rule(
        f"{_NONE} || self.serving.capture.exclude.all(c, {_is_input('c')})",
        "only columns that requests have can be excluded; name columns of model.features",
        field_path=".serving.capture.exclude",
    ),
    rule(
        f"!({_is_reserved('self.model.target')} || {_FEATURES}.numeric.exists(c, {_is_reserved('c')})"
        f" || {_FEATURES}.categorical.exists(c, {_is_reserved('c')})"
        f" || (has({_FEATURES}.text) && {_FEATURES}.text.exists(t, {_is_reserved('t.column')})))",
        f"captured rows and holdouts have columns of their own whose names begin with {RESERVED}; rename the feature or "
        "the target",
        field_path=".model",
    ),
    rule(
        f"{_NONE} || self.model.framework != 'custom'",
        "only Perennial's own model server captures; remove serving.capture, or capture in your server",
        field_path=".serving.capture",
    ),
    rule(
        f"{_NONE} || self.serving.runtime != 'kserve' || !has(self.storage.persistentVolumeClaim)",
        "with serving.runtime kserve, pods may only read a claim; store in an object store, or remove serving.capture",
        field_path=".serving.capture",
    ),
)
