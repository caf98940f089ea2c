"""The table of a backtest, as text: each policy beside never and always retraining, and beside hindsight."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from perennial_operator.core.api.values import shown

Body = dict[str, Any]
LONGEST = 24
"""Characters of a name in the first column."""
HEAD = ("POLICY", "LOSS", "RECOVERED", "TRAINED", "LIVE", "REJECTED", "CPU")


def summary(fields: Body) -> str:
    """How much was played, and what the loss is."""
    late = f", labels {fields['labelsLate']} late" if fields["labelsLate"] else ""
    every = f"{fields['every']} rows" if isinstance(fields["every"], int) else fields["every"]
    return (
        f"{fields['rows']:,} rows in {fields['batches']} batches of {every}, "
        f"{fields['start'][:10]} to {fields['end'][:10]}{late}; "
        f"loss: {fields['metric']}, of the {fields['batches'] - fields['first']} batches after the first version"
    )


def policy_label(policy: Body, fields: Body) -> str:
    """Its title, if that is short; of settings, the last part of each path."""
    name, _, settings = str(policy["title"]).partition(" ")
    if not settings:
        return _short(name)
    place = fields["policies"].index(policy) + 1
    return _short(f"{place}: " + " ".join(re.sub(r"\S*\.(?=[\w\[\]]+=)", "", each) for each in settings.split()))


def comparison(fields: Body) -> Iterator[list[str]]:
    """Never, always and the hindsight bound are those of the first policy's model."""
    reference = fields["policies"][0]
    yield ["never retrained", _loss(reference["firstLoss"]), "0 %", "0", "1", "", ""]
    for policy in fields["policies"]:
        yield [
            policy_label(policy, fields),
            _loss(policy["loss"]),
            _percent(policy["recovery"]),
            _trained(policy),
            str(policy["promotions"] + 1),
            str(policy["rejections"]),
            cpu_text(policy),
        ]
    always = fields["batches"] - fields["first"]
    cpu = _seconds(reference["alwaysCpuSeconds"])
    yield [f"always, {reference['alwaysWindow']}", _loss(reference["alwaysLoss"]), "100 %", str(always), "", "", cpu]
    most = reference["hindsightLoss"]
    yield ["hindsight", _loss(most), _percent(_recovered(reference, most)), "", "", "", ""]
    same, count = reference["hindsightLossSameTrainings"], str(reference["trainings"])
    yield [f"hindsight, {count} refits", _loss(same), _percent(_recovered(reference, same)), count, "", "", ""]


def value_text(value: object) -> str:
    """A value of a manifest in one line."""
    return "-" if value is None else json.dumps(value, ensure_ascii=False)


def change_text(change: Body) -> str:
    """A sentence about a field that a suggestion changes."""
    before, after = value_text(change["is"]), value_text(change["becomes"])
    if change["becomes"] is None:
        return f"{change['field']} is removed; it was {before}"
    return f"{change['field']} is {after}" + ("" if change["is"] is None else f"; it was {before}")


def cpu_seconds(policy: Body) -> float:
    """Of all its Jobs: trainings, validations, and checks with their challengers."""
    return float(sum(policy["cpuSeconds"].values()))


def cpu_text(policy: Body) -> str:
    return _seconds(cpu_seconds(policy))


def _trained(policy: Body) -> str:
    """The fits, and behind a plus the versions that only have other weights."""
    again = policy["reweighings"]
    return f"{policy['trainings']} + {again}" if again else str(policy["trainings"])


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _recovered(policy: Body, loss: float) -> float | None:
    gain = policy["firstLoss"] - policy["alwaysLoss"]
    return (policy["firstLoss"] - loss) / gain if gain > 0 else None


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{round(share * 100)} %"


def _seconds(value: float) -> str:
    return f"{value:.0f}s" if value >= 9.95 else f"{value:.1f}s"


def _loss(value: float | None) -> str:
    return "-" if value is None else shown(value)
