"""Words of the API in the colour that says whether a person has to look."""

from __future__ import annotations

from rich.text import Text

from kubectl_perennial.client import Body
from kubectl_perennial.views import phases

OUTCOMES = {"WithinThresholds": "green", "Triggered": "yellow", "Invalid": "red", "Breach": "yellow"}
STATES = {"Suspended": "yellow", "Stalled": "red", "Pinned": "yellow"}
GOOD = {"Stalled": "False", "Reconciling": "False"}
"""Conditions that are good when they are not so."""


def phase(word: str) -> Text:
    return Text(word, STATES.get(word, phases.colour(word)))


def outcome(word: str | None) -> Text:
    return Text(word or "", OUTCOMES.get(word or "", "dim"))


def replicas(model: Body) -> Text:
    ready, wanted = model["readyReplicas"], model["replicas"]
    return Text(f"{ready}/{wanted}", "green" if ready >= wanted else "yellow")


def status(condition: Body) -> Text:
    kind, so = condition["type"], condition["status"]
    good = kind == "Retraining" or so == GOOD.get(kind, "True")
    return Text(so, "green" if good else "red" if kind == "Stalled" else "yellow")
