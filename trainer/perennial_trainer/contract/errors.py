"""The two ways in which a task ends without success, each with a reason and a message."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from perennial_trainer.redaction import printable, redact

MAX_MESSAGE = 1500  # characters; the whole result must fit into 4,096 bytes


class TaskError(Exception):
    """Ends the task. `reason` is a CamelCase word, `message` a sentence that says what to fix and has no secret."""

    outcome: ClassVar[str]
    exit_code: ClassVar[int]
    files: str | None = None
    """The digest of the files that a training was refused for."""
    columns: tuple[str, ...] = ()
    """Those with several values in a row, of a NestedColumn."""
    parts: "tuple[TaskError, ...]" = ()
    """Each problem by itself and whole, if several are reported as one."""

    def __init__(self, reason: str, message: str) -> None:
        message = " ".join(printable(redact(message)).split())
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


class Problems:
    """Collects what is wrong with the data, so that one RejectedTask reports all of it."""

    def __init__(self) -> None:
        self._rejected: list[RejectedTask] = []

    def __bool__(self) -> bool:
        return bool(self._rejected)

    def add(self, reason: str, message: str) -> None:
        self._rejected.append(RejectedTask(reason, message))

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """A RejectedTask ends the block and is collected."""
        try:
            yield
        except RejectedTask as rejected:
            self._rejected.append(rejected)

    def append(self, rejected: RejectedTask) -> None:
        self._rejected.append(rejected)

    def raise_all(self) -> None:
        """Raises one RejectedTask with the first reason and all messages; nothing if there is no problem."""
        if len(self._rejected) == 1:
            raise self._rejected[0]
        if self._rejected:
            size = max(120, (MAX_MESSAGE - 60) // len(self._rejected))
            parts = [f"({n}) {each.reason}: {each.message}" for n, each in enumerate(self._rejected, 1)]
            shortened = [text if len(text) <= size else text[: size - 1] + "…" for text in parts]
            refusal = RejectedTask(
                self._rejected[0].reason, f"{len(parts)} problems of the data: {'; '.join(shortened)}"
            )
            refusal.parts = tuple(self._rejected)
            raise refusal


def join_names(names: object, limit: int = 20) -> str:
    """`a, b, c and 4 more`: names for a message, which stays short however many there are."""
    texts = [str(name) for name in names]  # type: ignore[attr-defined]
    return ", ".join(texts[:limit]) + (f" and {len(texts) - limit} more" if len(texts) > limit else "")
