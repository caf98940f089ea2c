"""Who owns which field of an object: metadata.managedFields, read, changed by a write, and written back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kubectl_perennial.admission.schema import Schema
from tests.cluster.errors import ApiError
from tests.cluster.fields import Fields, Path, from_v1, nodes, readable, to_v1
from tests.cluster.store import Object


@dataclass(frozen=True, order=True)
class Manager:
    """One writer in one way of writing; `Apply` sorts before `Update`."""

    operation: str
    name: str
    api_version: str
    subresource: str = ""


Owners = Mapping[Manager, Fields]


def owners(item: Object) -> dict[Manager, Fields]:
    """The owners that the object records."""
    return {
        _manager(entry): frozenset(from_v1(entry.get("fieldsV1") or {}))
        for entry in item["metadata"].get("managedFields") or []
    }


def _manager(entry: Object) -> Manager:
    return Manager(
        entry["operation"], entry.get("manager", ""), entry.get("apiVersion", ""), entry.get("subresource", "")
    )


def with_owners(item: Object, known: Owners, before: Object | None, now: str) -> Object:
    """The object with its managedFields; an entry that is as before keeps its time."""
    kept = {_manager(entry): entry for entry in (before or {}).get("metadata", {}).get("managedFields") or []}
    entries = []
    for manager, fields in known.items():
        entry: Object = {"manager": manager.name, "operation": manager.operation, "apiVersion": manager.api_version}
        entry |= {"time": now, "fieldsType": "FieldsV1", "fieldsV1": to_v1(fields)}
        entry |= {"subresource": manager.subresource} if manager.subresource else {}
        old = kept.get(manager)
        entries.append(old if old and old["fieldsV1"] == entry["fieldsV1"] else entry)
    entries.sort(key=lambda entry: (entry["operation"], entry.get("time", ""), entry["manager"]))
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {**item, "metadata": metadata | ({"managedFields": entries} if entries else {})}


def changes(old: Object, new: Object, schema: Schema) -> tuple[Fields, Fields]:
    """The fields that the new object has set or changed, and those that it no longer has."""
    before, after = nodes(old, schema), nodes(new, schema)
    missing = object()
    touched = frozenset(path for path, value in after.items() if before.get(path, missing) != value)
    return touched, frozenset(before.keys() - after.keys())


def after_update(known: Owners, manager: Manager, touched: Fields, gone: Fields) -> dict[Manager, Fields]:
    """Whoever changes a field owns it, alone; a field that is gone has no owner."""
    result = {other: fields - touched - gone for other, fields in known.items()}
    result[manager] = (known.get(manager, frozenset()) | touched) - gone
    return {other: fields for other, fields in result.items() if fields}


def conflicts(known: Owners, manager: Manager, touched: Fields) -> dict[Manager, list[Path]]:
    """The fields about to change that somebody else owns."""
    result = {other: sorted(fields & touched) for other, fields in sorted(known.items()) if other != manager}
    return {other: paths for other, paths in result.items() if paths}


def conflict_error(result: Mapping[Manager, list[Path]]) -> ApiError:
    """409, which names each owner and each field."""
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {_owner(other)}", "field": readable(path)}
        for other, paths in result.items()
        for path in paths
    ]
    count = f"{len(causes)} conflict" + "s" * (len(causes) > 1)
    text = "\n".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    return ApiError(409, "Conflict", f"Apply failed with {count}: {text}", causes=causes)


def _owner(manager: Manager) -> str:
    text = f'"{manager.name}"' + (f' with subresource "{manager.subresource}"' if manager.subresource else "")
    return text if manager.operation == "Apply" else f"{text} using {manager.api_version}"
