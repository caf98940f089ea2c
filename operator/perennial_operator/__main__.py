"""`python -m perennial_operator` runs the operator; the environment says how (settings.py)."""

from __future__ import annotations

import asyncio
import os
import sys

import kopf

from perennial_operator import handlers as handlers  # kopf runs what is imported
from perennial_operator.cluster.codec import raise_recursion_limit
from perennial_operator.settings import BadSettingError, Settings, read_settings
from perennial_operator.telemetry.logs import log


def main() -> int:
    """The operator has run until it was told to stop; 0 then, 2 if the settings are bad, 1 if it has to start anew."""
    try:
        settings = read_settings(os.environ)
    except BadSettingError as error:
        print(error, file=sys.stderr)  # noqa: T201 - there is no log yet
        return 2
    raise_recursion_limit()
    as_json = settings.log_format == "json"
    kopf.configure(log_format=kopf.LogFormat.JSON if as_json else kopf.LogFormat.FULL, log_prefix=not as_json)
    try:
        gave_up = _run(settings)
    except Exception as error:
        # Crash-only: to start anew is quick and harmless, and the next one says it if it cannot.
        gave_up = f"the watches ended: {error!r}"
    if gave_up:
        log.error("%s; this operator ends, and starts anew", gave_up)
    return 1 if gave_up else 0


def _run(settings: Settings) -> str:
    """Why the operator gave up, or nothing if it was told to stop."""
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
