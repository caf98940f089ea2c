"""Performs actions by calls to the API server. Each action may be repeated without harm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, assert_never

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import OWN_KINDS, Body, Key
from perennial_operator.cluster.client import Kube
from perennial_operator.cluster.errors import ConflictError, ExistsError, GoneError, RefusedError
from perennial_operator.cluster.installed_crds import FIX, NOT_STORED, InstalledCrds
from perennial_operator.core.actions import Action, Apply, Create, Delete, PatchRoute, SetStatus
from perennial_operator.reconcile.events import announce
from perennial_operator.reconcile.orphans import ADOPTED, is_orphan
from perennial_operator.telemetry.logs import about


class Executor:
    """Performs one action at a time, and puts the result into the cache."""

    def __init__(self, kube: Kube, cache: Cache, crds: InstalledCrds | None = None) -> None:
        self._kube, self._cache, self.crds = kube, cache, crds or InstalledCrds(kube)

    def refusal(self, actions: Iterable[Action]) -> RefusedError | None:
        """Why the actions must not be done: the API server would store one of their objects without a field."""
        written = (_written(action) for action in actions)
        return next(filter(None, (self.crds.refusal(*each) for each in written if each)), None)

    async def act(self, key: Key, action: Action) -> None:
        """The action is done. KubeError if it failed; then the actions after it must not be done."""
        match action:
            case Create(manifest):
                await self._create(key, manifest)
            case Apply(manifest):
                await self._apply(key, manifest)
            case Delete(kind, name):
                await self._delete(key, kind, name)
            case SetStatus():
                await self._set_status(key, action)
            case PatchRoute():
                await self._patch_route(key, action)
            case _:
                assert_never(action)

    async def _patch_route(self, key: Key, to: PatchRoute) -> None:
        try:
            body = await self._kube.patch(to.kind, key.namespace, to.name, to.operations, to.resource_version)
        except GoneError:
            raise ConflictError("Gone", f"{to.kind} {to.name} was just deleted; reconciling again") from None
        if body["metadata"]["resourceVersion"] == to.resource_version:
            raise _changed_nothing(f"{to.kind} {to.name}")
        about(key).info("patched %s %s", to.kind, to.name)

    async def _set_status(self, key: Key, to: SetStatus) -> None:
        if to.kind != "ModelDeployment" and (refusal := self.refusal([to])):
            raise refusal
        try:
            body = await self._kube.set_status(to.kind, key.namespace, to.name, to.status, to.resource_version)
        except RefusedError as error:
            raise _with_fix(to.kind, error) from error
        except GoneError:
            self._cache.remove(key, to.kind, to.name)
            raise ConflictError("Gone", f"{to.kind} {to.name} was just deleted; reconciling again") from None
        self._cache.put(_of(to.kind, body))
        self.crds.check_response(to.kind, {"status": to.status}, body)
        if body["metadata"]["resourceVersion"] == to.resource_version:
            raise _changed_nothing(f"the status of {to.kind} {to.name}")
        if to.announce:
            await announce(self._kube, self._cache, key, (to.kind, to.name), to.announce)

    async def _create(self, key: Key, manifest: Mapping[str, Any]) -> None:
        kind, name, manifest = manifest["kind"], manifest["metadata"]["name"], self._owned(key, manifest)
        try:
            created = await self._kube.create(manifest)
            self._cache.put(_of(kind, created))
            await self._check_created(key, manifest, created)
            about(key).info("created %s %s", kind, name)
        except RefusedError as error:
            raise _with_fix(kind, error) from error
        except ExistsError:
            if kind in ("Job", "ModelVersion"):
                await self._clear_orphan(key, kind, name)
            existing = await self._owned_object(key, manifest)
            if existing is None:
                raise ConflictError("Conflict", f"{kind} {name} was just deleted; reconciling again") from None
            self._cache.put(_of(kind, existing))
            if kind == "ModelVersion":
                # It has the same number or is this one from an earlier pass: the next pass decides what it needs.
                raise ConflictError("Conflict", f"{kind} {name} existed already; reconciling again") from None

    async def _clear_orphan(self, key: Key, kind: str, name: str) -> None:
        """ConflictError if an object without an owner has the name: a Job is deleted, a record is decided upon."""
        existing = await self._kube.get(kind, key.namespace, name)
        if existing is None or not is_orphan(_of(kind, existing), key.name):
            return
        self._cache.put(_of(kind, existing))
        if kind == "Job":
            await self._delete(key, kind, name)
        raise ConflictError("Conflict", f"{kind} {name} had lost its owner; reconciling again")

    async def _check_created(self, key: Key, manifest: Mapping[str, Any], created: Body) -> None:
        """RefusedError if a record was stored without a field; then it is deleted: it would be another one."""
        kind = manifest["kind"]
        if kind in OWN_KINDS:
            try:
                self.crds.check_response(kind, {"spec": manifest["spec"]}, created)
            except RefusedError:
                await self._delete(key, kind, manifest["metadata"]["name"])
                raise

    def _owned(self, key: Key, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        """The manifest with the uid of an owner that was created just before."""
        metadata = manifest["metadata"]
        owners = [
            owner if owner["uid"] else {**owner, "uid": self._cache.uid(key, owner["kind"], owner["name"])}
            for owner in metadata.get("ownerReferences") or []
        ]
        if not all(owner["uid"] for owner in owners):
            name = metadata["name"]
            raise ConflictError(
                "Conflict", f"the owner of {manifest['kind']} {name} was just deleted; reconciling again"
            )
        return {**manifest, "metadata": {**metadata, "ownerReferences": owners}} if owners else manifest

    async def _apply(self, key: Key, manifest: Mapping[str, Any]) -> None:
        """The object is read first: an apply changes any object of the name, and the cache may be outdated."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        await self._owned_object(key, manifest)
        self._cache.put(_of(kind, await self._kube.apply(manifest)))
        about(key).info("applied %s %s", kind, name)

    async def _owned_object(self, key: Key, manifest: Mapping[str, Any]) -> Body | None:
        """The object of this name, or None.

        RefusedError if this ModelDeployment does not own it, ConflictError if it is being deleted.
        """
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        existing = await self._kube.get(kind, key.namespace, name)
        if existing is None:
            return None
        wanted, actual = _owners(manifest), _owners(existing)
        owned = bool(wanted & actual)
        # Kubernetes has yet to delete the dependents of an earlier owner of the same name.
        left_over = not owned and {owner[:2] for owner in wanted} & {owner[:2] for owner in actual}
        if existing["metadata"].get("deletionTimestamp") or left_over:
            raise ConflictError("Conflict", f"{kind} {name} is being deleted; reconciling again")
        if not owned and kind in ADOPTED and is_orphan(_of(kind, existing), key.name):
            about(key).info("adopts %s %s, which has no owner", kind, name)
        elif not owned:
            raise RefusedError(
                "NameTaken",
                f"{kind} {name} exists already and does not belong to ModelDeployment {key.name}; "
                "remove it, or give the ModelDeployment another name",
            )
        return existing

    async def _delete(self, key: Key, kind: str, name: str) -> None:
        try:
            remaining = await self._kube.delete(kind, key.namespace, name, self._cache.uid(key, kind, name))
            about(key).info("deleted %s %s", kind, name)
        except GoneError:
            remaining = None
        except ConflictError:
            # Another object of the name, or a changed one: cached as it is, or it would count as deleted and stay.
            if existing := await self._kube.get(kind, key.namespace, name):
                self._cache.put(_of(kind, existing))
                raise
            remaining = None
        if remaining:
            self._cache.put(_of(kind, remaining))
        else:
            self._cache.remove(key, kind, name)


def _written(action: Action) -> tuple[str, Mapping[str, Any]] | None:
    """The kind and the part of a record that the action writes, or None."""
    if isinstance(action, SetStatus):
        return action.kind, {"status": action.status}
    own = isinstance(action, Create) and action.manifest["kind"] in OWN_KINDS
    return (action.manifest["kind"], {"spec": action.manifest["spec"]}) if isinstance(action, Create) and own else None


def _changed_nothing(what: str) -> RefusedError:
    return RefusedError(
        NOT_STORED,
        f"the API server accepted a change of {what} and stored nothing; does an admission webhook undo it? Else {FIX}",
    )


def _with_fix(kind: str, error: RefusedError) -> RefusedError:
    """The error; with the fix, if the definition of one of our kinds allows fewer values than this operator writes."""
    if error.reason != "Invalid" or kind not in (*OWN_KINDS, "ModelDeployment"):
        return error
    return RefusedError(error.reason, f"{error.message}; are its CRDs of an older release? Then {FIX}")


def _owners(body: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    """(kind, name, uid) of each owner."""
    return {(o["kind"], o["name"], o["uid"]) for o in body["metadata"].get("ownerReferences") or []}


def _of(kind: str, body: Body) -> Body:
    return {**body, "kind": kind}
