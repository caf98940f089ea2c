"""Which of several operators acts? The one that holds the Lease; the others keep warm and wait.

A holder that cannot renew stops acting before another may begin: `renew_within` is less than `held_for`, and counts
from before the last renewal was asked for, `held_for` from after another has seen it. Each measures by its own clock
how long the Lease has stood still, so the clocks of two nodes need not agree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from perennial_operator.cluster.client import ConflictError, ExistsError, Kube, KubeError
from perennial_operator.telemetry.logs import log

NAME = "perennial-operator"
HELD_FOR = 15.0
"""Seconds for which the others wait for a silent holder."""
RELEASE_WITHIN = 2.0
"""Seconds: who is asked to stop does not wait for an API server that is away."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds."""

    held_for: float = HELD_FOR
    renew_within: float = 10.0
    """A holder that could not renew gives up after."""
    renew_every: float = 4.0
    look_every: float = 1.5
    """Those who wait look, and a holder whose renewal failed tries again."""


class LostLeaseError(Exception):
    """The Lease could not be renewed in time, or somebody else holds it."""


class Lease:
    """One operator's view of the Lease."""

    def __init__(self, kube: Kube, namespace: str, identity: str, terms: Terms = Terms()) -> None:
        self._kube, self._namespace, self._terms = kube, namespace, terms
        self.identity = identity
        self._seen: tuple[object, float] | None = None
        self._renewed = 0.0
        self._complaint = ""

    async def acquire(self) -> bool:
        """The Lease is held by this operator; whether it had to be waited for."""
        waited = False
        while not await self._acquired():
            waited = True
            await asyncio.sleep(self._terms.look_every)
        log.info("holds the Lease %s/%s as %s and acts", self._namespace, NAME, self.identity)
        return waited

    async def keep(self) -> None:
        """Renews for ever; LostLeaseError before another operator may begin to act."""
        while True:
            await asyncio.sleep(self._terms.renew_every)
            await self._renew()

    async def release(self) -> None:
        """The next operator may begin at once."""
        try:
            async with asyncio.timeout(RELEASE_WITHIN):
                lease = await self._kube.get("Lease", self._namespace, NAME)
                if lease and _spec(lease).get("holderIdentity") == self.identity:
                    await self._write(lease, {"holderIdentity": "", "leaseDurationSeconds": 1})
        except (KubeError, TimeoutError) as error:
            log.warning("the Lease %s/%s was not released: %s", self._namespace, NAME, str(error) or "no answer")

    async def _acquired(self) -> bool:
        began = _now()
        try:
            if await self._take():
                self._renewed = began
                return True
        except (ExistsError, ConflictError):
            pass  # another was quicker
        except KubeError as error:
            if error.message != self._complaint:
                log.warning("the Lease %s/%s cannot be taken: %s", self._namespace, NAME, error.message)
                self._complaint = error.message
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
                if _now() + self._terms.look_every >= end:
                    why = str(error) or "the API server did not answer in time"
                    raise LostLeaseError(f"the Lease {self._namespace}/{NAME} was not renewed: {why}") from error
            await asyncio.sleep(self._terms.look_every)

    async def _take(self) -> bool:
        """Whether this operator holds the Lease now."""
        lease = await self._kube.get("Lease", self._namespace, NAME)
        if lease is None:
            metadata = {"name": NAME, "namespace": self._namespace}
            kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
            await self._kube.create({**kind, "metadata": metadata, "spec": self._claim({})})
        elif may_take(_spec(lease).get("holderIdentity"), self.identity, self._still_for(lease), self._terms.held_for):
            await self._write(lease, self._claim(_spec(lease)))
        else:
            return False
        return True

    def _still_for(self, lease: Mapping[str, Any]) -> float:
        """Seconds since this operator first saw the Lease as it is."""
        state = (lease["metadata"]["uid"], lease["metadata"]["resourceVersion"])
        if self._seen is None or self._seen[0] != state:
            self._seen = (state, _now())
        return _now() - self._seen[1]

    def _claim(self, before: Mapping[str, Any]) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        claim: dict[str, Any] = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, int(self._terms.held_for)),
            "renewTime": now,
        }
        if before.get("holderIdentity") != self.identity:
            claim |= {"acquireTime": now, "leaseTransitions": int(before.get("leaseTransitions") or 0) + 1}
        return claim

    async def _write(self, lease: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        version = lease["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version}, "spec": dict(spec)}
        await self._kube.merge("Lease", self._namespace, NAME, patch)


def may_take(holder: str | None, identity: str, still_for: float, held_for: float) -> bool:
    """Whether a Lease may be written: it is nobody's, or one's own, or its holder has been silent for too long."""
    return not holder or holder == identity or still_for > held_for


def _spec(lease: Mapping[str, Any]) -> Mapping[str, Any]:
    return lease.get("spec") or {}


def _now() -> float:
    return asyncio.get_running_loop().time()
