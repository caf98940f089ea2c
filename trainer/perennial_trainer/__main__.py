"""One task, one answer, one exit code: 0 done, 3 refused (again would be refused), 1 failed (again may succeed)."""

import json
import logging
import os
import sys
import traceback
from pathlib import Path

from perennial_trainer.contract.errors import FailedTask, TaskError
from perennial_trainer.contract.result import ErrorResult, TaskResult, encode
from perennial_trainer.contract.task import (
    CheckTask,
    RecordTask,
    RecoverTask,
    ServeTask,
    Task,
    TrainTask,
    ValidateTask,
    WorkTask,
    parse,
)
from perennial_trainer.redaction import RedactingFormatter, redact

log = logging.getLogger("perennial_trainer")

INTERRUPTED = (
    "the process was ended from outside before it had an answer: most often it was out of memory or time; "
    "give the pod more, or the task less data"
)


def main() -> int:
    """The answer to the task in PERENNIAL_TASK is in the file PERENNIAL_RESULT; returns the exit code."""
    to_stdout = logging.StreamHandler(sys.stdout)
    to_stdout.setFormatter(RedactingFormatter("%(message)s"))
    logging.basicConfig(handlers=[to_stdout], force=True)
    log.setLevel(logging.INFO)  # the libraries stay at warnings
    logging.captureWarnings(True)
    text = os.environ.get("PERENNIAL_TASK", "")
    path = Path(os.environ.get("PERENNIAL_RESULT", "/dev/termination-log"))
    kind = _kind(text)
    try:
        task = parse(text)
        log.info("%s %s in %s", kind, task.version or task.model_deployment, task.namespace)
        # Written now, so that the end by an OOM killer, which leaves no chance to write, is explained as well.
        _write(path, encode(ErrorResult(task=kind, outcome="Failed", reason="Interrupted", message=INTERRUPTED)))
        answer = _run(task)
    except TaskError as end:
        return _end(path, kind, end)
    except MemoryError:
        return _end(path, kind, FailedTask("OutOfMemory", "memory ran out: give the pod more, or the task less data"))
    except Exception as error:
        print(redact(traceback.format_exc()), file=sys.stderr)  # noqa: T201 - to stderr alone: it may show values
        message = f"the task met an unexpected {type(error).__name__}: the traceback is in the log of its pod"
        return _end(path, kind, FailedTask("Unexpected", message))
    if answer is None:  # a server that was asked to stop, a worker without work
        _write(path, b"")
    else:
        log.info("done: %s", answer.message)
        _write(path, encode(answer))
    return 0


def _run(task: Task) -> TaskResult | None:
    """Each task is imported when it is asked for: scikit-learn alone takes a second."""
    match task:
        case TrainTask():
            from perennial_trainer.training.train import train

            return train(task)
        case ValidateTask():
            from perennial_trainer.validation.validate import validate

            return validate(task)
        case CheckTask():
            from perennial_trainer.drift.check import check_drift

            return check_drift(task)
        case RecordTask():
            from perennial_trainer.ledger.record import record_version

            return record_version(task)
        case RecoverTask():
            from perennial_trainer.ledger.recover import recover_version

            return recover_version(task)
        case ServeTask():
            from perennial_trainer.serve.app import serve

            serve(task)
            return None
        case WorkTask():
            from perennial_trainer.training.dask_worker import work

            work(task)
            return None


def _end(path: Path, kind: str, end: TaskError) -> int:
    log.error("%s: %s: %s", end.outcome, end.reason, end.message)
    _write(path, encode(ErrorResult(task=kind, outcome=end.outcome, reason=end.reason, message=end.message)))
    return end.exit_code


def _kind(text: str) -> str:
    """Which task it is, as far as a bad one says."""
    try:
        kind = json.loads(text)["task"]
    except (ValueError, TypeError, KeyError):
        return "unknown"
    return kind if kind in ("train", "validate", "check", "serve", "work", "record", "recover") else "unknown"


def _write(path: Path, content: bytes) -> None:
    """The log has the answer as well, so a place that cannot be written ends nothing."""
    try:
        path.write_bytes(content)
    except OSError as error:
        log.warning("PERENNIAL_RESULT %s cannot be written: %s", path, error)


if __name__ == "__main__":
    sys.exit(main())
