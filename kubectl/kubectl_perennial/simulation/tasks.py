"""Runs the tasks of Jobs by the trainer, in this process; each task on the same rows is run once and its result kept.

A task names its version, its folder and its rows. What is kept depends on none of these names: the folder is that of
the digest of the task, and the versions have the names of their roles.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

import perennial_trainer
from kubectl_perennial.simulation.history import Timeline
from kubectl_perennial.simulation.known_rows import rows_of_task, write
from kubectl_perennial.simulation.manifest import STORAGE
from perennial_operator.core.api.artifacts import Artifact
from perennial_operator.core.api.values import as_text
from perennial_trainer.__main__ import run_task
from perennial_trainer.artifacts.model_file import load_model
from perennial_trainer.contract.compression import decompress
from perennial_trainer.contract.errors import TaskError
from perennial_trainer.contract.result import ErrorResult, encode_result
from perennial_trainer.contract.task import Task, ValidateTask, parse_task

Json = dict[str, Any]


@dataclass
class Tasks:
    """The trainer, and what is known at the end of the batch `number`."""

    timeline: Timeline
    folder: Path
    """Where results and rows are kept from one run to the next."""
    number: int = 0
    versions: dict[str, Path] = field(default_factory=dict)
    """Version → the folder with its files."""
    cpu: dict[str, float] = field(default_factory=dict)
    """Kind of task → CPU seconds, as they were when each was run."""
    runs: dict[str, int] = field(default_factory=dict)

    def run(self, text: str) -> Json:
        """The result of the task, as the operator reads it."""
        task: Json = json.loads(decompress(text.encode()))
        if task["task"] == "record":
            return {"task": "record", "outcome": "Succeeded", "message": "recorded", "entry": task["entry"]["name"]}
        if task["task"] == "recover":
            empty = {"number": 0, "versions": [], "passedOver": []}
            return {"task": "recover", "outcome": "Succeeded", "message": "the ledger is empty", **empty}
        result, cpu = self._result(task)
        kind = task["task"]
        self.cpu[kind] = self.cpu.get(kind, 0.0) + cpu
        self.runs[kind] = self.runs.get(kind, 0) + 1
        return result

    def model(self, artifact: Artifact) -> Pipeline:
        """The fitted pipeline of a version's artifact."""
        version, name = artifact.uri.split("/")[-2:]
        return load_model((self.versions[version] / name).as_uri(), artifact.sha256)

    def _result(self, task: Json) -> tuple[Json, float]:
        """The result and the CPU seconds of the task, by its names."""
        named, rows = dict(_named(task)), rows_of_task(task, self.timeline, self.number)
        files = {address: each.file(self.folder).as_uri() for address, each in rows.items()}
        plain = self._plain(task, named, files)
        folder = self.folder / "tasks" / _digest(plain)
        if task["task"] == "train":
            self.versions[task["version"]] = folder
        if not (folder / "result.json").exists():
            for each in rows.values():
                each.write_to(self.folder)
            _run(plain, folder)
        text = (folder / "result.json").read_text().replace(folder.as_uri(), task["storage"])
        for address, file in files.items():
            text = text.replace(file, address)
        for role, name in named.items():
            text = text.replace(role, name)
        kept = json.loads(text)
        return kept["result"], kept["cpu"]

    def _plain(self, task: Json, named: Mapping[str, str], files: Mapping[str, str]) -> Json:
        """The task without the names that do not matter, with the folders where the files are kept."""
        shared = {name: value for name, value in task.items() if name not in ("owner", "engine", "storage")}
        if "now" in shared:
            shared["now"] = as_text(self.timeline.batches[self.number].end)
        text = json.dumps(shared)
        root = re.escape(f"{STORAGE}/default/{task['modelDeployment']}/")
        text = re.sub(f"{root}([^/]+)/", lambda match: f"{self.versions[match[1]].as_uri()}/", text)
        for role, name in named.items():
            text = text.replace(json.dumps(name), json.dumps(role))
        for address, file in files.items():
            text = text.replace(json.dumps(address), json.dumps(file))
        plain: Json = json.loads(text)
        return plain


def _named(task: Json) -> Iterator[tuple[str, str]]:
    """The role and the name of each version that the task is about."""
    yield "<live>" if task["task"] == "check" else "<candidate>", task["version"]
    for role in ("live", "candidate"):
        if role in task and task[role]["name"] != task["version"]:
            yield f"<{role}>", task[role]["name"]
    for number, each in enumerate(task.get("rejectedRows") or ()):
        yield f"<rejected {number}>", each["name"]


def _digest(task: Json) -> str:
    return hashlib.sha256(f"{trainer_digest()}{json.dumps(task, sort_keys=True)}".encode()).hexdigest()[:40]


@cache
def trainer_digest(*packages: str) -> str:
    """The digest of the trainer's code, or of these packages of it: another trainer has other results."""
    root = Path(perennial_trainer.__file__).parent
    content = hashlib.sha256()
    for path in sorted(each for name in packages or ("",) for each in (root / name).rglob("*.py")):
        content.update(path.read_bytes())
    return content.hexdigest()


def _run(task: Json, folder: Path) -> None:
    """The folder has the files of the task, and at last its result."""
    folder.mkdir(parents=True, exist_ok=True)
    began = time.process_time()
    with quiet():
        try:
            result = _result_of(parse_task(json.dumps(task | {"storage": folder.as_uri()})))
        except TaskError as error:
            result = ErrorResult.of(task["task"], error)
    cpu = time.process_time() - began
    answer = json.loads(decompress(encode_result(result)))
    for page in folder.glob("*.html"):
        page.unlink()  # no one reads it
    content = json.dumps({"cpu": cpu, "result": answer})
    write(folder / "result.json", lambda temporary: temporary.write_text(content))


def _result_of(task: Task) -> Any:
    """The result; without the details of a validation, which no decision needs and which take longest."""
    if isinstance(task, ValidateTask):
        from perennial_trainer.validation.validate import score_candidate

        return score_candidate(task)[0]
    return run_task(task)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Neither warnings nor the trainer's own progress bars are shown; one thread, since the tables are small."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        yield
