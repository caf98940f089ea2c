"""What the server answers instead of an object: Kubernetes' Status, one function per reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kubectl_perennial.admission.causes import Cause

if TYPE_CHECKING:
    from tests.cluster.kinds import Kind
    from tests.cluster.store import Object


class ApiError(Exception):
    """A refused request; `status` is the body that the client gets."""

    def __init__(self, code: int, reason: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        result = {"reason": reason, "details": {key: value for key, value in details.items() if value}}
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            **{key: value for key, value in result.items() if value},
            "code": code,
        }


def _about(kind: Kind, name: str) -> dict[str, Any]:
    return {"name": name, **({"group": kind.group} if kind.group else {}), "kind": kind.plural}


def not_found(kind: Kind, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{kind.resource} "{name}" not found', **_about(kind, name))


def unknown_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(kind: Kind, name: str) -> ApiError:
    return ApiError(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', **_about(kind, name))


def conflict(kind: Kind, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, **_about(kind, name))


def stale(kind: Kind, name: str) -> ApiError:
    return conflict(
        kind, name, "the object has been modified; please apply your changes to the latest version and try again"
    )


def forbidden(kind: Kind, name: str, why: str, causes: Sequence[Cause] = ()) -> ApiError:
    message = f'{kind.resource} "{name}" is forbidden: {why}'
    return ApiError(403, "Forbidden", message, **_about(kind, name), causes=_causes(causes))


def invalid(kind: Kind, name: str, causes: Sequence[Cause]) -> ApiError:
    lines = [str(cause) for cause in causes]
    text = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    message = f'{kind.qualified} "{name}" is invalid: {text}'
    details = {"name": name, "group": kind.group, "kind": kind.name, "causes": _causes(causes)}
    return ApiError(422, "Invalid", message, **details)


def invalid_options(options: str, causes: Sequence[Cause]) -> ApiError:
    """422 for what stands in the query rather than in the object."""
    text = ", ".join(map(str, causes))
    details = {"group": "meta.k8s.io", "kind": options, "causes": _causes(causes)}
    return ApiError(422, "Invalid", f'{options}.meta.k8s.io "" is invalid: {text}', **details)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def undecodable(kind: Kind, why: str) -> ApiError:
    return bad_request(f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: {why}')


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def _causes(causes: Sequence[Cause]) -> list[dict[str, str]]:
    return [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]


def success() -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def deleted(kind: Kind, item: Object) -> dict[str, Any]:
    """What a client gets for an object that is gone at once."""
    metadata = item["metadata"]
    return success() | {"details": _about(kind, metadata["name"]) | {"uid": metadata["uid"]}}
