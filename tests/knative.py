"""What KServe does with one InferenceService in its Knative mode: revisions, and how it splits the traffic.

As in the sources of both: a change of the predictor but for `canaryTrafficPercent`, or of a label or annotation, makes a
revision; that share goes to the newest ready revision, the rest to the one that had all requests last.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from perennial_operator.core.names import MODEL_VERSION

INFERENCE, REVISION = "serving.kserve.io/inferenceservice", "serving.knative.dev/revision"
SHARE = "canaryTrafficPercent"


@dataclass
class Revision:
    name: str
    made_from: tuple[Any, ...]
    predictor: dict[str, Any]
    was_ready: bool = False

    @property
    def version(self) -> str:
        label: str = self.predictor["labels"][MODEL_VERSION]
        return label

    @property
    def replicas(self) -> int:
        return int(self.predictor["minReplicas"])


def percent_by_version(targets: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Version → per cent of the requests, of those that get any."""
    total: Counter[str] = Counter()
    for version, percent in targets:
        total[version] += percent
    return dict(+total)


@dataclass
class Revisions:
    name: str
    made: list[Revision] = field(default_factory=list)
    rolled_out: str = ""
    before: str = ""
    share: int | None = None

    def observe(self, inference: Mapping[str, Any]) -> None:
        """The InferenceService has changed to this."""
        predictor = inference["spec"]["predictor"]
        self.share = predictor.get(SHARE)
        template = {key: value for key, value in predictor.items() if key != SHARE}
        made_from = template, inference["metadata"]["labels"], inference["metadata"]["annotations"]
        if not self.made or self.made[-1].made_from != made_from:
            name = f"{self.name}-predictor-{len(self.made) + 1:05d}"
            self.made.append(Revision(name, copy.deepcopy(made_from), copy.deepcopy(template)))

    def ready(self, name: str) -> None:
        """All pods of the revision are ready; a revision that was ready once may get requests from then on."""
        next(each for each in self.made if each.name == name).was_ready = True

    @property
    def latest_ready(self) -> str:
        return next((each.name for each in reversed(self.made) if each.was_ready), "")

    def traffic(self) -> list[dict[str, Any]]:
        if not self.latest_ready:
            return []
        share = 100 if self.share is None or not self.rolled_out else self.share
        targets = [{"latestRevision": True, "revisionName": self.latest_ready, "percent": share}]
        if share < 100:
            rest = {"latestRevision": False, "revisionName": self.rolled_out, "percent": 100 - share, "tag": "prev"}
            targets.append(rest)
        return targets

    def running(self) -> list[Revision]:
        """The revisions with pods: the newest, and those that get requests."""
        targets = {target["revisionName"] for target in self.traffic()}
        return [each for each in self.made if each.name in targets or each is self.made[-1]]

    def percents(self) -> dict[str, int]:
        """Version → per cent of the requests."""
        versions = {each.name: each.version for each in self.made}
        return percent_by_version((versions[target["revisionName"]], target["percent"]) for target in self.traffic())

    def status(self) -> dict[str, Any]:
        """The status of the InferenceService; with KServe's record of the revision that had all requests last."""
        traffic = self.traffic()
        if traffic and self.rolled_out != self.latest_ready and traffic[0]["percent"] == 100:
            self.before, self.rolled_out = self.rolled_out, self.latest_ready
        elif traffic and self.rolled_out == self.latest_ready == self.made[-1].name and traffic[0]["percent"] < 100:
            # As if it were rolled back: KServe routes to the revision before, whatever that was.
            self.rolled_out = self.before or self.rolled_out
        predictor = {
            "latestCreatedRevision": self.made[-1].name if self.made else "",
            "latestReadyRevision": self.latest_ready,
            "latestRolledoutRevision": self.rolled_out,
            "previousRolledoutRevision": self.before,
            "traffic": traffic,
        }
        newest_is_ready = bool(self.made) and self.made[-1].was_ready
        conditions = [
            {"type": kind, "status": "True" if newest_is_ready else "Unknown"} for kind in ("PredictorReady", "Ready")
        ]
        return {
            "deploymentMode": "Knative",
            "url": f"http://{self.name}.default.example.com",
            # Knative's, of the Service that KServe makes, and not that of the InferenceService.
            "observedGeneration": len(self.made),
            "components": {"predictor": predictor},
            "conditions": conditions,
        }
