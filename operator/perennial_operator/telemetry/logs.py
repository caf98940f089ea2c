"""The log, with the ModelDeployment that a line is about."""

from __future__ import annotations

import logging

from perennial_operator.cluster.cache_entry import Key
from perennial_operator.core.api.meta import API_VERSION
from perennial_operator.core.api.printable_text import printable

log = logging.getLogger("perennial")


def about(key: Key) -> logging.LoggerAdapter[logging.Logger]:
    """The log, with the ModelDeployment: `[namespace/name]` before the text, or a field `object` where lines are JSON.

    kopf's formatters do that for every record that has a `k8s_ref`.
    """
    reference = {"apiVersion": API_VERSION, "kind": "ModelDeployment", **key._asdict()}
    return logging.LoggerAdapter(log, {"k8s_ref": reference})


class PrintableRecords(logging.Filter):
    """Each record is one line, and a traceback is indented below it: no message forges a line."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            lines = logging.Formatter().formatException(record.exc_info).splitlines()
            record.exc_text = "\n".join(f"  {printable(line)}" for line in lines)
        return True


def keep_logs_printable() -> None:
    """Whatever is logged, also by libraries, is written without control characters."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(PrintableRecords())
