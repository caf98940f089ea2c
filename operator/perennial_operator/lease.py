"""Leader election: only the operator that holds the Lease acts; the others are standby.

A leader that cannot renew stops acting before a standby may take over: `renew_within` is less than `duration`; it
counts from before the last successful request, `duration` from after a standby observed the change. Each operator
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
LEASE_SECONDS = 15.0
RELEASE_WITHIN = 2.0
"""Seconds: an operator that is stopped does not wait for an API server that is down."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds."""

    duration: float = LEASE_SECONDS
    """A standby takes over if the Lease has not changed for longer."""
    renew_within: float = 10.0
    """A leader that could not renew in this time gives up."""
    renew_every: float = 4.0
    retry_every: float = 1.5
    """Pause between two reads of a standby, and between two attempts of a leader whose renewal failed."""


class LostLeaseError(Exception):
    """The Lease was not renewed in time, or another operator holds it."""


class Lease:
    """One operator's view of the Lease."""

    def __init__(self, kube: Kube, namespace: str, identity: str, terms: Terms = Terms()) -> None:
        self._kube, self._namespace, self._terms = kube, namespace, terms
        self.identity = identity
        self._observed: tuple[object, float] | None = None
        self._renewed = 0.0
        self._last_warning = ""

    async def acquire(self) -> bool:
        """This operator holds the Lease; returns whether it had to wait."""
        waited = False
        while not await self._try_acquire():
            waited = True
            await asyncio.sleep(self._terms.retry_every)
        log.info("acquired the Lease %s/%s as %s", self._namespace, NAME, self.identity)
        return waited

    async def keep(self) -> None:
        """The Lease is renewed forever; LostLeaseError before another operator may act."""
        while True:
            await asyncio.sleep(self._terms.renew_every)
            await self._renew()

    async def release(self) -> None:
        """A standby may take over at once."""
        try:
            async with asyncio.timeout(RELEASE_WITHIN):
                lease = await self._kube.get("Lease", self._namespace, NAME)
                if lease and _spec(lease).get("holderIdentity") == self.identity:
                    await self._write(lease, {"holderIdentity": "", "leaseDurationSeconds": 1})
        except (KubeError, TimeoutError) as error:
            log.warning("the Lease %s/%s was not released: %s", self._namespace, NAME, str(error) or "no response")

    async def _try_acquire(self) -> bool:
        began = _now()
        try:
            if await self._take():
                self._renewed = began
                return True
        except (ExistsError, ConflictError):
            pass  # another operator was faster
        except KubeError as error:
            if error.message != self._last_warning:
                log.warning("the Lease %s/%s was not acquired: %s", self._namespace, NAME, error.message)
                self._last_warning = error.message
        return False

    async def _renew(self) -> None:
        end = self._renewed + self._terms.renew_within
        while True:
            began = _now()
            try:
                async with asyncio.timeout_at(end):
                    if not await self._take():
                        raise LostLeaseError(f"another operator holds the Lease {self._namespace}/{NAME}")
                self._renewed = began
                return
            except (KubeError, TimeoutError) as error:
                if _now() + self._terms.retry_every >= end:
                    why = str(error) or "the API server did not respond in time"
                    raise LostLeaseError(f"the Lease {self._namespace}/{NAME} was not renewed: {why}") from error
            await asyncio.sleep(self._terms.retry_every)

    async def _take(self) -> bool:
        """Writes the Lease if this operator may; returns whether it holds the Lease now."""
        lease = await self._kube.get("Lease", self._namespace, NAME)
        if lease is None:
            metadata = {"name": NAME, "namespace": self._namespace}
            kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
            await self._kube.create({**kind, "metadata": metadata, "spec": self._claim({})})
        elif may_take(
            _spec(lease).get("holderIdentity"), self.identity, self._unchanged_for(lease), self._terms.duration
        ):
            await self._write(lease, self._claim(_spec(lease)))
        else:
            return False
        return True

    def _unchanged_for(self, lease: Mapping[str, Any]) -> float:
        """Seconds since this operator first observed the Lease in its current state."""
        state = (lease["metadata"]["uid"], lease["metadata"]["resourceVersion"])
        if self._observed is None or self._observed[0] != state:
            self._observed = (state, _now())
        return _now() - self._observed[1]

    def _claim(self, before: Mapping[str, Any]) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        claim: dict[str, Any] = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, int(self._terms.duration)),
            "renewTime": now,
        }
        if before.get("holderIdentity") != self.identity:
            claim |= {"acquireTime": now, "leaseTransitions": int(before.get("leaseTransitions") or 0) + 1}
        return claim

    async def _write(self, lease: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        version = lease["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version}, "spec": dict(spec)}
        await self._kube.merge("Lease", self._namespace, NAME, patch)


def may_take(holder: str | None, identity: str, unchanged_for: float, duration: float) -> bool:
    """Whether the Lease may be written: it has no holder, this one is the holder, or the holder stopped renewing."""
    return not holder or holder == identity or unchanged_for > duration


def _spec(lease: Mapping[str, Any]) -> Mapping[str, Any]:
    return lease.get("spec") or {}


def _now() -> float:
    return asyncio.get_running_loop().time()
