"""A play with the serving runtime kserve."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from perennial_operator.core.names import PREDICTOR
from perennial_operator.core.world import RoutingObject, Serving, World
from tests.builders import SPEC, merged
from tests.knative import Revisions
from tests.simulation.play import Play


class KServePlay(Play):
    """KServe reconciles the InferenceService as soon as it is applied, unless `asleep` is set."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.inference: dict[str, Any] | None = None
        self.knative = Revisions("bike")
        self.up: dict[str, int] = {}
        """Revision → ready pods."""
        self.reported: dict[str, tuple[str, Mapping[str, Any] | None]] = {}
        self.asleep = self.podless = False
        """Whether KServe does nothing; whether no pod has the label of its revision."""
        self.unreadable = RoutingObject(None)
        """The result of reading where KServe does not exist or is forbidden."""
        super().__init__(spec)

    def world(self) -> World:
        world = super().world()
        if self.unreadable != RoutingObject(None):
            return replace(world, routing=self.unreadable)
        if self.inference and not self.asleep:
            self.knative.observe(self.inference)
            for _ in range(2):  # the traffic follows from the status
                self.inference["status"] = self.knative.status()
        revisions = {each.name: each.version for each in self.knative.running() if not self.podless}
        there = RoutingObject(copy.deepcopy(self.inference), revisions=revisions)
        return replace(world, routing=there, serving=self._served())

    def _served(self) -> dict[str, Serving]:
        serving: dict[str, Serving] = {}
        newest = (self.inference or {}).get("spec", {}).get("predictor", {})
        for each in self.knative.running():
            up = self.up.get(each.name, 0)
            same = each.predictor["annotations"][PREDICTOR] == newest["annotations"][PREDICTOR]
            current = same or newest["labels"] != each.predictor["labels"]
            trouble, refusal = self.reported.get(each.version, ("", None))
            before = serving.get(each.version, Serving(each.version, {}, 0, 0, 0, 0))
            serving[each.version] = Serving(
                each.version,
                self.inference or {},
                each.replicas,
                ready=before.ready + (up if current else 0),
                answering=before.answering + up,
                total=before.total + each.replicas,
                settled=before.settled and current,
                trouble=trouble,
                refusal=refusal,
            )
        return serving

    def _apply(self, manifest: Mapping[str, Any]) -> None:
        if manifest["kind"] == "InferenceService":
            self.inference = {"status": {}} | (self.inference or {}) | dict(manifest)
        else:
            super()._apply(manifest)

    def _delete(self, kind: str, name: str) -> None:
        if kind == "InferenceService":
            self.inference, self.knative, self.up = None, Revisions("bike"), {}
        else:
            super()._delete(kind, name)

    def pods_ready(self, *which: str) -> None:
        self.world()
        for each in self.knative.running():
            if not which or each.version in which:
                self.up[each.name] = each.replicas
                self.reported.pop(each.version, None)
                self.knative.ready(each.name)
        self.settle()

    def pods_fail(self, name: str, trouble: str = "", refusal: Mapping[str, Any] | None = None) -> None:
        for each in self.knative.running():
            if each.version == name:
                self.up[each.name] = 0
        self.reported[name] = (trouble, refusal)
        self.settle()

    def percents(self) -> dict[str, int]:
        """Version → per cent of the requests."""
        self.world()
        return self.knative.percents()

    def predictor(self) -> tuple[str, int]:
        """The version of the predictor, and its per cent of the requests."""
        assert self.inference
        body = self.inference["spec"]["predictor"]
        return body["labels"]["perennial.dev/model-version"], body["canaryTrafficPercent"]


def a_kserve_play(**changes: Any) -> KServePlay:
    return KServePlay(merged(SPEC, merged({"serving": {"runtime": "kserve"}}, changes)))
