"""Which keys are to be forgotten, as annotations ask for it, and when is an upkeep due for each?

An annotation for each key, so that two people at once overwrite nothing. It has the HMAC of the key, which only who has
the secret can compute, and never the key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from perennial_operator.core import names
from perennial_operator.core.api.upkeep import UpkeepFacts
from perennial_operator.core.api.values import as_instant, as_text

AGAIN = timedelta(hours=1)
"""After so long rows that a server had in memory when the key was to be forgotten are in storage, or lost."""
_VALUE = re.compile(r"(?P<key>[0-9a-f]{64}) (?P<at>[0-9TZ:-]{20})")


@dataclass(frozen=True, slots=True)
class ForgetRequest:
    annotation: str
    key: str
    """The HMAC of the key, in 64 hexadecimal digits."""
    at: datetime

    @property
    def value(self) -> str:
        """Of the annotation."""
        return f"{self.key} {as_text(self.at)}"

    @classmethod
    def of(cls, key: str, at: datetime) -> ForgetRequest:
        return cls(f"{names.FORGET}{key[:16]}", key, at.replace(microsecond=0))

    def is_done(self, facts: UpkeepFacts | None) -> bool:
        """Whether no row of before is left."""
        return bool(facts and facts.last_time and facts.last_time - AGAIN >= self.at)

    def due(self, facts: UpkeepFacts | None) -> datetime | None:
        """When the next upkeep is needed because of it; None if it is done, or one has failed and is tried again."""
        tried = facts.last_attempt_time if facts else names.NEVER
        succeeded = (facts and facts.last_time) or names.NEVER
        for after in (timedelta(0), AGAIN):
            if succeeded - after < self.at:
                return self.at + after if tried - after < self.at else None
        return None


def unfinished_requests(annotations: Mapping[str, str], facts: UpkeepFacts | None) -> list[ForgetRequest]:
    """Those that are not done."""
    parsed = (_parsed(name, value) for name, value in sorted(annotations.items()) if name.startswith(names.FORGET))
    return [each for each in parsed if each and not each.is_done(facts)]


def invalid_forget_request(annotations: Mapping[str, str]) -> str | None:
    """What is wrong with an annotation, or None."""
    for name, value in sorted(annotations.items()):
        if name.startswith(names.FORGET) and _parsed(name, value) is None:
            return (
                f"the annotation {name[:100]} names no key and time: remove it, and use kubectl perennial forget, "
                "which writes the HMAC of the key"
            )
    return None


def _parsed(annotation: str, value: str) -> ForgetRequest | None:
    match = _VALUE.fullmatch(value)
    try:
        at = as_instant(match["at"]) if match else None
    except ValueError:
        return None
    return ForgetRequest(annotation, match["key"], at) if match and isinstance(at, datetime) else None
