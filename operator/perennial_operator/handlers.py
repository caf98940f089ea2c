"""Every event that the operator handles."""

from __future__ import annotations

from typing import Any

import kopf

from perennial_operator.app import Operator
from perennial_operator.cluster.watches import configure_kopf
from perennial_operator.core.api.meta import GROUP, VERSION
from perennial_operator.core.names import DEPLOYMENT

OURS = {DEPLOYMENT: kopf.PRESENT}


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    configure_kopf(settings)
    memo.operator = await Operator.start(memo.settings, memo.give_up)


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    if "operator" in memo:
        await memo.operator.stop()


@kopf.on.event(GROUP, VERSION, "modeldeployments")
@kopf.on.event(GROUP, VERSION, "modelversions")
@kopf.on.event(GROUP, VERSION, "driftreports")
@kopf.on.event("batch", "v1", "jobs", labels=OURS)
@kopf.on.event("apps", "v1", "deployments", labels=OURS)
@kopf.on.event("", "v1", "services", labels=OURS)
@kopf.on.event("", "v1", "pods", labels=OURS)
async def watch_event(event: kopf.RawEvent, resource: kopf.Resource, memo: kopf.Memo, **_: Any) -> None:
    memo.operator.handle_event(event["type"], {**event["object"], "kind": resource.kind})
