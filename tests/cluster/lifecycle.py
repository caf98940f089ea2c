"""What happens to an object's metadata, generation and status when it is made, changed or deleted."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime
from typing import Any

from kubectl_perennial.admission.causes import Cause
from kubectl_perennial.admission.schema import normalize
from tests.cluster.errors import bad_request, conflict, invalid, stale
from tests.cluster.kinds import Kind
from tests.cluster.store import Object

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
EMPTY: tuple[Any, ...] = (None, "", [], {})  # Go leaves these out of metadata
_SERVER_SIDE = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")


def timestamp(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def created(kind: Kind, body: Object, namespace: str, now: datetime) -> Object:
    """A new object as the server first stores it; 400 if it has no name or belongs elsewhere."""
    metadata = {key: value for key, value in body["metadata"].items() if key not in _SERVER_SIDE}
    metadata.pop("resourceVersion", None)
    if not metadata.get("name"):
        if not metadata.get("generateName"):
            raise invalid(
                kind,
                "",
                [Cause("metadata.name", "FieldValueRequired", "Required value: name or generateName is required")],
            )
        metadata["name"] = metadata["generateName"] + "".join(random.choices(_SUFFIX, k=5))
    metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp(now)}
    if kind.namespaced:
        metadata["namespace"] = namespace
    new = {**body, "metadata": metadata}
    if kind.status and kind.plural != "nodes":
        new.pop("status", None)
        status = kind.schema.get("properties", {}).get("status", {})
        new |= normalize({}, {"properties": {"status": status}})[0]  # its default is read before anybody has written it
    if kind.counted:
        metadata["generation"] = 1
    return new


def addressed(kind: Kind, body: Any, namespace: str, name: str) -> Object:
    """The body, if it is an object of this kind and for this address; 400 otherwise."""
    if not isinstance(body, dict):
        raise bad_request(f"the object provided is not a {kind.name}: a JSON object is needed")
    if not kind.custom:  # what is missing follows from the address
        body = {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            **{key: value for key, value in body.items() if value != ""},
        }
    sent = body.get("apiVersion", ""), body.get("kind", "")
    if sent != (kind.api_version, kind.name):
        raise bad_request(
            f"the API version in the data ({sent[0]}) and kind ({sent[1]}) do not match the expected"
            f" ({kind.api_version}, {kind.name})"
        )
    metadata = {key: value for key, value in (body.get("metadata") or {}).items() if value not in EMPTY}
    if kind.namespaced and metadata.setdefault("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if name and not metadata.get("name"):
        raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if name and metadata["name"] != name:
        raise bad_request(f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})")
    return {**body, "metadata": metadata}


def updated(kind: Kind, old: Object, new: Object, subresource: str) -> Object:
    """The changed object: what only the server may change is kept, the generation counts changes of what is desired."""
    name = old["metadata"]["name"]
    version = new["metadata"].get("resourceVersion")
    if kind.custom and not version:
        why = "Invalid value: 0: must be specified for an update"
        raise invalid(kind, name, [Cause("metadata.resourceVersion", "FieldValueInvalid", why)])
    if version and version != old["metadata"]["resourceVersion"]:
        raise stale(kind, name)
    check_uid(kind, old, new["metadata"].get("uid"))
    if subresource == "status":
        new = {**{key: value for key, value in old.items() if key != "status"}, **_only(new, "status")}
    elif kind.status:
        new = {**{key: value for key, value in new.items() if key != "status"}, **_only(old, "status")}
    metadata = {key: value for key, value in new["metadata"].items() if key not in _SERVER_SIDE}
    metadata |= {key: old["metadata"][key] for key in (*_SERVER_SIDE, "resourceVersion") if key in old["metadata"]}
    if "generation" in metadata and _desired(kind, new) != _desired(kind, old):
        metadata["generation"] += 1
    return {**new, "metadata": metadata}


def _only(item: Object, key: str) -> Object:
    return {key: item[key]} if key in item else {}


def _desired(kind: Kind, item: Object) -> Object:
    ignored = {"apiVersion", "kind", "metadata"} | ({"status"} if kind.status or not kind.custom else set())
    wanted = {key: value for key, value in item.items() if key not in ignored}
    if kind.resource == "deployments.apps":  # its annotations go to the ReplicaSets
        wanted["annotations"] = item["metadata"].get("annotations") or {}
    return wanted


def check_uid(kind: Kind, item: Object, uid: str | None) -> None:
    """409 if the object is not the one that was meant."""
    metadata = item["metadata"]
    if uid not in (None, metadata["uid"]):
        why = (
            f"the UID in the precondition ({uid}) does not match the UID in record ({metadata['uid']})."
            " The object might have been deleted and then recreated"
        )
        raise conflict(kind, metadata["name"], why)


def marked_for_deletion(kind: Kind, item: Object, grace_seconds: int, when: str) -> Object:
    """The object as it waits for its finalizers, its contents, or the node that stops its containers."""
    metadata = item["metadata"] | {"deletionTimestamp": when, "deletionGracePeriodSeconds": grace_seconds}
    if "generation" in metadata and "deletionTimestamp" not in item["metadata"]:
        metadata["generation"] += 1
    marked = {**item, "metadata": metadata}
    if kind.name == "Namespace" and not kind.custom:
        marked["status"] = {**item.get("status", {}), "phase": "Terminating"}
    return marked


def check_finalizers(kind: Kind, old: Object, new: Object) -> None:
    """422 if a finalizer is added to what is already being deleted."""
    had = old["metadata"].get("finalizers") or []
    added = [name for name in new["metadata"].get("finalizers") or [] if name not in had]
    if added and "deletionTimestamp" in old["metadata"]:
        quoted = ", ".join(f'"{name}"' for name in added)
        why = "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers"
        cause = Cause("metadata.finalizers", "FieldValueForbidden", f"{why} []string{{{quoted}}}")
        raise invalid(kind, old["metadata"]["name"], [cause])


def applicable(kind: Kind, config: Any, namespace: str, name: str, subresource: str) -> Object:
    """The part of an applied object that this request may apply; 400 if it is another kind or address."""
    if not isinstance(config, dict):
        raise bad_request("the applied configuration is not an object")
    metadata = config.get("metadata") or {}
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    if (config.get("apiVersion"), config.get("kind")) != (kind.api_version, kind.name):
        raise bad_request(f"invalid object type: {config.get('apiVersion')}, Kind={config.get('kind')}")
    addressed(kind, {**config, "metadata": {"name": name, **metadata}}, namespace, name)
    if subresource == "status":
        kept = {key: value for key, value in metadata.items() if key in ("resourceVersion", "uid")}
        return {**{key: config[key] for key in ("apiVersion", "kind")}, "metadata": kept, **_only(config, "status")}
    kept = {key: value for key, value in config.items() if key != "status" or not kind.status}
    return {**kept, "metadata": metadata}
