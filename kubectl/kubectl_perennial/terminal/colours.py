"""Phases, outcomes and conditions in colours: green is good, yellow is under way, red needs a person."""

from __future__ import annotations

from rich.text import Text

from kubectl_perennial.client import Body
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_version import UNSUCCESSFUL, Phase

PHASES: dict[str, str] = {
    Phase.LIVE: "green",
    Phase.SUPERSEDED: "dim",
    Phase.AWAITING_APPROVAL: "magenta",
    **dict.fromkeys(UNSUCCESSFUL, "red"),
    "Stalled": "red",
}
"""Every other phase is yellow, also one of a newer operator."""
OUTCOMES: dict[str, str] = {
    Outcome.WITHIN_THRESHOLDS: "green",
    Outcome.TRIGGERED: "yellow",
    Outcome.WOULD_TRIGGER: "yellow",
    Outcome.INVALID: "red",
    Outcome.BAD_DATA: "red",
    Outcome.NOT_MEASURED: "yellow",
    Outcome.BREACH: "yellow",
}
GOOD = {"Stalled": "False", "Reconciling": "False"}
"""Conditions that are good when they are False."""


def phase_text(phase: str) -> Text:
    return Text(phase, PHASES.get(phase, "yellow"))


def outcome_text(outcome: str | None) -> Text:
    return Text(outcome or "", OUTCOMES.get(outcome or "", "dim"))


def replicas_text(model: Body) -> Text:
    ready, wanted = model["readyReplicas"], model["replicas"]
    return Text(f"{ready}/{wanted}", "green" if ready >= wanted else "yellow")


def status_text(condition: Body) -> Text:
    kind, status = condition["type"], condition["status"]
    good = kind == "Retraining" or status == GOOD.get(kind, "True")
    return Text(status, "green" if good else "red" if kind == "Stalled" else "yellow")
