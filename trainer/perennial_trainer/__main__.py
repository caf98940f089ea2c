"""Runs one task: exit code 0 if done, 3 if rejected (retry is useless), 1 if failed (retry may help)."""

import json
import logging
import os
import sys
import traceback
from pathlib import Path

from perennial_trainer.contract.compression import decompress
from perennial_trainer.contract.errors import FailedTask, TaskError
from perennial_trainer.contract.ledger_tasks import RecordTask, RecoverTask
from perennial_trainer.contract.result import ErrorResult, TaskResult, encode_result
from perennial_trainer.contract.task import CheckTask, ServeTask, Task, TrainTask, ValidateTask, WorkTask, parse_task
from perennial_trainer.contract.upkeep.tasks import UpkeepTask
from perennial_trainer.ledger.owner import require_owner
from perennial_trainer.redaction import log_to_stdout, printable, redact
from perennial_trainer.serve.workers.count import share_metrics

log = logging.getLogger("perennial_trainer")

INTERRUPTED = (
    "the process was ended before it wrote a result, as when its pod is deleted, its node fails or its time is over; "
    "if the container's reason is OOMKilled, give it more memory, or the task less data"
)


def main() -> int:
    """Writes the result of the task in PERENNIAL_TASK to the file PERENNIAL_RESULT; returns the exit code."""
    log_to_stdout()
    text = os.environ.get("PERENNIAL_TASK", "")
    path = Path(os.environ.get("PERENNIAL_RESULT", "/dev/termination-log"))
    kind = _kind(text)
    try:
        task = parse_task(text)
        log.info("%s %s in %s", kind, getattr(task, "version", None) or task.model_deployment, task.namespace)
        # Written now, because a process that the OOM killer ends cannot write.
        _write(path, encode_result(ErrorResult(task=kind, outcome="Failed", reason="Interrupted", message=INTERRUPTED)))
        result = run_task(task)
    except TaskError as error:
        return _end(path, kind, error)
    except MemoryError:
        return _end(path, kind, FailedTask("OutOfMemory", "memory ran out: give the pod more, or the task less data"))
    except Exception as error:
        print(_traceback(error), file=sys.stderr)  # noqa: T201 - of any line, as no log line is
        message = f"the task ended with an unexpected {type(error).__name__}: the log of its pod has the traceback"
        return _end(path, kind, FailedTask("Unexpected", message))
    if result is None:  # a server or a worker has no result
        _write(path, b"")
    else:
        log.info("done: %s", result.message)
        _write(path, encode_result(result))
    return 0


def run_task(task: Task) -> TaskResult | None:
    """The result of the task, whose module is imported only now: scikit-learn alone takes a second."""
    if isinstance(task, TrainTask | ValidateTask | CheckTask | RecordTask | UpkeepTask) and task.owner:
        require_owner(task.owner)
    match task:
        case TrainTask():
            from perennial_trainer.training.train import train_version

            return train_version(task)
        case ValidateTask():
            from perennial_trainer.validation.validate import validate_candidate

            return validate_candidate(task)
        case CheckTask():
            from perennial_trainer.drift.check import check_drift

            return check_drift(task)
        case RecordTask():
            from perennial_trainer.ledger.record import record_version

            return record_version(task)
        case RecoverTask():
            from perennial_trainer.ledger.recover import recover_version

            return recover_version(task)
        case UpkeepTask():
            from perennial_trainer.upkeep.run import keep_up

            return keep_up(task)
        case ServeTask():
            share_metrics()
            from perennial_trainer.serve.app import serve

            serve(task)
            return None
        case WorkTask():
            from perennial_trainer.training.workers.dask_worker import work

            work(task)
            return None


def _traceback(error: BaseException) -> str:
    """Where the error happened; its text, which may have values of rows, only if PERENNIAL_SHOW_VALUES is set."""
    if os.environ.get("PERENNIAL_SHOW_VALUES"):
        lines = traceback.format_exception(error)
    else:
        lines = [*traceback.format_tb(error.__traceback__), type(error).__name__]
    return "\n".join(map(printable, redact("".join(lines)).splitlines()))


def _end(path: Path, kind: str, error: TaskError) -> int:
    log.error("%s: %s: %s", error.outcome, error.reason, error.message)
    _write(path, encode_result(ErrorResult.of(kind, error)))
    return error.exit_code


def _kind(text: str) -> str:
    """The kind of task, also of an invalid one."""
    try:
        kind = json.loads(decompress(text.encode()))["task"]
    except (ValueError, TypeError, KeyError):
        return "unknown"
    return kind if kind in ("train", "validate", "check", "serve", "work", "record", "recover", "upkeep") else "unknown"


def _write(path: Path, content: bytes) -> None:
    """Writes the file. The log has the result as well, so an error is only a warning."""
    try:
        path.write_bytes(content)
    except OSError as error:
        log.warning("PERENNIAL_RESULT %s cannot be written: %s", path, error)


if __name__ == "__main__":
    sys.exit(main())
