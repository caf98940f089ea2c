"""Types of single fields, such as durations, schedules and instants, and the base class of all API values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from perennial_operator.core.api.cel import matching, rule

MOST_LEVELS = 32
"""Most levels of a value without a schema, such as an affinity or a parameter: several times what is needed."""
TIME_ZONE = (
    "Time zone of the schedule, as the IANA database names it, such as Europe/Berlin; default UTC. A time that the clock "
    "skips fires when the clock is set forward; one that occurs twice fires once."
)
"""The description of each field of this kind."""
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Value(BaseModel):
    """A frozen value whose fields are camelCase in the API and snake_case here."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    def to_api(self) -> dict[str, Any]:
        """The object as the API has it, without unset fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def shallow(value: Any) -> Any:
    """The same value, if it has at most MOST_LEVELS levels, so that recursive code cannot exceed its limit."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return value
    raise ValueError(f"it has more than {MOST_LEVELS} levels; use fewer")


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def as_delta(text: str) -> timedelta:
    """The timedelta of a duration such as `90s`, `15m`, `24h` or `7d`."""
    return timedelta(**{UNITS[text[-1]]: int(text[:-1])})


def as_instant(value: object) -> object:
    """The datetime in UTC of RFC 3339 text; one without a time zone is in UTC. ValueError beyond the years 1 to 9999."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return value
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError(f"{value} is beyond the years 1 to 9999 in UTC; give another time") from None


def as_text(instant: datetime, digits: str = "seconds") -> str:
    """RFC 3339 text in UTC, to the second, as a Kubernetes Time."""
    return instant.astimezone(UTC).isoformat(timespec=digits).replace("+00:00", "Z")


def shown(number: float) -> str:
    """The number as text with four digits, never as 1.8e+04, and less than 1 never as 1."""
    if abs(number) >= 1000:
        return f"{number:,.0f}"
    text = f"{number:.4g}"
    return f"{math.trunc(number * 1e4) / 1e4:.4g}" if text.strip("-") == "1" and abs(number) < 1 else text


def valid_cron(expression: str) -> str:
    try:
        next(CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise ValueError(
            f"{expression!r} is not a valid cron schedule ({error or 'no date matches'}); "
            "write five fields such as '0 3 * * 1'"
        ) from error
    return expression


def valid_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not in the time zone database; give a name such as Europe/Berlin") from None
    return name


def first_fire_after(expression: str, instant: datetime, time_zone: str | None = None) -> datetime:
    """The first time the schedule fires after `instant`, in UTC; the schedule is in the time zone, by default UTC.

    A time that the zone's clock skips fires when the clock is set forward; one that occurs twice fires once.
    """
    fires = (at.astimezone(UTC) for at in CronSim(expression, instant.astimezone(_zone(time_zone))))
    # In an hour that occurs twice, CronSim gives the first of two equal times also in the second one.
    return next(at for at in fires if at > instant)


def last_fire_by(expression: str, instant: datetime, time_zone: str | None = None) -> datetime:
    """The last time the schedule fired, `instant` included, in UTC; the schedule is in the time zone."""
    after = instant.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
    last = next(CronSim(expression, after.astimezone(_zone(time_zone)), reverse=True)).astimezone(UTC)
    if time_zone:  # and going back it leaves out the first of two equal times
        while (following := first_fire_after(expression, last, time_zone)) <= instant:
            last = following
    return last


def due_after(
    expression: str, instants: Iterable[datetime | None], now: datetime, time_zone: str | None = None
) -> datetime:
    """When the schedule is due after the last of these times; at once if a wrong clock wrote all of them."""
    since = max((at for at in instants if at and at <= now), default=None)
    return first_fire_after(expression, since, time_zone) if since else last_fire_by(expression, now, time_zone)


def _zone(name: str | None) -> tzinfo:
    return ZoneInfo(name) if name else UTC


def _cron_field(number: str) -> str:
    item = rf"(\*|({number})(-({number}))?)(/[0-9]+)?"
    return rf"{item}(,{item})*"


_DAYS, _MONTHS = "SUN|MON|TUE|WED|THU|FRI|SAT", "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_CRON = r"[ ]+".join(
    _cron_field(number)
    for number in (
        "[0-5]?[0-9]",
        "[01]?[0-9]|2[0-3]",
        "0?[1-9]|[12][0-9]|3[01]|LW?",
        f"0?[1-9]|1[0-2]|{_MONTHS}",
        rf"([0-7]|{_DAYS})(#[1-5]|L)?",
    )
)

T = TypeVar("T")
Nested = Annotated[T, AfterValidator(shallow)]
Duration = Annotated[
    str,
    *matching(r"[1-9][0-9]{0,5}[smhd]", "give a duration: a number and s, m, h or d, such as 90s, 15m, 24h or 7d", 32),
]
Days = Annotated[str, *matching(r"[1-9][0-9]{0,4}d", "give a number of days, at least 1, such as 180d", 6)]
DurationOrNone = Annotated[
    str,
    *matching(r"0s|[1-9][0-9]{0,5}[smhd]", "give a duration such as 90s, 15m, 24h or 7d, or 0s for none", 32),
]
Cron = Annotated[
    str,
    *matching(
        rf"(?i)[ ]*{_CRON}[ ]*",
        "give a cron schedule of five fields: minute, hour, day of month, month, day of week, such as 0 3 * * 1",
        100,
    ),
    AfterValidator(valid_cron),
]
TimeZone = Annotated[
    str,
    *matching(
        r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}",
        "give a time zone as the IANA database names it, such as Europe/Berlin",
        64,
    ),
    AfterValidator(valid_time_zone),
]
Instant = Annotated[
    datetime,
    BeforeValidator(as_instant),
    PlainSerializer(as_text),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Moment = Annotated[
    datetime,
    BeforeValidator(as_instant),
    PlainSerializer(partial(as_text, digits="microseconds")),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""An instant to the microsecond, as a Kubernetes MicroTime, for timeouts of seconds."""
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
Name = Annotated[
    str, *matching(_LABEL, "give a name: a-z, 0-9 and - (not at the start or end), at most 63 characters", 63)
]
ObjectName = Annotated[
    str,
    *matching(
        rf"{_LABEL}(\.{_LABEL})*",
        "give an object's name: a-z, 0-9, - and . (not at the start or end), at most 253 characters",
        253,
    ),
]
_UNSAFE = (
    ("[^:]+://[^/@]*:[^/@]*@.*", "the address must not contain a password; name a Secret with it in secretRef"),
    (".*::.*", "the address must not contain '::'; give one address"),
    (r".*/\.\.(/.*)?", "path must not contain '..'"),
)
"""Patterns that an address must not match, and the message for each."""


def _safe(uri: str) -> str:
    for pattern, message in _UNSAFE:
        if re.fullmatch(pattern, uri):
            raise ValueError(message)
    return uri


def shown_addresses(text: str) -> str:
    """The text without passwords and queries in addresses, so that it holds no secret."""
    text = re.sub(r"(?<=://)[^\s/@'\"]*:[^\s/@'\"]*@", "***@", text)
    return re.sub(r"(https?://[^\s?'\"]*)\?[^\s'\"]*", r"\1?***", text)


_SAFE_RULES = tuple(rule(f"!self.matches(r'^({pattern})$')", message) for pattern, message in _UNSAFE)
Column = Annotated[str, Field(min_length=1, max_length=128)]
Share = Annotated[float, Field(ge=0, le=1)]
Uri = Annotated[
    str,
    *matching(
        r"(s3|gs|az|abfs|https|file)://\S+",
        "give the files' address, beginning with s3://, gs://, az://, abfs://, https:// or file://",
        1024,
        *_SAFE_RULES,
    ),
    AfterValidator(_safe),
]
Folder = Annotated[
    str,
    *matching(
        r"(s3|gs|az|abfs|file)://\S+",
        "give the address of a folder that can be written, beginning with s3://, gs://, az://, abfs:// or file://",
        1024,
        *_SAFE_RULES,
    ),
    AfterValidator(_safe),
]
