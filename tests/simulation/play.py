"""A play drives the core in virtual time: it does what people, Jobs and pods do, and passes follow."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from perennial_operator.core.api.request_stats import Tally
from perennial_operator.core.api.values import as_text
from tests.builders import SPEC, a_body, merged
from tests.simulation.cluster import Cluster
from tests.simulation.passes import Passes
from tests.simulation.results import trained, validated


class Play(Passes):
    """One ModelDeployment `bike`, and what happens to it."""

    # ---- what people do

    def edit(self, changes: Mapping[str, Any]) -> None:
        """A person changes the spec of the ModelDeployment."""
        self.cluster.edit("ModelDeployment", "bike", merged(self.bodies["ModelDeployment", "bike"]["spec"], changes))
        self.settle()

    def annotate(self, kind: str, name: str, key: str, value: str) -> None:
        self.cluster.annotate(kind, name, key, value)
        self.settle()

    def remove(self, kind: str, name: str) -> None:
        """A person deletes the object."""
        self.cluster.remove(kind, name)
        self.settle()

    def report(self, name: str, psi: float = 0.3, **spec: Any) -> None:
        """A report is written; no pass follows."""
        metrics = [{"name": "psi", "feature": "feature1", "value": psi, "chance": 0.001}]
        base = {"modelDeployment": "bike", "samples": 1000, "metrics": metrics}
        self.cluster.put(a_body("DriftReport", name, merged(base, spec), creationTimestamp=as_text(self.now)))

    def rewrite(self, route: Mapping[str, Any] | None) -> None:
        """A person replaces the HTTPRoute, or deletes it; no pass follows."""
        if route:
            self.cluster.put(route)
        else:
            self.cluster.remove("HTTPRoute", "bike")

    # ---- what Jobs and pods do

    def finish(self, job: str, result: Mapping[str, Any] | None) -> None:
        """The Job ends with this result, and passes follow."""
        self.ends(job, result)
        self.settle()

    def ends(self, job: str, result: Mapping[str, Any] | None) -> None:
        """The Job ends with this result; no pass follows."""
        self.cluster.job_ends(job, result)

    def pods_ready(self, *which: str) -> None:
        """All pods of these versions (default: every one) become ready, and those that the same step then asks for."""
        step = self._steps()
        for _ in range(100):
            for name in which or tuple(self.cluster.pods):
                if name in self.cluster.pods:
                    self.cluster.pods_ready(name)
            self.settle()
            pods = [self.cluster.pods[name] for name in which or self.cluster.pods if name in self.cluster.pods]
            if self._steps() != step or all(each.ready == each.wanted for each in pods):
                return

    def _steps(self) -> list[Any]:
        """Phase and weight of each version."""
        bodies = [body.get("status") or {} for body in self.all("ModelVersion")]
        return [(status.get("phase"), (status.get("rollout") or {}).get("weight")) for status in bodies]

    def pods_fail(self, name: str, trouble: str = "", refusal: Mapping[str, Any] | None = None) -> None:
        """No pod of the version is ready any more."""
        self.cluster.pods_fail(name, trouble, refusal)
        self.settle()

    def requests(
        self,
        version: str,
        count: int,
        errors: int = 0,
        each: float = 0.01,
        pod: str = "a",
        restarted: bool = False,
        predicts: float | None = None,
    ) -> None:
        """The pod answers so many more requests; a restarted one counts from zero. No pass follows."""
        pods = self.tallies.setdefault(version, {})
        before = Tally() if restarted else pods.get(f"{version}-{pod}", Tally())
        more = Tally(requests=count, errors=errors, seconds=count * each, squares=count * 2 * each**2)
        if predicts is not None:
            more = more.model_copy(update={"predicted": count, "total": count * predicts})
        pods[f"{version}-{pod}"] = before + more

    def until_rolling(self, number: int, **scores: Any) -> None:
        """The candidate is trained and validated."""
        self.settle()
        self.finish(f"bike-v{number}-train", trained(number))
        self.finish(f"bike-v{number}-validate", validated(**scores))

    def until_live(self, number: int, **scores: Any) -> None:
        """The candidate is trained, validated and rolled out, in however many steps it takes."""
        self.until_rolling(number, **scores)
        for _ in range(20):
            self.pods_ready()
            if self.version(number)["phase"] == "Live":
                return
            self.wait(minutes=5)
        raise AssertionError(self.version(number))

    def until_live_again(self, number: int) -> None:
        """The candidate is better than the live version in every metric."""
        self.until_live(number, candidate=80.0, live=120.0)


def a_play(**changes: object) -> Play:
    """A play about `bike` with these changes of its spec."""
    return Play(merged(SPEC, changes))


def on_an_empty_cluster(play: Play, **changes: object) -> Play:
    """Only the storage is left, and the same manifest (or one with these changes) is applied again."""
    spec = merged(play.bodies["ModelDeployment", "bike"]["spec"], changes)
    fresh = Play(spec, Cluster(now=play.now, storage=copy.deepcopy(play.cluster.storage)))
    fresh.policy = play.policy
    return fresh
