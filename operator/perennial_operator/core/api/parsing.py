"""API objects as frozen values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from perennial_operator.core.api.drift_report import DriftReport
from perennial_operator.core.api.meta import Kind
from perennial_operator.core.api.model_deployment import ModelDeployment
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.values import shown_addresses

LONGEST_SHOWN = 200
"""Greatest number of characters of a bad value in a message."""


class BadObjectError(ValueError):
    """The object does not match its schema; the message names the field, the value and the fix."""

    reason = "InvalidSpec"


class UnknownPhaseError(BadObjectError):
    """The ModelVersion is in a phase that this operator does not know, as after a downgrade or an edit by hand."""

    reason = "UnknownPhase"


KINDS: dict[str, type[ModelDeployment | ModelVersion | DriftReport]] = {
    "ModelDeployment": ModelDeployment,
    "ModelVersion": ModelVersion,
    "DriftReport": DriftReport,
}
K = TypeVar("K", bound=Kind)


def parse(kind: type[K], body: Mapping[str, Any]) -> K:
    """The object as a value; BadObjectError names every bad field. Unknown fields are ignored.

    A status that does not match the schema is dropped, because the operator can compute it again. The status of a
    ModelVersion is the only record, so there it is an error.
    """
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        if kind is not ModelVersion and any(item["loc"][:1] == ("status",) for item in error.errors()):
            return parse(kind, {**body, "status": {}})
        unknown = kind is ModelVersion and any(item["loc"] == ("status", "phase") for item in error.errors())
        message = "; ".join(_sentence(item) for item in error.errors())
        if unknown:
            raise UnknownPhaseError(f"{message}; upgrade the operator, or restore the status") from error
        raise BadObjectError(message) from error


def _sentence(item: Any) -> str:
    path = field_path(item["loc"])
    given = item["input"]
    value = "" if isinstance(given, dict | list) else f" (it is {shown_addresses(repr(given))[:LONGEST_SHOWN]})"
    return f"{path}: {shown_addresses(item['msg'].removeprefix('Value error, '))}{value}"


def field_path(parts: Iterable[str | int]) -> str:
    """The field as an API server names it: spec.model.features.derived[0].name."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")
