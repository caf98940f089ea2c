"""The two ways in which a task ends without success, each with a reason and a message."""

from typing import ClassVar

from perennial_trainer.redaction import redact

MAX_MESSAGE = 1500  # characters; the whole result must fit into 4,096 bytes


class TaskError(Exception):
    """Ends the task. `reason` is a CamelCase word, `message` a sentence that says what to fix and has no secret."""

    outcome: ClassVar[str]
    exit_code: ClassVar[int]

    def __init__(self, reason: str, message: str) -> None:
        message = " ".join(redact(message).split())
        super().__init__(message)
        self.reason = reason
        self.message = message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"


class RejectedTask(TaskError):  # noqa: N818 - a result, not an error
    """The task or its data are invalid: the same task would be rejected again."""

    outcome = "Refused"
    exit_code = 3


class FailedTask(TaskError):  # noqa: N818
    """Something outside the task failed: the same task may succeed later."""

    outcome = "Failed"
    exit_code = 1


def join_names(names: object, limit: int = 20) -> str:
    """`a, b, c and 4 more`: names for a message, which stays short however many there are."""
    texts = [str(name) for name in names]  # type: ignore[attr-defined]
    return ", ".join(texts[:limit]) + (f" and {len(texts) - limit} more" if len(texts) > limit else "")
