"""The one text of a value: written as 1, 1.0 or "1.0", it is the same category and the same key.

It needs the standard library alone, so that the kubectl plugin writes a key as the server does.
"""

import re
from datetime import UTC, date, datetime, timedelta

_WHOLE_FLOAT = re.compile(r"(-?\d+)\.0+")
_LARGE_FLOAT = re.compile(r"-?\d(\.\d+)?e\+\d+")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:\.([0-9]{1,9}))?"
    r" ?(?:(Z|UTC)|([+-])([0-9]{2}):?([0-9]{2}))?"
)


def name_of_text(text: str) -> str:
    """The text of what a text means: of a whole number, of a time in UTC, of true or false; else the text itself."""
    if "." in text and (whole_float := _WHOLE_FLOAT.fullmatch(text)):
        return "0" if whole_float[1] == "-0" else whole_float[1]
    if "e+" in text and _LARGE_FLOAT.fullmatch(text) and repr(float(text)) == text:
        return name_of_float(float(text))
    if text[4:5] == "-" and len(text) >= 16 and (time := _TIME.fullmatch(text)):
        return _name_of_time_text(text, time)
    if text == "-0":
        return "0"
    return text.lower() if len(text) in (4, 5) and text.lower() in ("true", "false") else text


def name_of_float(value: float) -> str:
    return str(int(value)) if value.is_integer() else str(value)


def name_of_time(value: date) -> str:
    """ISO 8601 in UTC without the zone; a midnight is its day."""
    if not isinstance(value, datetime):
        return value.isoformat()
    if value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    text = value.isoformat()
    return (text.rstrip("0") if "." in text else text).removesuffix("T00:00:00")


def _name_of_time_text(text: str, time: "re.Match[str]") -> str:
    day, minute, second, fraction, _, sign, hours, minutes = time.groups()
    try:
        instant = datetime.fromisoformat(f"{day}T{minute}{second or ':00'}")
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            instant += -offset if sign == "+" else offset
    except (ValueError, OverflowError):  # such as 2026-13-01 25:00
        return text
    digits = (fraction or "").rstrip("0")
    return instant.isoformat() + f".{digits}" if digits else name_of_time(instant)
