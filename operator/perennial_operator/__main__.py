"""`python -m perennial_operator` runs the operator; settings.py reads its settings from the environment."""

from __future__ import annotations

import asyncio
import os
import sys

import kopf

from perennial_operator import handlers as handlers  # kopf runs the handlers that are imported
from perennial_operator.cluster.codec import raise_recursion_limit
from perennial_operator.settings import BadSettingError, Settings, read_settings
from perennial_operator.telemetry.logs import keep_logs_printable, log


def main() -> int:
    """The operator has stopped: 0 on request, 2 because of invalid settings, 1 if it must be restarted."""
    try:
        settings = read_settings(os.environ)
    except BadSettingError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the log is not configured yet
        return 2
    raise_recursion_limit()
    as_json = settings.log_format == "json"
    kopf.configure(log_format=kopf.LogFormat.JSON if as_json else kopf.LogFormat.FULL, log_prefix=not as_json)
    keep_logs_printable()
    try:
        gave_up = _run(settings)
    except Exception as error:
        # Crash-only: a restart is fast and safe, and reports the error again if it persists.
        gave_up = f"the watches ended: {error!r}"
    if gave_up:
        log.error("%s; this operator exits to be restarted", gave_up)
    return 1 if gave_up else 0


def _run(settings: Settings) -> str:
    """Why the operator gave up, or an empty text if it was stopped on request."""
    reasons: list[str] = []
    stop = asyncio.Event()

    def give_up(why: str) -> None:
        reasons.append(why)
        stop.set()

    kopf.run(
        memo=kopf.Memo(settings=settings, give_up=give_up),
        stop_flag=stop,
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        standalone=True,
    )
    return "; ".join(reasons)


if __name__ == "__main__":
    sys.exit(main())
