"""One more process that serves the version, until the first one ends: a module to run."""

import asyncio
import os
import sys

from perennial_trainer.contract.errors import TaskError
from perennial_trainer.contract.task import ServeTask, parse_task
from perennial_trainer.redaction import log_to_stdout
from perennial_trainer.serve.app import serve_beside


def main() -> int:
    """Returns the exit code."""
    log = log_to_stdout()
    try:
        task = parse_task(os.environ["PERENNIAL_TASK"])
        assert isinstance(task, ServeTask)
        serve_beside(task, _first_process_ends)
    except TaskError as error:
        log.error("%s: %s: %s", error.outcome, error.reason, error.message)
        return error.exit_code
    return 0


def _first_process_ends() -> None:
    """This process ends at once with the first one, whose pipe is the standard input."""
    asyncio.get_running_loop().add_reader(0, lambda: os._exit(1))


if __name__ == "__main__":
    sys.exit(main())
