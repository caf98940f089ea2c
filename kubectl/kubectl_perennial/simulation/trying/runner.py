"""Runs the tasks of Jobs by the trainer, in this process, on the files and in the folder of one trial."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubectl_perennial.simulation.manifest import STORAGE
from kubectl_perennial.simulation.tasks import quiet
from perennial_trainer.__main__ import run_task
from perennial_trainer.contract.compression import decompress
from perennial_trainer.contract.errors import TaskError
from perennial_trainer.contract.result import ErrorResult, encode_result
from perennial_trainer.contract.task import TrainTask, parse_task
from perennial_trainer.models.estimators import build_estimator
from perennial_trainer.storage.store import read_bytes, sibling_uri
from perennial_trainer.storage.version_files import METADATA
from perennial_trainer.training.workers.spread_rows import check_spread

Json = dict[str, Any]


@dataclass
class Runner:
    """The trainer. `addresses` are the real ones of those that the played manifest has."""

    addresses: Mapping[str, str]
    spreads: bool = False
    """Whether the manifest names workers, which this machine does not have: the training is checked for them."""
    tell: Callable[[str], None] = lambda _kind: None
    """Called with the kind of each task before it is run."""
    results: dict[str, Json] = field(default_factory=dict)
    """Kind of task → its last result."""
    problems: tuple[TaskError, ...] = ()
    """Why the last training was refused."""

    def run(self, text: str) -> Json:
        """The result of the task, as the operator reads it from the pod."""
        task = self.real(text)
        kind = json.loads(task)["task"]
        self.tell(kind)
        with quiet():
            try:
                parsed = parse_task(task)
                if self.spreads and isinstance(parsed, TrainTask):
                    check_spread(build_estimator(parsed.model), parsed.search.space if parsed.search else {})
                result = run_task(parsed)
                assert result is not None  # no Job serves
                answer = encode_result(result)
            except TaskError as error:
                answer = encode_result(ErrorResult.of(kind, error))
                self.problems = error.parts or (error,)
        text = decompress(answer).decode().replace(json.dumps(self.addresses[STORAGE])[1:-1], STORAGE)
        answered: Json = json.loads(text)
        if kind == "train" and "artifact" in answered:
            answered["data"] |= _without_held_back(self.real(answered["artifact"]["uri"]))
        self.results[kind] = answered
        return answered

    def real(self, text: str) -> str:
        """The task with the real addresses."""
        task = decompress(text.encode()).decode()
        for played, real in self.addresses.items():
            task = task.replace(json.dumps(played)[1:-1], json.dumps(real)[1:-1])
        return task


def _without_held_back(model: str) -> Json:
    """When the rows that the model has learned end: the later ones are held back, so a check of them is not stale."""
    record = json.loads(read_bytes(sibling_uri(model, METADATA)))
    until = record["data"].get("trainedUntil")
    return {"end": until} if until else {}
