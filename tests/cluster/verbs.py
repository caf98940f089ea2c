"""What each write does: create, update and apply, from the request's values to the stored object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kubectl_perennial.admission.causes import Cause
from kubectl_perennial.admission.rules import broken_rules
from kubectl_perennial.admission.schema import normalize
from kubectl_perennial.admission.validation import faults, rules_may_run
from tests.cluster import admission, definitions, lifecycle
from tests.cluster.apply import merged, without
from tests.cluster.errors import (
    ApiError,
    already_exists,
    conflict,
    forbidden,
    invalid,
    not_found,
    undecodable,
)
from tests.cluster.fields import applied, readable
from tests.cluster.kinds import Kind, Kinds
from tests.cluster.ownership import (
    Manager,
    Owners,
    after_update,
    changes,
    conflict_error,
    conflicts,
    owners,
    with_owners,
)
from tests.cluster.removal import Removal
from tests.cluster.store import Object, Store


@dataclass(frozen=True)
class Options:
    """How a write is meant; `warnings` collects what the client is to be told besides."""

    manager: str = "unknown"
    validation: str = "Warn"
    dry_run: bool = False
    force: bool = False
    warnings: list[str] = field(default_factory=list)


class Verbs:
    def __init__(self, store: Store, kinds: Kinds) -> None:
        self.store = store
        self.kinds = kinds
        self.removal = Removal(store, kinds)

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        result = self.store.get(kind.storage, (namespace, name))
        if result is None:
            raise not_found(kind, name)
        return {**result, "apiVersion": kind.api_version}

    def create(self, kind: Kind, namespace: str, body: Any, options: Options, known: Owners | None = None) -> Object:
        """The new object; `known` are its fields' owners where they are not simply its writer."""
        body = lifecycle.addressed(kind, body, namespace, "")
        if body["metadata"].get("resourceVersion"):
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        new = lifecycle.created(kind, self._decoded(kind, body, options), namespace, datetime.now(UTC))
        name = new["metadata"]["name"]
        self._check_namespace(kind, namespace, name)
        if self.store.get(kind.storage, (namespace, name)) is not None:
            raise already_exists(kind, name)
        new = self._admitted(kind, new, None)
        if known is None:
            touched, _ = changes({}, {key: value for key, value in new.items() if key != "status"}, kind.schema)
            known = {Manager("Update", options.manager, kind.api_version): touched}
        return self._put(kind, None, new, known, options)

    def update(
        self, kind: Kind, namespace: str, name: str, subresource: str, change: Callable[[Object], Any], options: Options
    ) -> Object:
        """The object after `change`; nothing is written if it is as before."""
        old = self.get(kind, namespace, name)
        body = lifecycle.addressed(kind, change(old), namespace, name)
        new = lifecycle.updated(kind, old, self._decoded(kind, body, options), subresource)
        new = self._admitted(kind, new, old)
        known = owners(new if "managedFields" in new["metadata"] else old)
        touched, gone = changes(old, new, kind.schema)
        if touched or gone:
            writer = Manager("Update", options.manager, kind.api_version, subresource)
            known = after_update(known, writer, touched, gone)
        return self._put(kind, old, new, known, options)

    def bind(self, kind: Kind, pod: Object, binding: Any) -> None:
        """The pod is the named node's; 409 if it is another's already."""
        metadata, meant = pod["metadata"], binding.get("metadata") or {}
        if (other := pod["spec"].get("nodeName")) is not None:
            why = f'pod {metadata["name"]} is already assigned to node "{other}"'
            raise conflict(kind, metadata["name"], why)
        lifecycle.check_uid(kind, pod, meant.get("uid"))
        annotations = (metadata.get("annotations") or {}) | (meant.get("annotations") or {})
        bound = {**pod, "metadata": metadata | ({"annotations": annotations} if annotations else {})}
        bound["spec"] = {**pod["spec"], "nodeName": binding["target"]["name"]}
        now = lifecycle.timestamp(datetime.now(UTC))
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now}
        bound["status"] = {**pod["status"], "conditions": [*pod["status"].get("conditions", []), scheduled]}
        self.store.put(kind.storage, (metadata["namespace"], metadata["name"]), bound)

    def apply(
        self, kind: Kind, namespace: str, name: str, subresource: str, config: Any, options: Options
    ) -> tuple[Object, bool]:
        """The object after a server-side apply, and whether it is a new one."""
        config = lifecycle.applicable(kind, config, namespace, name, subresource)
        _check_ownable(kind, config)
        manager = Manager("Apply", options.manager, kind.api_version, subresource)
        claimed = applied(config, kind.schema)
        live = self.store.get(kind.storage, (namespace, name))
        if live is None:
            if subresource:
                raise not_found(kind, name)
            config = lifecycle.addressed(kind, config, namespace, name)
            return self.create(kind, namespace, config, options, {manager: claimed}), True
        known = owners(live)
        new = merged(live, config, kind.schema)
        touched, _ = changes(live, new, kind.schema)
        if (clashes := conflicts(known, manager, touched)) and not options.force:
            raise conflict_error(clashes)
        kept = {other: fields - touched for other, fields in known.items() if other != manager} | {manager: claimed}
        owned = claimed.union(*kept.values())
        new = without(new, known.get(manager, frozenset()) - owned, owned, kind.schema)
        new = lifecycle.updated(kind, live, self._decoded(kind, new, options), subresource)
        new = self._admitted(kind, new, live)
        _, gone = changes(live, new, kind.schema)
        kept = {other: fields - gone for other, fields in kept.items()} | {manager: claimed}
        kept = {other: fields for other, fields in kept.items() if fields}
        return self._put(kind, live, new, kept, options), False

    def _decoded(self, kind: Kind, body: Object, options: Options) -> Object:
        new, unknown = normalize(body, kind.schema)
        problems = [f'unknown field "{path}"' for path in unknown]
        if problems and options.validation == "Strict":
            raise undecodable(kind, f"strict decoding error: {', '.join(problems)}")
        if options.validation == "Warn":
            options.warnings.extend(problem for problem in problems if problem not in options.warnings)
        return new  # type: ignore[no-any-return]

    def _admitted(self, kind: Kind, new: Object, old: Object | None) -> Object:
        """The object, filled in; 422 if it breaks a rule, 400 if a built-in field has another type."""
        result = _faults(kind, new, old or {})
        for cause in result:
            if cause.reason == "FieldValueTypeInvalid" and (not kind.custom or cause.field.startswith("metadata")):
                raise undecodable(kind, f"json: {cause.message} ({cause.field})")
        if not kind.custom:  # Go has a zero value for what is missing elsewhere
            result = [
                cause for cause in result if cause.reason != "FieldValueRequired" or cause.field.startswith("spec")
            ]
        if not any(cause.reason == "FieldValueRequired" for cause in result):
            new = admission.filled_in(kind, new, old)
        if rules_may_run(result):
            result += broken_rules(new, old, kind.schema)
            result += definitions.faults(new) if kind.name == "CustomResourceDefinition" else []
        if result:
            raise invalid(kind, new["metadata"]["name"], result)
        return new

    def _check_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        spaces = self.kinds.stored(("", "namespaces"))
        if kind.namespaced and "deletionTimestamp" in self.get(spaces, "", namespace)["metadata"]:
            cause = Cause("metadata.namespace", "NamespaceTerminating", f"namespace {namespace} is being terminated")
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise forbidden(kind, name, why, [cause])

    def _put(self, kind: Kind, old: Object | None, new: Object, known: Owners, options: Options) -> Object:
        key = (new["metadata"].get("namespace", ""), new["metadata"]["name"])
        now = lifecycle.timestamp(datetime.now(UTC))
        if kind.name == "CustomResourceDefinition":
            new = definitions.established(new, now)
        if old:
            lifecycle.check_finalizers(kind, old, new)
        new = with_owners(new, known, old, now)
        if new == old or options.dry_run:
            return new
        stored = self.store.put(kind.storage, key, new)
        if kind.name == "CustomResourceDefinition":
            self.kinds.define(stored)
        if "deletionTimestamp" in new["metadata"] and not self.removal.is_held(kind, new):
            return self.removal.remove(kind, stored)
        return stored


def _faults(kind: Kind, new: Object, old: Object) -> list[Cause]:
    """What is wrong by the schema; the parts that an update leaves as they were are not checked again."""
    same = {key for key, value in new.items() if old.get(key) == value}
    required = [key for key in kind.schema.get("required", ()) if key not in same]
    return faults({key: new[key] for key in new.keys() - same}, {**kind.schema, "required": required})


def _check_ownable(kind: Kind, config: Object) -> None:
    """500, as Kubernetes has it, if parts of what is applied are not in the schema, so that nobody can own them."""
    config, unknown = normalize(config, kind.schema)
    result = [f".{path}: field not declared in schema" for path in unknown]
    wrong = ("FieldValueTypeInvalid", "FieldValueDuplicate")
    result += [f".{cause.field}: {cause.message}" for cause in faults(config, kind.schema) if cause.reason in wrong]
    keyless = [path for path in applied(config, kind.schema) if path[-1] == "k:{}"]
    result += [f"{readable(path[:-1])}: an item has none of its keys" for path in keyless]
    if result:
        name = f"{config['metadata'].get('namespace', '')}/{config['metadata'].get('name', '')}"
        about = f"({name}; {kind.api_version}, Kind={kind.name})"
        raise ApiError(500, "", f"failed to create typed patch object {about}: {', '.join(result)}")
