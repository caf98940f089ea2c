"""Which pages of drift checks are old?"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from perennial_trainer.upkeep.files import CHECKS, PAGE

SECONDS = 10
"""Digits of a time as seconds since 1970, of a check that was requested; a schedule fires at a minute of a day."""
OF_VERSION = 8
"""Hexadecimal digits of such a time, of a check of a version against the one that it replaces."""


def old_pages(files: Mapping[str, int], model_deployment: str, since: datetime) -> dict[str, int]:
    """The files of the model's checks before this time, without those of its newest check."""
    checks = {name: at for name in files if (at := _checked_at(name, model_deployment))}
    newest = max(checks.values(), default=since)
    return {name: files[name] for name, at in checks.items() if at < since and at != newest}


def _checked_at(name: str, model_deployment: str) -> datetime | None:
    match = PAGE.fullmatch(name.removeprefix(f"{CHECKS}/"))
    if match is None:
        return None
    of = rf"-v[1-9]\d{{0,8}}-check-{match['at']}" if len(match["at"]) == OF_VERSION else f"-check-{match['at']}"
    if not re.fullmatch(re.escape(model_deployment) + of, match["folder"]):
        return None
    if len(match["at"]) == OF_VERSION:
        return datetime.fromtimestamp(int(match["at"], 16), UTC)
    if len(match["at"]) == SECONDS:
        return datetime.fromtimestamp(int(match["at"]), UTC)
    try:
        return datetime.strptime(match["at"], "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return None
