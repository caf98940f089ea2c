"""The two ways in which a task ends without what it asked for, each with a reason and one sentence."""

from typing import ClassVar

from perennial_trainer.redaction import redact

LONGEST_MESSAGE = 1500  # characters; the whole answer must fit into 4,096 bytes


class TaskError(Exception):
    """Ends the task: `reason` is one CamelCase word, `message` one sentence that names what to mend and no secret."""

    outcome: ClassVar[str]
    exit_code: ClassVar[int]

    def __init__(self, reason: str, message: str) -> None:
        message = " ".join(redact(message).split())
        super().__init__(message)
        self.reason = reason
        self.message = message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 1] + "…"


class RejectedTask(TaskError):  # noqa: N818 - a result, not an error
    """The task or its data are bad: the same again would be refused again."""

    outcome = "Refused"
    exit_code = 3


class FailedTask(TaskError):  # noqa: N818
    """Something around the task broke: the same again may succeed."""

    outcome = "Failed"
    exit_code = 1


def join_names(names: object, most: int = 20) -> str:
    """`a, b, c and 4 more`: names for a sentence, which stays short however many there are."""
    words = [str(name) for name in names]  # type: ignore[attr-defined]
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")
