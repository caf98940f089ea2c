"""Instants and spans of time, as kubectl writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

MINUTE, HOUR, DAY = 60, 3600, 86400


def now() -> datetime:
    return datetime.now(UTC)


def instant(text: str | None) -> datetime | None:
    """The instant of a field of the API."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def span(time: timedelta) -> str:
    """`45s`, `12m`, `3h20m`, `2d4h`, `34d`: two units while they are small enough to matter."""
    seconds = max(0, int(time.total_seconds()))
    if seconds < 2 * MINUTE:
        return f"{seconds}s"
    if seconds < 3 * HOUR:
        return f"{seconds // MINUTE}m"
    if seconds < 2 * DAY:
        return _two(seconds // HOUR, "h", seconds % HOUR // MINUTE, "m")
    if seconds < 8 * DAY:
        return _two(seconds // DAY, "d", seconds % DAY // HOUR, "h")
    return f"{seconds // DAY}d"


def _two(large: int, unit: str, small: int, below: str) -> str:
    return f"{large}{unit}{small}{below}" if small else f"{large}{unit}"


def ago(time: datetime | None, at: datetime) -> str:
    return f"{span(at - time)} ago" if time else ""


def until(time: datetime, at: datetime) -> str:
    return f"in {span(time - at)}" if time > at else "due now"
