"""Errors of the API server, by what the caller can do about them."""

from __future__ import annotations

from perennial_operator.cluster.codec import loads


class KubeError(Exception):
    """The API server did not carry out the request."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class GoneError(KubeError):
    """The object does not exist."""


class UnknownKindError(GoneError):
    """The API server does not have the kind."""


class ExistsError(KubeError):
    """An object of that name exists already."""


class ConflictError(KubeError):
    """The object has changed since it was read: decide again from its new state."""


class RefusedError(KubeError):
    """A retry would be refused again: a permission is missing, a quota is exhausted, or the object is invalid."""


class UnavailableError(KubeError):
    """The API server is unreachable or overloaded: retry later."""


def error_of(code: int, http_reason: str, data: bytes) -> KubeError:
    """The error for a response of 400 or above, with the server's own reason and message, if it sent any."""
    try:
        status = loads(data)
        reason, message = status.get("reason"), status.get("message")
        names_object = bool((status.get("details") or {}).get("name"))
    except (ValueError, AttributeError):
        reason = message = None
        names_object = False
    reason, message = reason or http_reason or str(code), message or f"the API server responded with {code}"
    if code == 404:
        # The response names a missing object, but not a missing kind.
        return (GoneError if names_object else UnknownKindError)(reason, message)
    if code == 409:
        return (ExistsError if reason == "AlreadyExists" else ConflictError)(reason, message)
    if code in (400, 403, 405, 413, 415, 422):
        return RefusedError(reason, message)
    return UnavailableError(reason, message)
