"""Which policy a backtest suggests, and why, as plain fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubectl_perennial.simulation.backtest import Backtest
from kubectl_perennial.simulation.manifest import Manifest
from kubectl_perennial.simulation.suggesting.choice import Choice, choose
from kubectl_perennial.simulation.suggesting.manifest_text import changes, rewritten
from kubectl_perennial.views.comparison_table import cpu_seconds, cpu_text, policy_label
from perennial_operator.core.api.values import shown

Body = dict[str, Any]
NOT_KNOWN = "whether the policy that is the best on this history is the best on the next one"
ABOUT = "about the least: at most two points of recovery, or one standard error of the difference, above the least"
CHEAPER = 0.8
"""A policy with so much of the winner's CPU seconds is named. They decide nothing: they differ from run to run."""


def suggestion_fields(backtest: Backtest, fields: Body, policies: Sequence[Manifest]) -> Body:
    """The suggestion; `fields` are those of the backtest of these policies, the first of them as it is."""
    choice = choose(backtest.results)
    winner = policies[choice.winner]
    return {
        "policy": fields["policies"][choice.winner]["title"],
        "place": choice.winner + 1,
        "why": _why(choice, fields),
        "changes": [
            {"field": change.field, "is": change.before, "becomes": change.after}
            for change in changes(policies[0].spec, winner.spec)
        ],
        "manifest": rewritten(winner.text, winner.body),
    }


def _why(choice: Choice, fields: Body) -> list[str]:
    policies = fields["policies"]
    labels = [policy_label(policy, fields) for policy in policies]
    sentences = [_reason(choice, labels, policies)]
    winner = policies[choice.winner]
    fewer = [place for place, policy in enumerate(policies) if policy["trainings"] < winner["trainings"]]
    if cheaper := [place for place in fewer if place not in choice.barred]:
        place = min(cheaper, key=lambda place: float(policies[place]["loss"]))
        sentences.append(f"With fewer trainings the best one is {labels[place]}: {_numbers(policies[place])}.")
    near = [policies[place] for place in choice.near]
    cheapest = min(near, key=cpu_seconds)
    if cpu_seconds(cheapest) < CHEAPER * cpu_seconds(winner):
        label = labels[policies.index(cheapest)]
        sentences.append(f"Of these, {label} needs the least CPU: {_numbers(cheapest)}.")
    if choice.barred:
        names = "; ".join(f"{labels[place]} ({policies[place]['alarmsShuffled']})" for place in choice.barred)
        sentences.append(f"Not chosen, since they raise more alarms on the same rows shuffled: {names}.")
    if winner["alarmsShuffled"] is None:
        sentences.append("Alarms on shuffled rows were not counted: leave out --no-shuffle.")
    return sentences


def _reason(choice: Choice, labels: Sequence[str], policies: Sequence[Body]) -> str:
    name, numbers = labels[choice.winner], _numbers(policies[choice.winner])
    if choice.near == (choice.winner,):
        return f"{name} has the least loss: {numbers}. No other loss is {ABOUT}."
    reason = f"{name} has the fewest trainings of the {len(choice.near)} policies whose loss is {ABOUT}: {numbers}."
    if choice.winner == choice.best:
        return reason
    return f"{reason} The least loss is that of {labels[choice.best]}: {_numbers(policies[choice.best])}."


def _numbers(policy: Body) -> str:
    recovered = "" if policy["recovery"] is None else f", {round(policy['recovery'] * 100)} % recovered"
    trainings = f"{policy['trainings']} training{'' if policy['trainings'] == 1 else 's'}"
    return f"{trainings}, {cpu_text(policy)} of CPU, a loss of {shown(policy['loss'])}{recovered}"
