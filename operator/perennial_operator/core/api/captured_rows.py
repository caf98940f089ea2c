"""Rules about captured rows and their labels, which are named in three sections of the spec."""

from __future__ import annotations

from pydantic.config import JsonDict

from perennial_operator.core.api.cel import rule

_TRAINED = "(has(self.data.training.captured) && self.data.training.captured)"
_CHECKED = (
    "(has(self.drift) && has(self.drift.check) && has(self.drift.check.data.captured)"
    " && self.drift.check.data.captured)"
)
_READ = f"({_TRAINED} || {_CHECKED})"


_PLACES = ("uri", "persistentVolumeClaim", "sql", "delta", "iceberg")


def _alone(source: str) -> str:
    """CEL: whether no place is beside the captured rows."""
    return " && ".join(f"!has(self.{source}.{place})" for place in _PLACES)


_LACKING = "has(self.serving.capture) && size(self.serving.capture.exclude) > 0"


def _not_excluded(read: str, source: str) -> JsonDict:
    """Rows that are read alone have each input of the model."""
    return rule(
        f"!({_LACKING} && {read} && {_alone(source)})",
        "captured rows lack the inputs of serving.capture.exclude; name none there, or read other rows beside captured ones",
        field_path=f".{source}",
    )


def _seconds(duration: str) -> str:
    """CEL: the seconds of a duration such as 7d."""
    unit = f"({duration}.endsWith('d') ? 86400 : {duration}.endsWith('h') ? 3600 : {duration}.endsWith('m') ? 60 : 1)"
    return f"int({duration}.substring(0, {duration}.size() - 1)) * {unit}"


_RETAINED = f"{_seconds('self.serving.capture.retain')}"
_ITS_WINDOW = "type(self.drift.check.window) == string && self.drift.check.window.matches('^[0-9]')"

RULES = (
    rule(
        f"!has(self.serving.capture) || !has(self.data.labels) || {_RETAINED} > {_seconds('self.data.labels.mature')}",
        "captured rows would be deleted before their labels count; give a longer retain than data.labels.mature",
        field_path=".serving.capture.retain",
    ),
    rule(
        f"!{_CHECKED} || !has(self.serving.capture) || !({_ITS_WINDOW})"
        f" || {_RETAINED} >= {_seconds('self.drift.check.window')}",
        "rows of the window would be deleted; give at least as long a retain as drift.check.window",
        field_path=".serving.capture.retain",
    ),
    rule(
        f"!has(self.data.labels) || {_READ}",
        "labels join captured rows; set captured: true in data.training or in drift.check.data, or remove labels",
        field_path=".data.labels",
    ),
    rule(
        f"!{_TRAINED} || has(self.data.labels)",
        "captured rows have no target of their own; name their labels in data.labels",
        field_path=".data.training",
    ),
    rule(
        f"!{_READ} || has(self.serving.capture)",
        "nothing is captured; set serving.capture, with share: 0 to read only what was captured before",
        field_path=".serving",
    ),
    rule(
        f"!{_READ} || has(self.data.timeColumn)",
        "captured rows are ordered by time; set data.timeColumn, such as perennial.time, the time of the request",
        field_path=".data",
    ),
    _not_excluded(_TRAINED, "data.training"),
    _not_excluded(_CHECKED, "drift.check.data"),
    rule(
        f"!{_CHECKED} || !has(self.data.labels) || type(self.drift.check.window) == int"
        " || !self.drift.check.window.matches('^[0-9]')"
        " || !has(self.drift.challenger) || !has(self.drift.challenger.enabled) || self.drift.challenger.enabled"
        f" || {_seconds('self.drift.check.window')} > {_seconds('self.data.labels.mature')}",
        "no row of the window is older than data.labels.mature, so that no quality is measured; give a longer window, "
        "or enable drift.challenger, which scores earlier rows",
        field_path=".drift.check.window",
    ),
)
