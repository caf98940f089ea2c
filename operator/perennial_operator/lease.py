"""Leader election: only the operator that holds a Lease acts for what the Lease is about; the others are standby.

A holder that cannot renew stops acting before another may take over: `renew_within` is less than `duration`; it
counts from before the last successful request, `duration` from after another one observed the change. Each operator
measures with its own clock how long the Lease has not changed, so the clocks of two nodes may differ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from perennial_operator.cluster.client import Kube
from perennial_operator.cluster.errors import ConflictError, ExistsError, KubeError
from perennial_operator.telemetry.logs import log

NAME = "perennial-operator"
ASKED_BY = "perennial.dev/asked-by"
"""Annotation: the operator that asks the holder for the Lease."""
LEASE_SECONDS = 15.0
RELEASE_WITHIN = 2.0
"""Seconds: an operator that is stopped does not wait for an API server that is down."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds."""

    duration: float = LEASE_SECONDS
    """Another operator takes over if the Lease has not changed for longer."""
    renew_within: float = 10.0
    """A holder that could not renew in this time gives up."""
    renew_every: float = 4.0
    retry_every: float = 1.5
    """Pause between two reads of a standby, and between two attempts of a holder whose renewal failed."""


TERMS = Terms()


class LostLeaseError(Exception):
    """The Lease was not renewed in time, or another operator holds it."""


class Lease:
    """One operator's view of one Lease."""

    def __init__(self, kube: Kube, namespace: str, name: str, identity: str, terms: Terms = TERMS) -> None:
        self._kube, self._namespace, self._name, self._terms = kube, namespace, name, terms
        self.identity = identity
        self.asked_by = ""
        """Another operator that asked for the Lease before the last renewal."""
        self._observed: tuple[object, float] | None = None
        self._renewed = 0.0
        self._last_warning = ""

    async def acquire(self) -> None:
        """This operator holds the Lease."""
        while not await self.take():
            await asyncio.sleep(self._terms.retry_every)

    async def take(self) -> bool:
        """Whether this operator holds the Lease now: it does if it may."""
        began = _now()
        try:
            if await self._take():
                self._renewed = began
                log.info("acquired the Lease %s/%s as %s", self._namespace, self._name, self.identity)
                return True
        except (ExistsError, ConflictError):
            pass  # another operator was faster
        except KubeError as error:
            self._warn("was not acquired", error)
        return False

    async def holder(self) -> str | None:
        """Who holds the Lease; empty if it may be taken, None if it cannot be read."""
        try:
            lease = await self._kube.get("Lease", self._namespace, self._name)
        except KubeError as error:
            self._warn("was not read", error)
            return None
        if lease is None or self._unchanged_for(lease) > self._terms.duration:
            return ""
        return str(_spec(lease).get("holderIdentity") or "")

    async def ask(self) -> None:
        """The holder reads with its next renewal that this operator asks for the Lease."""
        patch = {"metadata": {"annotations": {ASKED_BY: self.identity}}}
        try:
            await self._kube.merge("Lease", self._namespace, self._name, patch)
        except KubeError as error:
            self._warn("could not be asked for", error)

    async def keep(self) -> None:
        """The Lease is renewed forever; LostLeaseError before another operator may act."""
        while True:
            await asyncio.sleep(self._terms.renew_every)
            await self._renew()

    async def release(self, to: str = "") -> None:
        """Another operator may take over at once; if one is named, only that one."""
        try:
            async with asyncio.timeout(RELEASE_WITHIN):
                lease = await self._kube.get("Lease", self._namespace, self._name)
                if lease and _spec(lease).get("holderIdentity") == self.identity:
                    freed = {"holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._write(lease, self._claim(_spec(lease), to) if to else freed)
        except (KubeError, TimeoutError) as error:
            why = str(error) or "no response"
            log.warning("the Lease %s/%s was not released: %s", self._namespace, self._name, why)

    async def _renew(self) -> None:
        end = self._renewed + self._terms.renew_within
        while True:
            began = _now()
            try:
                async with asyncio.timeout_at(end):
                    if not await self._take():
                        raise LostLeaseError(f"another operator holds the Lease {self._namespace}/{self._name}")
                self._renewed = began
                return
            except (KubeError, TimeoutError) as error:
                if _now() + self._terms.retry_every >= end:
                    why = str(error) or "no response"
                    text = f"the Lease {self._namespace}/{self._name} was not renewed: {why}"
                    raise LostLeaseError(text) from error
            await asyncio.sleep(self._terms.retry_every)

    async def _take(self) -> bool:
        """Writes the Lease if this operator may; returns whether it holds the Lease now."""
        lease = await self._kube.get("Lease", self._namespace, self._name)
        if lease is None:
            metadata = {"name": self._name, "namespace": self._namespace}
            kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
            await self._kube.create({**kind, "metadata": metadata, "spec": self._claim({}, self.identity)})
        elif may_take(
            _spec(lease).get("holderIdentity"), self.identity, self._unchanged_for(lease), self._terms.duration
        ):
            self.asked_by = str((lease["metadata"].get("annotations") or {}).get(ASKED_BY, ""))
            await self._write(lease, self._claim(_spec(lease), self.identity))
        else:
            return False
        return True

    def _unchanged_for(self, lease: Mapping[str, Any]) -> float:
        """Seconds since this operator first observed the Lease in its current state, apart from who asks for it."""
        state = (lease["metadata"]["uid"], _spec(lease))
        if self._observed is None or self._observed[0] != state:
            self._observed = (state, _now())
        return _now() - self._observed[1]

    def _claim(self, before: Mapping[str, Any], holder: str) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        claim: dict[str, Any] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, int(self._terms.duration)),
            "renewTime": now,
        }
        if before.get("holderIdentity") != holder:
            claim |= {"acquireTime": now, "leaseTransitions": int(before.get("leaseTransitions") or 0) + 1}
        return claim

    async def _write(self, lease: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        """The Lease has this spec, and what was asked before is answered."""
        version = lease["metadata"]["resourceVersion"]
        metadata = {"resourceVersion": version, "annotations": {ASKED_BY: None}}
        await self._kube.merge("Lease", self._namespace, self._name, {"metadata": metadata, "spec": dict(spec)})

    def _warn(self, what: str, error: KubeError) -> None:
        if error.message != self._last_warning:
            log.warning("the Lease %s/%s %s: %s", self._namespace, self._name, what, error.message)
            self._last_warning = error.message


def may_take(holder: str | None, identity: str, unchanged_for: float, duration: float) -> bool:
    """Whether the Lease may be written: it has no holder, this one is the holder, or the holder stopped renewing."""
    return not holder or holder == identity or unchanged_for > duration


def _spec(lease: Mapping[str, Any]) -> Mapping[str, Any]:
    return lease.get("spec") or {}


def _now() -> float:
    return asyncio.get_running_loop().time()
