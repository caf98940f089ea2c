"""What a container leaves in files: its log, and its last words."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MESSAGE_BYTES = 4096
LOG_TAIL = 2048, 80  # bytes, lines: what FallbackToLogsOnError takes


@dataclass(frozen=True)
class Files:
    log: Path
    message: Path

    @classmethod
    def of(cls, pod_directory: Path, container: str) -> Files:
        return cls(pod_directory / "logs" / f"{container}.log", pod_directory / "termination" / container)

    def renew(self) -> None:
        """Both are empty."""
        self.message.parent.mkdir(parents=True, exist_ok=True)
        self.message.write_bytes(b"")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")

    def last_words(self, fall_back_to_log: bool) -> str:
        message = _tail(self.message, MESSAGE_BYTES)
        if not message and fall_back_to_log:
            size, lines = LOG_TAIL
            message = b"".join(_tail(self.log, size).splitlines(keepends=True)[-lines:])
        return message.decode(errors="replace")


def _tail(file: Path, size: int) -> bytes:
    """The last bytes of what was written; empty if the container has taken the file away."""
    with suppress(OSError), file.open("rb") as written:
        written.seek(max(0, file.stat().st_size - size))
        return written.read(size)
    return b""
