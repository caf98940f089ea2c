"""Rules about captured rows and their labels, which are named in three sections of the spec."""

from __future__ import annotations

from perennial_operator.core.api.cel import rule

_TRAINED = "(has(self.data.training.captured) && self.data.training.captured)"
_CHECKED = (
    "(has(self.drift) && has(self.drift.check) && has(self.drift.check.data.captured)"
    " && self.drift.check.data.captured)"
)
_READ = f"({_TRAINED} || {_CHECKED})"


def _seconds(duration: str) -> str:
    """CEL: the seconds of a duration such as 7d."""
    unit = f"({duration}.endsWith('d') ? 86400 : {duration}.endsWith('h') ? 3600 : {duration}.endsWith('m') ? 60 : 1)"
    return f"int({duration}.substring(0, {duration}.size() - 1)) * {unit}"


RULES = (
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
